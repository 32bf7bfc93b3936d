"""prism, a proxy that checks requests and answers against the served contract, finds no violation."""

import subprocess
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.pictures import street
from lab.wire import free_port
from tests.support.client import ROOT
from tests.support.server import LiveServer

PRISM = ROOT / ".tools" / "node_modules" / ".bin" / "prism"
START_S = 120.0
"""prism takes five seconds of a free core."""
RESOLUTION = slice(38, 46)
"""Two fields of a BMP's header, which nobody reads."""

pytestmark = pytest.mark.system


def dark_bmp() -> bytes:
    """Return the street photo at half its brightness. prism passes bodies on as UTF-8, so no byte is over 127."""
    written = BytesIO()
    street().convert("RGB").point(lambda value: value // 2).save(written, "BMP")
    body = bytearray(written.getvalue())
    body[RESOLUTION] = bytes(8)
    assert max(body) < 128
    return bytes(body)


@pytest.fixture(scope="module")
def proxy(server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of prism in front of the service; prism answers a violation itself, with a problem of its own."""
    folder, port = tmp_path_factory.mktemp("prism"), free_port()
    (folder / "openapi.yaml").write_bytes(server.client.get("/openapi.yaml").content)
    command: list[str | Path] = [
        PRISM,
        "proxy",
        "openapi.yaml",
        server.url,
        "--errors",
        "--validate-request",
        "--port",
        str(port),
    ]
    prism = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            deadline = time.monotonic() + START_S
            while not _is_up(client):
                assert time.monotonic() < deadline, "prism did not start"
                time.sleep(0.2)
            yield client
    finally:
        prism.terminate()
        prism.wait(START_S)


def _is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


FRAME: dict[str, Any] = {"content": dark_bmp(), "headers": {"Content-Type": "image/bmp"}}
FORM: dict[str, Any] = {"files": {"image": ("street.bmp", dark_bmp())}, "data": {"min_confidence": "0.3"}}
REQUESTS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "frame": ("POST", "/inference", FRAME, 200),
    "selection": ("POST", "/inference?confidence=0.3&object=person&object=car&maxDetections=5&stream=gate", FRAME, 200),
    "model": ("POST", "/inference/ssdlite-mobilenet-v2", FRAME, 200),
    "classifier": ("POST", "/inference/efficientnet-lite0?confidence=0", FRAME, 200),
    "score": ("POST", "/score", FRAME, 200),
    "drawn": ("POST", "/annotate", FRAME, 200),
    "nothing found": ("POST", "/inference?confidence=1", FRAME, 204),
    "no picture": ("POST", "/inference", FRAME | {"content": b"x"}, 400),
    "no such model": ("POST", "/inference/nope", FRAME, 404),
    "form": ("POST", "/v1/vision/detection", FORM, 200),
    "faces": ("POST", "/v1/vision/face", FORM, 200),
    "scene": ("POST", "/v1/vision/scene", FORM, 200),
    "custom models": ("POST", "/v1/vision/custom/list", {}, 200),
    "update": ("GET", "/v1/status/updateavailable", {}, 200),
    "models": ("GET", "/models", {}, 200),
    "one model": ("GET", "/models/ssdlite-mobilenet-v2", {}, 200),
    "reload": ("POST", "/models/ssdlite-mobilenet-v2/reload", {"headers": {"X-API-Key": "wrong"}}, 401),
    "streams": ("GET", "/streams", {}, 200),
    "a stream to come": ("GET", "/stream/nope", {}, 200),
    "no such stream": ("GET", "/mjpeg/nope", {}, 404),
    "ready": ("GET", "/health/ready", {}, 200),
    "status": ("GET", "/status", {}, 200),
    "metrics": ("GET", "/metrics", {}, 200),
    "console": ("GET", "/", {}, 200),
    "yaml": ("GET", "/openapi.yaml", {}, 200),
    "json": ("GET", "/openapi.json", {}, 200),
}


@pytest.mark.parametrize(("method", "path", "options", "status"), REQUESTS.values(), ids=REQUESTS)
def test_no_violation(proxy: httpx.Client, method: str, path: str, options: dict[str, Any], status: int) -> None:
    answer = proxy.request(method, path, **options)
    assert "stoplight.io/prism" not in answer.text, answer.text
    assert "sl-violations" not in answer.headers
    assert answer.status_code == status


def test_a_violation_would_be_seen(proxy: httpx.Client) -> None:
    assert "stoplight.io/prism" in proxy.post("/inference?maxDetections=none", **FRAME).text
