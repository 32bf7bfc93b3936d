"""Checks recorded answers with openapi-core: python check_answers.py CONTRACT EXCHANGES. Prints how many it checked.

EXCHANGES: one JSON object a line, as test_all_examples.py writes them.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.templating.paths.exceptions import OperationNotFound, PathNotFound
from werkzeug.datastructures import Headers, ImmutableMultiDict

BYTES = ("image/jpeg", "image/png")
TEXTS = ("application/yaml", "image/svg+xml", "text/css", "text/javascript")
STREAM = "multipart/x-mixed-replace"
"""openapi-core reads each multipart body as a form."""


class Request:
    """A request, as openapi-core's protocol wants it."""

    def __init__(self, exchange: dict[str, Any]) -> None:
        url = urlsplit(exchange["url"])
        self.host_url, self.path, self.path_pattern = f"{url.scheme}://{url.netloc}", url.path, None
        self.full_url_pattern = self.host_url + url.path
        self.method, self.content_type, self.body = exchange["method"].lower(), "", b""
        self.parameters = RequestParameters(query=ImmutableMultiDict(), header=Headers(), cookie=ImmutableMultiDict())


class Response:
    """An answer, as openapi-core's protocol wants it."""

    def __init__(self, exchange: dict[str, Any]) -> None:
        self.status_code, self.headers = exchange["status"], Headers(exchange["headers"])
        self.content_type = self.headers.get("content-type", "").partition(";")[0]
        self.data = base64.b64decode(exchange["body"])


contract, exchanges = map(Path, sys.argv[1:])
as_text = {media_type: lambda body, **_: body.decode("latin-1") for media_type in (*BYTES, *TEXTS)}
as_json = {"application/problem+json": lambda body, **_: json.loads(body)}
config = Config(extra_media_type_deserializers=as_text | as_json)
core = OpenAPI.from_dict(yaml.safe_load(contract.read_text()), config=config)
checked = 0
for line in exchanges.read_text().splitlines():
    exchange = json.loads(line)
    if Response(exchange).content_type == STREAM:
        continue
    try:
        core.validate_response(Request(exchange), Response(exchange))
        checked += 1
    except (OperationNotFound, PathNotFound):
        assert exchange["status"] >= 400, "served though the contract does not have it"
    except Exception as error:
        raise SystemExit(
            f"{exchange['method']} {exchange['url'][:200]} {exchange['status']}: {error!r} {error.__cause__!r}"
        ) from error
sys.stdout.write(str(checked))
