"""Requests that foreign pages make with the browser of their reader, and what restricts the service's own pages."""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.errors import ConfigurationError, EdgeError, ForeignOriginError, UnknownHostError
from handlers.server.middleware.browsers import BrowserMiddleware
from handlers.server.settings_sources import read_settings
from lab.graphs import board, write_identity_model
from lab.pictures import encode
from lab.wire import statuses
from tests.support.client import ON_EVERY_ANSWER, POLICY
from tests.support.credentials import AUTHORIZED
from tests.support.server import LiveServer, running, serving
from tests.support.waiting import PATIENCE_S

FRAME = encode(board(7), "PNG")
MOZILLA = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"}
LANGUAGE = {"Accept-Language": "en"}
"""With the value of a page: a page can change it, but not remove it."""
ALLOWED_NAMES, ALLOWED_ORIGIN = ("nvr.example.com", "192.0.2.9"), "https://dash.example.com"


def refusal(method: str, headers: Mapping[str, str], *names: str) -> type[EdgeError] | None:
    """Return the error with which a request is refused."""

    async def app(*_: Any) -> Any:
        pass

    scope = {
        "type": "http",
        "method": method,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    middleware = BrowserMiddleware(app, names or ALLOWED_NAMES, (ALLOWED_ORIGIN,))
    try:
        asyncio.run(middleware(scope, app, app))
    except EdgeError as error:
        return type(error)
    return None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080", "[::1]:8080", "[2001:db8::1]", "192.168.1.5", "localhost", "LocalHost:8080", "a.localhost",
        "framehook:8080", "framehook", "", "nvr.local", "nvr.lan:81", "nvr.home.arpa", "nvr.internal", "nvr.corp",
        "framehook.default.svc.cluster.local", "nvr.example.com", "NVR.example.com.:443", "localhost.", "127.0.0.1.",
        f"{socket.gethostname()}:8080",
    ],
)  # fmt: skip
def test_a_browser_may_use_any_name_that_can_only_be_the_services(host: str) -> None:
    for marks in (MOZILLA, LANGUAGE, {"Sec-Fetch-Site": "none"}, {"Origin": "https://else.example"}):
        assert refusal("GET", {"Host": host, **marks}) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8080", "evil.example.", "127.0.0.1.evil.example", "nvr.example.com.evil.example",
        "evil-nvr.example.com", "a.nvr.example.com", "localhost.evil.example", "evillocal.example", "1.2.3.4.5",
        "0x7f.1", "127.1", "127.0.0.1.nip.io", "lan.example", "evil.fritz.box", "xlocal.arpa", "a.home.arpa.example",
    ],
)  # fmt: skip
def test_a_browser_may_not_use_a_name_that_can_be_a_strangers(host: str) -> None:
    """Reads, too. Programs are not affected: they do not run pages of strangers."""
    for marks in (MOZILLA, LANGUAGE, {"Sec-Fetch-Site": "same-origin"}, {"Origin": f"http://{host}"}):
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            assert refusal(method, {"Host": host, **marks}) is UnknownHostError
    for method in ("GET", "POST"):
        assert refusal(method, {"Host": host, "User-Agent": "curl/7.88.1", "Accept": "*/*"}) is None
    assert refusal("GET", {"Host": host, **MOZILLA}, "*") is None


