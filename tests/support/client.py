"""A client that checks every answer against openapi.yaml: status, headers, media type, body."""

import json
import re
import ssl
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import httpx
import yaml
from jsonschema import Draft4Validator

from tests.support.credentials import SECRETS

ROOT = Path(__file__).parent.parent.parent
CONTRACT: dict[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text())
OPERATIONS = [
    (method, path, operation)
    for path, operations in CONTRACT["paths"].items()
    for method, operation in operations.items()
]
"""Method, path and definition of every operation of the contract."""
TRANSPORT_HEADERS = {"date", "content-length", "content-type", "connection", "transfer-encoding"}
ON_EVERY_ANSWER = {"x-content-type-options": "nosniff", "cache-control": "no-store"}
POLICY = "content-security-policy"
"""In the contract's description, because every answer has them."""
CORS = {"vary", "access-control-allow-origin", "access-control-expose-headers"}
"""In the contract's description: answers for pages of allowed origins have them."""
BEFORE_ROUTING = {413: "{}TooLarge", 414: "UriTooLong", 431: "HeadTooLarge"}
"""Refused on every path: status → the response of the contract; `{}` is the dialect."""
UI = "/ui"


class ContractClient(httpx.Client):
    """An httpx client that refuses every answer the contract does not declare."""

    def __init__(self, base_url: str, trusted: ssl.SSLContext | None = None) -> None:
        super().__init__(base_url=base_url, timeout=60, verify=trusted or True)

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        response = super().send(request, **options)
        if not request.url.path.startswith(UI):
            check_answer(request.method, request.url.path, response)
        return response


def check_answer(method: str, path: str, response: httpx.Response) -> None:
    """Assert that the contract declares this answer to this request, and that nothing secret is in it."""
    assert not any(secret in f"{response.headers.multi_items()} {response.text}" for secret in SECRETS)
    plain = re.sub("/+", "/", path).rstrip("/") or "/"
    declared = resolve(_declared_response(method.lower(), plain, response.status_code))
    headers = {name.lower(): resolve(header) for name, header in declared.get("headers", {}).items()}
    assert {name: response.headers.get(name) for name in ON_EVERY_ANSWER} == ON_EVERY_ANSWER
    assert response.headers[POLICY].startswith("frame-ancestors 'none'")
    undeclared = set(response.headers) - set(headers) - TRANSPORT_HEADERS - {*ON_EVERY_ANSWER, POLICY} - CORS
    assert not undeclared, f"undeclared headers {undeclared}"
    for name, header in headers.items():
        assert name in response.headers or not header.get("required"), f"the header {name} is missing"
        if name in response.headers:
            value: Any = response.headers[name]
            if header["schema"]["type"] == "integer":
                assert re.fullmatch(r"[0-9]+", value), f"{name}: {value} is not an integer"
                value = int(value)
            check_schema(value, header["schema"])
    if "content" not in declared:
        assert "content-type" not in response.headers, "a Content-Type without content"
        assert not response.content, "content where none is declared"
        return
    media_type = response.headers["content-type"]
    if media_type.startswith(("text/", "multipart/")):  # only these may have a charset, or a boundary
        media_type = media_type.partition(";")[0]
    assert media_type in declared["content"], f"undeclared media type {media_type}"
    if method != "HEAD":
        check_schema(parse(response), declared["content"][media_type]["schema"])
        if media_type == "application/problem+json":
            assert response.json()["status"] == response.status_code


def parse(response: httpx.Response) -> Any:
    """Return the body as data; JSON is read strictly, without NaN and infinities."""
    if response.headers["content-type"].startswith(("image/", "multipart/")):
        return response.content.decode("latin-1")
    if response.headers["content-type"].startswith(("text/", "application/yaml")):
        return response.text
    return json.loads(response.content, parse_constant=_refuse_constant)


def check_schema(value: Any, schema: dict[str, Any]) -> None:
    """Assert that a value is valid in a schema of the contract."""
    _validator(json.dumps(schema)).validate(value)


@cache
def _validator(schema: str) -> Draft4Validator:
    return Draft4Validator(_without_references(json.loads(schema)))


def _without_references(node: Any) -> Any:
    """Return a copy of a part of the contract with everything in place, since references are slow to follow."""
    if isinstance(node, list):
        return [_without_references(item) for item in node]
    if isinstance(node, dict):
        return {name: _without_references(value) for name, value in resolve(node).items()}
    return node


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference within the contract."""
    if "$ref" not in node:
        return node
    target: Any = CONTRACT
    for part in node["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return resolve(target)


def _declared_response(method: str, path: str, status: int) -> dict[str, Any]:
    prefix = "DeepStack" if path.startswith("/v1/") else ""
    if status in BEFORE_ROUTING:
        return dict(CONTRACT["components"]["responses"][BEFORE_ROUTING[status].format(prefix)])
    operations = _operations_at(path)
    if operations is None:
        assert status == httpx.codes.NOT_FOUND, f"{status} for an unknown path"
        return dict(CONTRACT["components"]["responses"][f"{prefix}NotFound"])
    operation = operations.get("get" if method == "head" else method)
    if operation is None:
        assert status == httpx.codes.METHOD_NOT_ALLOWED, f"{status} for an undeclared method"
        operation = next(iter(operations.values()))
    assert str(status) in operation["responses"], f"{status} is not declared for {method} {path}"
    return dict(operation["responses"][str(status)])


def _operations_at(path: str) -> dict[str, Any] | None:
    """Return the operations of the path template that fits: a literal one, else the longest."""
    for template in sorted(CONTRACT["paths"], key=lambda template: ("{" in template, -len(template))):
        pattern = re.sub(r"\{stream\}", ".*", template)  # the only names with slashes
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            operations: dict[str, Any] = CONTRACT["paths"][template]
            return operations
    return None


def _refuse_constant(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not JSON")
