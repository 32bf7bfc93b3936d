"""Behind nginx, requests get the same answers or are refused: both agree on where each request ends."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trustme
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from handlers.server.access.back_off import FREE_FAILURES
from lab.graphs import write_identity_model
from lab.pictures import STREET
from lab.wire import free_port, is_open, statuses, talk
from tests.support.browsing import wait
from tests.support.credentials import ADMIN, USER_WITH_PASSWORD, basic, settings_for
from tests.support.raw_requests import FRAME, RAW_REQUESTS, RawRequest
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S, wait_for

pytestmark = pytest.mark.system

CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_max_body_size 40m; client_header_timeout 10s;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    keepalive_timeout 2s;
    server {{
        listen 127.0.0.1:{port}{tls};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            {headers}
            proxy_request_buffering off;
        }}
    }}
}}
"""


@contextmanager
def nginx_before(upstream: int, folder: Path, tls: str = "", headers: str = "") -> Iterator[int]:
    """Run an nginx in front of a service; yield its port. Bodies are passed on as they arrive."""
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, upstream=upstream, tls=tls, headers=headers))
    nginx = subprocess.Popen(["nginx", "-e", folder / "error.log", "-c", config])
    try:
        wait_for(lambda: is_open(port))
        yield port
    finally:
        nginx.terminate()
        nginx.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def proxy(identity: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with nginx_before(identity.port, tmp_path_factory.mktemp("nginx")) as port:
        yield port


@pytest.mark.parametrize("host", ["Host $http_host", "Host $host", "X-Unused 1"])
def test_the_console_works_behind_tls(browser: Chrome, server: LiveServer, tmp_path: Path, host: str) -> None:
    """Also where the proxy drops the port or the whole name: over TLS, browsers say themselves whose page it is."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "pem")
    tls = f" ssl; ssl_certificate {tmp_path / 'pem'}; ssl_certificate_key {tmp_path / 'pem'}"
    with nginx_before(server.port, tmp_path, tls, f"proxy_set_header {host};") as port:
        browser.get(f"https://127.0.0.1:{port}/")
        browser.find_element(By.ID, "file").send_keys(str(STREET))
        wait(browser, lambda: "6 \u00d7 person" in browser.find_element(By.ID, "summary").text)


def test_the_client_behind_nginx_is_the_one_that_nginx_saw(tmp_path: Path) -> None:
    """Whatever the client claims. nginx listens on 127.0.0.1 and sees another address of this machine."""
    headers = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    folder = write_identity_model(tmp_path / "repository")
    settings = {"trusted_proxies": "127.0.0.1", **settings_for(ADMIN, USER_WITH_PASSWORD, anonymous_may="monitor")}
    with serving(folder, **settings) as live, nginx_before(live.port, tmp_path, headers=headers) as port:

        def guess(address: str, number: int) -> str:
            claim = {"X-Forwarded-For": f"9.9.9.{number}", **basic("guessed", f"guess {number}")}
            with httpx.Client(transport=httpx.HTTPTransport(local_address=address), timeout=PATIENCE_S) as client:
                return str(client.get(f"http://127.0.0.1:{port}/models", headers=claim).json()["type"])

        guesses = [guess("127.0.0.2", number) for number in range(2 * FREE_FAILURES)]
        assert "urn:framehook:too-many-failures" in guesses
        assert guess("127.0.0.3", 0) == "urn:framehook:unauthorized"


@pytest.mark.parametrize("request_", RAW_REQUESTS, ids=lambda request: request.name)
def test_a_raw_request_gets_its_answer_through_nginx(proxy: int, request_: RawRequest) -> None:
    expected = request_.direct if request_.proxied is None else request_.proxied
    assert statuses(talk(proxy, request_.sent)) == expected
    answer = httpx.post(f"http://127.0.0.1:{proxy}/inference", content=FRAME, timeout=PATIENCE_S)
    assert re.search('"block"', answer.text)
