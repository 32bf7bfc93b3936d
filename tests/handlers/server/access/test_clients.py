"""Common clients, with a password or a token, over HTTP and HTTPS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import requests.auth
import trustme

from handlers.server.access.credentials import with_password, with_token
from lab.graphs import write_identity_model
from tests.support.callers import ASCII_USER, FRAME, HEADERS, PASSWORD_CLIENTS, by_curl
from tests.support.certificates import issue, trusting, write, write_authority
from tests.support.credentials import (
    CAMERA_TOKEN,
    PASSWORD,
    USER,
    bearer,
    settings_for,
)
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S

BEYOND_HTTPX = ("httpx digest", USER)
"""httpx sends ASCII headers only."""


@pytest.mark.parametrize(
    ("client", "user"),
    [(client, user) for client in PASSWORD_CLIENTS for user in (ASCII_USER, USER) if (client, user) != BEYOND_HTTPX],
)
def test_clients_with_a_password_are_let_in(live: LiveServer, client: str, user: str) -> None:
    """Pre-emptively as Basic, and after a challenge as Digest."""
    assert PASSWORD_CLIENTS[client](f"{live.url}/inference?maxDetections=3", user, PASSWORD) == 200


@pytest.mark.parametrize(("number", "client"), list(enumerate(PASSWORD_CLIENTS)))
def test_clients_with_a_wrong_password_are_not(live: LiveServer, number: int, client: str) -> None:
    """Nor with a wrong user; right after that, the right ones are. A right password makes no other password right."""
    post, url, user = PASSWORD_CLIENTS[client], f"{live.url}/inference", f"client-{number}"
    assert post(url, user, "wrong password") == 401
    assert post(url, f"wrong-{number}", PASSWORD) == 401
    assert post(url, user, PASSWORD) == 200
    assert post(url, user, "wrong password") == 401


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveServer, Path]]:
    """A service that speaks HTTPS and knows one user; and the file of the authority to trust."""
    folder, ca = tmp_path_factory.mktemp("tls"), trustme.CA()
    model = write_identity_model(folder / "models")
    known = settings_for(with_password(ASCII_USER, PASSWORD), with_token("program", CAMERA_TOKEN))
    files: dict[str, Any] = write(issue(ca), folder) | known
    [authority] = write_authority(ca, folder).values()
    with serving(model, lanes=1, queue_size=1000, trusted=trusting(ca), **files) as server:
        yield server, authority


TLS_CLIENTS = PASSWORD_CLIENTS | {
    "curl token": by_curl("--oauth2-bearer", CAMERA_TOKEN),
    "httpx token": lambda url, *_: (
        httpx.post(url, content=FRAME, headers=HEADERS | bearer(CAMERA_TOKEN), timeout=PATIENCE_S).status_code
    ),
    "requests key": lambda url, *_: (
        requests.post(url, data=FRAME, headers=HEADERS | {"X-API-Key": CAMERA_TOKEN}, timeout=PATIENCE_S).status_code
    ),
}


@pytest.mark.parametrize("client", TLS_CLIENTS)
def test_clients_are_let_in_over_tls(
    over_tls: tuple[LiveServer, Path], monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    server, authority = over_tls
    for name in ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(authority))
    assert TLS_CLIENTS[client](f"{server.url}/inference", ASCII_USER, PASSWORD) == 200
    if "token" not in client and "key" not in client:
        assert TLS_CLIENTS[client](f"{server.url}/inference", client.replace(" ", "-"), "wrong") == 401