@pytest.mark.parametrize(
    ("headers", "is_own"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://nvr.lan:8443"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://nvr.lan:8080"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, False),
        ({"Sec-Fetch-Site": "Same-Origin"}, False),
        ({"Sec-Fetch-Site": ""}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": ALLOWED_ORIGIN}, True),
        ({"Origin": "HTTPS://dash.example.com"}, True),
        ({"Origin": "http://dash.example.com"}, False),
        ({"Origin": "https://dash.example.com:444"}, False),
        ({"Origin": "https://dash.example.com.evil.example"}, False),
        ({"Origin": "http://nvr.lan:8080"}, True),
        ({"Origin": "http://NVR.lan:8080"}, True),
        ({"Origin": "https://nvr.lan:8080"}, True),
        ({"Origin": "http://nvr.lan"}, False),
        ({"Origin": "http://nvr.lan:8081"}, False),
        ({"Origin": "http://nvr.lan:80800"}, False),
        ({"Origin": "http://nvr.lan:8080/"}, False),
        ({"Origin": "http://evil@nvr.lan:8080"}, False),
        ({"Origin": "http://evil.example, http://nvr.lan:8080"}, False),
        ({"Origin": "//nvr.lan:8080"}, False),
        ({"Origin": "nvr.lan:8080"}, False),
        ({"Origin": "ftp://nvr.lan:8080"}, False),
        ({"Origin": "file://"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
        ({"Origin": "http://"}, False),
        (MOZILLA, True),
        ({}, True),
    ],
)
def test_only_pages_of_the_service_and_of_allowed_origins_may_post(headers: dict[str, str], *, is_own: bool) -> None:
    request = {"Host": "nvr.lan:8080", **headers}
    for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
        assert refusal(method, request) is (None if is_own else ForeignOriginError)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert refusal(method, request) is None


@pytest.mark.parametrize(
    ("host", "origin", "is_own"),
    [
        ("nvr.lan", "http://nvr.lan", True),
        ("nvr.lan:80", "http://nvr.lan", True),
        ("nvr.lan:443", "https://nvr.lan", True),
        ("nvr.lan", "https://nvr.lan", True),
        ("nvr.lan:443", "http://nvr.lan", False),
        ("nvr.lan", "http://nvr.lan:8080", False),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("[::1]", "http://[::1]:8080", False),
        ("", "http://", False),
        ("", "http://:80", False),
    ],
)
def test_a_default_port_may_be_written_or_not(host: str, origin: str, *, is_own: bool) -> None:
    """nginx and other proxies write it, browsers do not."""
    assert refusal("POST", {"Host": host, "Origin": origin}) is (None if is_own else ForeignOriginError)


def test_a_refusal_reads_neither_credentials_nor_the_body(guarded: LiveServer) -> None:
    """The password that the browser adds is not tried; the answer comes before the body."""
    for head in (b"Origin: https://evil.example\r\n", b"Origin: http://evil.example\r\nHost: evil.example\r\n"):
        host = b"" if b"Host" in head else b"Host: x\r\n"
        lines = host + head + b"Authorization: Basic OjpY\r\nContent-Length: 30000000\r\n\r\n"
        with socket.create_connection((guarded.host, guarded.port), timeout=PATIENCE_S) as page:
            page.sendall(b"POST /models/x/reload HTTP/1.1\r\n" + lines)
            assert statuses(page.recv(65536)) == (403,)
    refused = httpx.post(f"{guarded.url}/nope", headers={"Origin": "null"}, timeout=PATIENCE_S)
    assert refused.status_code == 403, "on every path"
    assert refused.json()["type"] == "urn:framehook:foreign-origin"


def test_programs_are_not_affected(identity: LiveServer) -> None:
    for headers in ({}, {"User-Agent": "Lavf/60.16.100"}, {"Host": "nvr.example.org"}, {"Sec-Fetch-Mode": "cors"}):
        assert identity.client.post("/inference", content=FRAME, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/ui/", "/ui/swagger-ui.css", "/models", "/metrics", "/openapi.json", "/nope"])
def test_no_page_frames_an_answer_and_no_browser_guesses_its_type(identity: LiveServer, path: str) -> None:
    answer = identity.client.get(path)
    assert {name: answer.headers[name] for name in ON_EVERY_ANSWER} == ON_EVERY_ANSWER
    assert answer.headers.get_list(POLICY)[0] == "frame-ancestors 'none'"
    if path == "/" or path.startswith("/ui"):
        assert "default-src 'none'; " in answer.headers[POLICY]


def test_an_answer_in_plain_text_has_the_headers_too(identity: LiveServer) -> None:
    answer = httpx.get(identity.url, headers={"Host": "a b"}, timeout=PATIENCE_S)
    assert answer.status_code == 400
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service that pages of another origin may use."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    with serving(folder, allowed_origins=ALLOWED_ORIGIN, allowed_hosts="nvr.example.com") as live:
        yield live


def test_a_page_of_an_allowed_origin_reads_its_answers(shared: LiveServer) -> None:
    """Also refusals, of which it learns why."""
    page = {"Origin": ALLOWED_ORIGIN, "Sec-Fetch-Site": "cross-site", "Host": "nvr.example.com"}
    for content, status in ((FRAME, 200), (b"rubbish", 400)):
        answer = httpx.post(f"{shared.url}/inference", content=content, headers=page, timeout=PATIENCE_S)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == ALLOWED_ORIGIN
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers
    streams = httpx.get(f"{shared.url}/streams", headers=page, timeout=PATIENCE_S)
    assert streams.headers["access-control-allow-origin"] == ALLOWED_ORIGIN


def test_a_preflight_of_an_allowed_origin_is_answered(shared: LiveServer) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    answer = httpx.options(f"{shared.url}/inference", headers={"Origin": ALLOWED_ORIGIN, **asked}, timeout=PATIENCE_S)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ALLOWED_ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
    other = httpx.options(
        f"{shared.url}/inference", headers={"Origin": "https://evil.example", **asked}, timeout=PATIENCE_S
    )
    assert "access-control-allow-origin" not in other.headers


def test_a_page_of_another_origin_is_refused_there_too(shared: LiveServer) -> None:
    page = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = httpx.post(f"{shared.url}/inference", content=FRAME, headers=page, timeout=PATIENCE_S)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_HOSTS", "nvr.example.com:8080"),
        ("ALLOWED_HOSTS", "https://nvr.example.com"),
        ("ALLOWED_HOSTS", "*.example.com"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "nvr.example.com"),
        ("ALLOWED_ORIGINS", "https://nvr.example.com/"),
    ],
)
def test_a_name_or_an_origin_that_can_never_match_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read_settings({}, {f"FRAMEHOOK_{name}": value})


def test_the_name_on_which_the_service_listens_is_its_own(tmp_path: Path) -> None:
    """Here an address; the setting names the machine where it is no address."""
    folder = write_identity_model(tmp_path)
    with running(model_repository=tmp_path, default_model=folder.name, allowed_hosts="a.example") as live:
        for host, status in (("a.example:81", 200), ("b.example", 403), (f"127.0.0.1:{live.port}", 200)):
            assert live.client.get("/models", headers={"Host": host, **MOZILLA, **AUTHORIZED}).status_code == status
