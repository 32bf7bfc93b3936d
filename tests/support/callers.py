"""Clients with a password, as users have them, and requests that answer a challenge of Digest."""

import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import requests
import requests.auth

from lab.graphs import board
from lab.pictures import encode
from tests.support.credentials import (
    PASSWORD,
)
from tests.support.server import LiveServer
from tests.support.waiting import PATIENCE_S

FRAME = encode(board(7), "BMP")
HEADERS = {"Content-Type": "image/bmp"}
ASCII_USER = "yard"


Client = Callable[[str, str, str], int]


def by_curl(*options: str) -> Client:
    def post(url: str, user: str, password: str) -> int:
        command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--data-binary", "@-"]
        credentials = [option.format(user=user, password=password) for option in options]
        types = ["--header", "Content-Type: image/bmp"]
        done = subprocess.run([*command, *types, *credentials, url], input=FRAME, capture_output=True, check=True)
        return int(done.stdout)

    return post


def by_httpx(scheme: Callable[[str, str], Any]) -> Client:
    return lambda url, user, password: (
        httpx.post(url, content=FRAME, headers=HEADERS, auth=scheme(user, password), timeout=PATIENCE_S).status_code
    )


def by_requests(scheme: Callable[[str, str], Any]) -> Client:
    return lambda url, user, password: (
        requests.post(url, data=FRAME, headers=HEADERS, auth=scheme(user, password), timeout=PATIENCE_S).status_code
    )


PASSWORD_CLIENTS = {
    "curl basic": by_curl("--user", "{user}:{password}"),
    "curl digest": by_curl("--digest", "--user", "{user}:{password}"),
    "curl any scheme offered": by_curl("--anyauth", "--user", "{user}:{password}"),
    "httpx basic": by_httpx(httpx.BasicAuth),
    "httpx digest": by_httpx(httpx.DigestAuth),
    "requests basic": by_requests(lambda user, password: requests.auth.HTTPBasicAuth(user.encode(), password.encode())),
    "requests digest": by_requests(requests.auth.HTTPDigestAuth),
}


DIGEST_USERS = [f"user-{number}" for number in range(20)]
FRESH_USERS = iter(DIGEST_USERS)
"""One user per test that fails on purpose: no test has to wait because of another's failures."""


def digest_request(live: LiveServer, path: str = "/inference", **changes: str) -> httpx.Request:
    """Return the request that httpx makes after a challenge, with some of its fields changed."""
    auth = httpx.DigestAuth(next(FRESH_USERS), PASSWORD)
    request = httpx.Request("POST", live.url + path, content=FRAME, headers=HEADERS)
    flow = auth.sync_auth_flow(request)
    answered = flow.send(live.client.send(next(flow)))
    header = answered.headers["authorization"]
    for name, value in changes.items():
        before = next(part for part in header.split(", ") if part.removeprefix("Digest ").startswith(f"{name}="))
        header = header.replace(before, before.partition("=")[0] + "=" + value)
    answered.headers["authorization"] = header
    return answered
