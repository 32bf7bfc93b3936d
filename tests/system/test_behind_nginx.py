"""Behind nginx, requests get the same answers or are refused: both agree on where each request ends."""

import re
import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from lab.wire import free_port, statuses, talk
from tests.support.raw_requests import FRAME, RAW_REQUESTS, RawRequest
from tests.support.server import LiveServer

pytestmark = pytest.mark.system

CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_max_body_size 40m; client_header_timeout 2s;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    keepalive_timeout 2s;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
        }}
    }}
}}
"""


@pytest.fixture(scope="module")
def proxy(identity: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an nginx in front of the service; bodies are passed on as they arrive."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, upstream=identity.port))
    nginx = subprocess.Popen(["nginx", "-e", folder / "error.log", "-c", config])
    try:
        for _ in range(100):
            try:
                httpx.get(f"http://127.0.0.1:{port}/health/live")
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        yield port
    finally:
        nginx.terminate()
        nginx.wait(10)


@pytest.mark.parametrize("request_", RAW_REQUESTS, ids=lambda request: request.name)
def test_a_raw_request_gets_its_answer_through_nginx(proxy: int, request_: RawRequest) -> None:
    expected = request_.direct if request_.proxied is None else request_.proxied
    assert statuses(talk(proxy, request_.sent)) == expected
    answer = httpx.post(f"http://127.0.0.1:{proxy}/inference", content=FRAME)
    assert re.search('"block"', answer.text)
