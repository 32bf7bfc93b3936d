"""Slashes too many: each path is served as the one without them, by every layer, and logged as it was sent."""

import httpx
import pytest

from handlers.server.middleware.routing import plain_path
from lab.pictures import PHOTOS, street_as
from lab.wire import statuses, talk
from tests.support.client import UI
from tests.support.credentials import AUTHORIZED
from tests.support.server import LiveServer
from tests.support.waiting import PATIENCE_S, wait_for

JPEG = street_as("JPEG")
FACE = (PHOTOS / "astronaut.jpg").read_bytes()


@pytest.mark.parametrize(
    ("sent", "plain"),
    [
        (b"/", b"/"),
        (b"//", b"/"),
        (b"/inference", b"/inference"),
        (b"//inference", b"/inference"),
        (b"/inference//", b"/inference"),
        (b"///v1//vision///face/", b"/v1/vision/face"),
        (b"/inference%2F", b"/inference%2F"),
        (b"/inference/%2F/", b"/inference/%2F"),
        (b"/a/../inference/.", b"/a/../inference/."),
        (b"*", b"*"),
    ],
)
def test_only_slashes_too_many_are_dropped(sent: bytes, plain: bytes) -> None:
    assert plain_path(sent) == plain


@pytest.mark.parametrize("path", ["//inference", "/inference/", "/inference//ssdlite-mobilenet-v2/", "//score//"])
def test_a_frame_is_answered(server: LiveServer, path: str) -> None:
    assert server.client.post(server.url + path, content=JPEG).status_code == 200


@pytest.mark.parametrize("path", ["/v1//vision/detection", "/v1/vision/detection/", "//v1/vision/face/"])
def test_a_picture_of_a_deepstack_client_is_answered(server: LiveServer, path: str) -> None:
    answer = server.client.post(server.url + path, files={"image": FACE})
    assert answer.status_code == 200
    assert answer.json()["success"]


@pytest.mark.parametrize("path", ["//", "/models/", "/health//live/", "//openapi.yaml", "//ui//"])
def test_what_is_read_is_served(server: LiveServer, path: str) -> None:
    expected = httpx.get(server.url + path.replace("//", "/"), timeout=PATIENCE_S)
    answer = httpx.get(server.url + path, timeout=PATIENCE_S)
    assert (answer.status_code, answer.content) == (200, expected.content)


@pytest.mark.parametrize("path", [f"{UI}/", f"/{UI}/", f"{UI}//", f"{UI}/swagger-ui.css/"])
def test_swagger_ui_is_served(server: LiveServer, path: str) -> None:
    assert httpx.get(server.url + path, timeout=PATIENCE_S).status_code == 200


@pytest.mark.parametrize("path", ["/%2Finference", "/inference%2F", "/./inference", "/a/../inference"])
def test_nothing_else_is_resolved(server: LiveServer, path: str) -> None:
    request = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    assert statuses(talk(server.port, request.encode())) == (404,)


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        ("/v1/vision/detection/", 0, 400),
        ("//v1/vision/detection", 99_999_999, 413),
        ("//v1/vision/nope/", 0, 404),
        ("/v1//vision/custom/list/", 99_999_999, 413),
    ],
)
def test_a_refusal_has_the_shape_of_the_plain_path(server: LiveServer, path: str, length: int, status: int) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    received = talk(server.port, f"{head}Content-Length: {length}\r\n\r\n".encode())
    assert statuses(received) == (status,)
    assert b'{"success": false, "error": ' in received


@pytest.mark.parametrize("path", ["//models", "/models/", "//inference/", "/v1//vision/custom/list", "//streams/"])
def test_access_is_checked_on_the_plain_path(guarded: LiveServer, path: str) -> None:
    method = "POST" if "inference" in path or "custom" in path else "GET"
    assert guarded.client.request(method, guarded.url + path, content=JPEG).status_code == 401
    allowed = guarded.client.request(method, guarded.url + path, content=JPEG, headers=AUTHORIZED)
    assert allowed.status_code == 200


def test_the_log_shows_the_path_as_sent(server: LiveServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert server.client.get(server.url + "//health/live/").status_code == 200

    def lines() -> list[tuple[object, object]]:
        facts = [getattr(record, "facts", {}) for record in caplog.records]
        return [(line.get("path"), line.get("operation")) for line in facts]

    wait_for(lambda: ("//health/live/", "get_liveness") in lines())  # the line may come after the answer
