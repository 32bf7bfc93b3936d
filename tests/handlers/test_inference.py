"""Frames over a real socket: every accepted way in, every parameter, every header of the answer."""

import re
import socket
from typing import Any

import httpx
import pytest

from handlers.parsing.request_names import REQUEST_ID_HEADERS
from lab.pictures import blank, encode, street, street_as
from tests.support.client import CONTRACT, OPERATIONS, ContractClient, check_answer
from tests.support.credentials import AUTHORIZED
from tests.support.models.matching import flat, iou
from tests.support.server import LiveServer
from tests.support.waiting import PATIENCE_S

JPEG = street_as("JPEG")
PATHS = ("/inference", "/inference/ssdlite-mobilenet-v2", "/score")


def post(
    server: LiveServer, body: bytes = JPEG, *, path: str = "/inference", label: str = "image/jpeg", **more: Any
) -> httpx.Response:
    return server.client.post(path, content=body, headers={"Content-Type": label}, params=more)


@pytest.fixture(scope="module")
def golden(server: LiveServer) -> list[dict[str, object]]:
    """The answer to the street photo as JPEG, which tests/models/repository/test_golden.py checks against the truth."""
    return flat(post(server).json())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP"])
def test_one_photo_one_answer_in_every_format_under_every_path(
    server: LiveServer, golden: list[dict[str, object]], path: str, name: str
) -> None:
    answer = post(server, street_as(name), path=path, label=f"image/{name.lower()}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert flat(answer.json()) == golden


@pytest.mark.parametrize(
    "content_type",
    [
        "image/jpeg",
        "image/png",
        "image/bmp",
        "image/jpg",
        "application/octet-stream",
        "IMAGE/JPEG",
        "image/jpeg; charset=utf-8",
        "image/jpeg ; a=b",
        "image/jpeg;",
        "image/pjpeg",
        "image/x-ms-bmp",
        "image/*",
        "image/tiff",
        "binary/octet-stream",
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain; charset=utf-8",
        "",
        None,
    ],
)
def test_the_bytes_decide_not_the_label(
    server: LiveServer, golden: list[dict[str, object]], content_type: str | None
) -> None:
    for name in ("JPEG", "PNG"):
        headers = {} if content_type is None else {"Content-Type": content_type}
        answer = server.client.post("/inference", content=street_as(name), headers=headers)
        assert flat(answer.json()) == golden


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("bad-content-type", 400),
        ("image/", 400),
        ("/jpeg", 400),
        ("image/jp eg", 400),
    ],
)
def test_malformed_labels_are_refused(server: LiveServer, content_type: str, status: int) -> None:
    assert post(server, label=content_type).status_code == status


FORM = httpx.Request("POST", "http://x", files={"image": JPEG})
NO_FRAMES = {
    "a form": (FORM.headers["content-type"], FORM.read(), "the form to /v1/vision/detection"),
    "a GIF picture": ("image/gif", encode(street(), "GIF"), "Send JPEG, PNG, WebP or BMP."),
    "JSON": ("application/json", b'{"image": "/9j/4AAQSkZJRg=="}', "Send the bytes of the picture themselves"),
    "H.264 or H.265 video": ("video/h264", b"\0\0\0\1\x67\x42\xc0\x1e", "Send single pictures of it."),
}


@pytest.mark.parametrize("name", NO_FRAMES)
@pytest.mark.parametrize(
    ("label", "status"), [(None, 415), ("application/octet-stream", 400), ("image/jpeg", 400), ("", 400)]
)
def test_what_is_no_frame_is_told_what_it_is(server: LiveServer, name: str, label: str | None, status: int) -> None:
    """415 with a label that is not among those of the contract, 400 with one that is."""
    own_label, body, advice = NO_FRAMES[name]
    answer = post(server, body, label=own_label if label is None else label)
    assert answer.status_code == status
    assert f"it looks like {name}. " in answer.json()["detail"]
    assert advice in answer.json()["detail"]


@pytest.mark.parametrize("label", ["text/plain", "image/avif", "image/jpeg"])
def test_no_body_is_400_under_every_label(server: LiveServer, label: str) -> None:
    assert post(server, b"", label=label).status_code == 400


@pytest.mark.parametrize(
    "accept", ["application/json, */*", "application/json", "text/html", "image/png;q=0", "rubbish"]
)
def test_accept_never_causes_a_refusal(server: LiveServer, accept: str) -> None:
    assert server.client.post("/inference", content=JPEG, headers={"Accept": accept}).status_code == 200


def test_an_unexpected_authorization_is_ignored(server: LiveServer) -> None:
    assert server.client.post("/inference", content=JPEG, auth=("dummy", "dummy")).status_code == 200


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "gzip, identity"])
def test_a_coded_body_is_refused(server: LiveServer, coding: str) -> None:
    answer = server.client.post("/inference", content=JPEG, headers={"Content-Encoding": coding})
    assert answer.status_code == 415


def test_labels_given_twice_are_refused(server: LiveServer) -> None:
    for name, first, second, status in (
        ("Content-Type", "image/jpeg", "text/plain", 400),
        ("Content-Type", "", "text/plain", 400),
        ("Content-Encoding", "identity", "gzip", 415),
    ):
        answer = server.client.post("/inference", content=JPEG, headers=[(name, first), (name, second)])
        assert answer.status_code == status


def test_identity_is_no_coding(server: LiveServer) -> None:
    answer = server.client.post("/inference", content=JPEG, headers={"Content-Encoding": "identity"})
    assert answer.status_code == 200


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 900), (64, 64), (416, 234), (416, 416), (1920, 1080), (3840, 2160)])
def test_any_size_works(server: LiveServer, size_wh: tuple[int, int]) -> None:
    for name in ("JPEG", "PNG", "BMP"):
        assert post(server, encode(street().resize(size_wh), name)).status_code in {200, 204}


@pytest.mark.parametrize("size_wh", [(416, 234), (1536, 1152), (1920, 1080)])
def test_boxes_are_relative_to_the_picture_as_received(
    server: LiveServer, golden: list[dict[str, object]], size_wh: tuple[int, int]
) -> None:
    found = flat(post(server, encode(street().resize(size_wh), "BMP"), confidence="0.3").json())
    for sure in golden[:3]:
        assert any(one["label"] == sure["label"] and iou(one, sure) > 0.7 for one in found)  # type: ignore[arg-type]


def test_confidence_alone(server: LiveServer, golden: list[dict[str, object]]) -> None:
    sure = [found for found in golden if float(str(found["confidence"])) >= 0.75]
    assert 0 < len(sure) < len(golden)
    assert flat(post(server, confidence="0.75").json()) == sure
    assert len(flat(post(server, confidence="0.2").json())) > len(golden)
    assert post(server, confidence="1").status_code == 204


@pytest.mark.parametrize(
    "query", ["object=car", "object=car,boat", "object=boat&object=car", "object=boat,dog&object=car"]
)
def test_object_alone_repeated_and_listed(server: LiveServer, golden: list[dict[str, object]], query: str) -> None:
    answer = server.client.post(f"/inference?{query}", content=JPEG)
    assert flat(answer.json()) == [found for found in golden if found["label"] == "car"]


def test_a_label_with_a_blank(server: LiveServer) -> None:
    assert post(server, object="traffic light").status_code == 204


def test_max_detections_alone(server: LiveServer, golden: list[dict[str, object]]) -> None:
    assert flat(post(server, maxDetections="2").json()) == golden[:2]
    assert flat(post(server, maxDetections="1000").json()) == golden


def test_all_parameters_together(server: LiveServer) -> None:
    found = flat(post(server, confidence="0.3", object="car,person", maxDetections="4").json())
    assert len(found) == 4
    assert found == sorted(found, key=lambda one: -one["confidence"])
    [car] = flat(post(server, confidence="0.77", object="car", maxDetections="4").json())
    assert car["label"] == "car"


@pytest.mark.parametrize("name", ["id", "confidance", "Confidence", "sequenceId"])
def test_unknown_parameters_are_ignored(server: LiveServer, golden: list[dict[str, object]], name: str) -> None:
    assert flat(server.client.post("/inference", content=JPEG, params={name: "1"}).json()) == golden


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("confidence=1.5", "'confidence' is out of range: expected a number from 0 to 1"),
        ("confidence=-0.1", "'confidence' is out of range"),
        ("confidence=nan", "'confidence' is not a number"),
        ("confidence=inf", "'confidence' is not a number"),
        ("confidence=-inf", "'confidence' is not a number"),
        ("confidence=1e999", "'confidence' is out of range"),
        ("confidence=<script>", "'confidence' is not a number: expected a number from 0 to 1"),
        ("confidence=", "'confidence' is not a number"),
        ("confidence=0,5", "'confidence' is not a number"),
        ("confidence=0_1", "'confidence' is not a number"),
        ("confidence=%200.5", "'confidence' is not a number"),
        ("confidence=%D9%A0", "'confidence' is not a number"),
        ("confidence=%00", "'confidence' is not a number"),
        ("confidence=0.5&confidence=0.6", "'confidence' is given more than once"),
        ("maxDetections=1_0", "'maxDetections' is not a whole number"),
        ("maxDetections=1&maxDetections=1", "'maxDetections' is given more than once"),
        ("maxDetections=0", "'maxDetections' is out of range: expected a whole number from 1 to 1000"),
        ("maxDetections=1001", "'maxDetections' is out of range"),
        ("maxDetections=2.5", "'maxDetections' is not a whole number"),
        ("maxDetections=nan", "'maxDetections' is not a whole number"),
        ("object=", "'object' has an empty entry: expected 1 to 200 labels, separated by commas"),
        ("object=" + 200 * "person,", "'object' has too many entries: expected 1 to 200 labels, separated by commas"),
        ("maxDetections=" + 4000 * "0" + "5", "'maxDetections' is not a whole number: expected"),
        ("object=car,,person", "'object' has an empty entry"),
        ("object=unicorn", "no label 'unicorn'; its labels are: person, bicycle, car"),
        ("object=car,Person", "no label 'Person'; its labels are: person, bicycle, car"),
        ("object=car,%20boat", "no label ' boat'; its labels are: person, bicycle, car"),
        ("object=%C3%A4%0A%22%27" + "b" * 99, "no label '\\xe4\\n\"\\'" + "b" * 36 + "'...; its labels are"),
        ("stream=", "'stream' is wrong: expected 1 to 128 printable characters"),
        ("stream=a%0A", "'stream' is wrong"),
        ("stream=%7F", "'stream' is wrong"),
        ("stream=%E2%80%AE", "'stream' is wrong"),
        ("stream=" + "a" * 129, "'stream' is wrong"),
        ("stream=a&stream=b", "'stream' is given more than once"),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_bad_parameters_are_refused_without_an_echo_of_more_than_a_label(
    server: LiveServer, path: str, query: str, detail: str
) -> None:
    answer = server.client.post(f"{path}?{query}", content=JPEG)
    assert answer.status_code == 400
    assert detail in answer.json()["detail"]
    for value in re.findall(r"script|1e999|1001", query):
        assert value not in answer.text.replace("from 1 to 1000", "")


@pytest.mark.parametrize("name", ["nope", "SSDLITE-MOBILENET-V2", "%00", "é", "model.yaml", "ssdlite-mobilenet-v2%20"])
def test_an_unknown_model_is_named_as_such(server: LiveServer, name: str) -> None:
    for answer in (server.client.get(f"/models/{name}"), server.client.post(f"/inference/{name}", content=JPEG)):
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:framehook:unknown-model"
        assert name not in answer.text


@pytest.mark.parametrize("path", ["/nope", "/inference/a/b", "/inference/a%2Fb", "/health", "/models/a/b/reload/"])
def test_an_unknown_path_is_not_found_and_not_redirected(server: LiveServer, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        answer = server.client.request(method, f"{server.url}{path}", headers={"Content-Type": "rubbish"})
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:framehook:not-found"


def test_a_path_with_a_line_feed_is_not_found(server: LiveServer) -> None:
    answer = httpx.post(f"{server.url}/inference/a%0Ab?object=c", content=JPEG, timeout=PATIENCE_S)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:framehook:not-found")


@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {"Content-Type": "rubbish"}])
def test_the_label_of_a_body_that_nobody_wants_is_nobodys_business(server: LiveServer, headers: dict[str, str]) -> None:
    assert server.client.post("/models", content=JPEG, headers=headers).status_code == 405
    assert server.client.request("GET", "/models", content=JPEG, headers=headers).status_code == 200


@pytest.mark.parametrize("path", CONTRACT["paths"])
def test_other_methods_are_refused_with_those_allowed(server: LiveServer, path: str) -> None:
    declared = {method.upper() for method in CONTRACT["paths"][path]}
    allowed = declared | ({"HEAD"} if "GET" in declared else set())
    for method in {"PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"} - declared:
        answer = server.client.request(method, path)
        assert answer.status_code == 405
        assert set(answer.headers["allow"].split(", ")) == allowed


def test_a_get_ignores_whatever_body_it_comes_with(server: LiveServer) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert server.client.request("GET", "/models", content=b"--x\r\nrubbish", headers=headers).status_code == 200


@pytest.mark.parametrize("path", [path for method, path, _ in OPERATIONS if method == "get"])
def test_head_answers_like_get_without_the_body(server: LiveServer, path: str) -> None:
    """Also of a stream, whose answer to GET does not end by itself."""
    path = path.replace("{model}", server.model).replace("{stream}", "asked").replace("{file}", "app.js")
    assert server.client.post("/inference?stream=asked", content=JPEG).status_code == 200
    assert server.client.put("/streams/asked/settings", json={}, headers=AUTHORIZED).status_code == 200
    answer = server.client.head(path)
    assert answer.status_code == 200
    assert not answer.content
    with httpx.stream("GET", server.url + path, timeout=PATIENCE_S) as whole:
        assert set(answer.headers) == set(whole.headers) - {"transfer-encoding"}


@pytest.mark.parametrize("method_and_path", ["POST /inference", "GET /models", "GET /nope", "DELETE /score"])
@pytest.mark.parametrize("header", REQUEST_ID_HEADERS)
def test_a_well_formed_request_id_is_echoed_on_every_answer(
    server: LiveServer, method_and_path: str, header: str
) -> None:
    method, path = method_and_path.split()
    for request_id in ("d6050cd4-c9f2-42d3-9adc-53ba7e440f17", "A.b_c-9", "x" * 128):
        answer = server.client.request(method, path, content=JPEG, headers={header: request_id})
        echoed = {name: answer.headers[name] for name in REQUEST_ID_HEADERS if name in answer.headers}
        assert echoed == {header: request_id}


@pytest.mark.parametrize(
    "request_id", ["", "x" * 129, "a b", "a%0d%0aSet-Cookie:x", "é".encode().decode("latin-1"), "{}"]
)
@pytest.mark.parametrize("header", REQUEST_ID_HEADERS)
def test_a_malformed_request_id_is_not_echoed(server: LiveServer, request_id: str, header: str) -> None:
    headers = [(header.encode(), request_id.encode("latin-1"))]
    answer = server.client.post("/inference", content=blank(), headers=headers)
    assert answer.status_code == 204
    assert not [name for name in REQUEST_ID_HEADERS if name in answer.headers]


def test_of_two_request_ids_the_protocols_is_echoed_alone(server: LiveServer) -> None:
    ours, usual = REQUEST_ID_HEADERS
    answer = server.client.get("/health/live", headers={usual: "frame-9", ours: "camera-7"})
    assert answer.headers[ours] == "camera-7"
    assert usual not in answer.headers


def test_nothing_found_is_204_with_neither_body_nor_type(server: LiveServer) -> None:
    for path in PATHS:
        answer = post(server, blank(), path=path)
        assert answer.status_code == 204
        assert answer.content == b""
        assert "content-type" not in answer.headers


def raw_exchange(server: LiveServer, request: bytes) -> bytes:
    with socket.create_connection((server.host, server.port), timeout=PATIENCE_S) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_the_documented_example_request_with_its_absolute_target(server: LiveServer) -> None:
    bmp = encode(street().resize((416, 416)), "BMP")
    assert len(bmp) == 519222
    head = (
        f"POST http://{server.host}:{server.port}/inference HTTP/1.1\r\n"
        f"Host: {server.host}:{server.port}\r\n"
        "x-ms-client-request-id: d6050cd4-c9f2-42d3-9adc-53ba7e440f17\r\n"
        "User-Agent: Azure Media Services\r\nAccept: application/json, */*\r\n"
        f"Content-Type: image/bmp\r\nContent-Length: {len(bmp)}\r\nConnection: close\r\n\r\n"
    )
    answer = raw_exchange(server, head.encode() + bmp)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"x-ms-client-request-id: d6050cd4-c9f2-42d3-9adc-53ba7e440f17\r\n" in answer
    assert b'"person"' in answer


def test_chunks_and_keep_alive(server: LiveServer, golden: list[dict[str, object]]) -> None:
    with ContractClient(server.url) as client:
        for size in (len(JPEG), 4096, 100):
            chunks = (JPEG[start : start + size] for start in range(0, len(JPEG), size))
            assert flat(client.post("/inference", content=chunks).json()) == golden


def test_expect_100_continue(server: LiveServer) -> None:
    with socket.create_connection((server.host, server.port), timeout=PATIENCE_S) as connection:
        head = f"POST /inference HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(JPEG)}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(JPEG)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_swagger_ui_is_served(server: LiveServer) -> None:
    assert server.client.get("/ui/").status_code == 200
    assert server.client.get("/ui").headers["location"] == "ui/"


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("HEAD", 200), ("POST", 405)])
def test_the_files_of_swagger_ui_are_served(server: LiveServer, method: str, status: int) -> None:
    answer = server.client.request(method, "/ui/swagger-ui.css")
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    "name", ["nope.js", "../__init__.py", "%2e%2e/__init__.py", "a/swagger-ui.css", "%00", "swagger-ui.css%2F"]
)
def test_nothing_else_is_served_beside_swagger_ui(server: LiveServer, name: str) -> None:
    assert server.client.get(f"/ui/{name}").status_code == 404


def test_the_client_of_these_tests_can_fail(server: LiveServer) -> None:
    honest = post(server)
    for status, headers, content in (
        (202, {}, honest.content),
        (200, {"x-undeclared": "1"}, honest.content),
        (200, {"content-type": "text/html"}, honest.content),
        (200, {}, b'{"inferences": []}'),
        (200, {}, b'{"inferences": NaN}'),
        (204, {"content-type": "application/json"}, b""),
        (503, {"content-type": "application/problem+json"}, b"{}"),
    ):
        forged = httpx.Response(status, headers={"content-type": "application/json", **headers}, content=content)
        with pytest.raises(Exception):  # noqa: B017, PT011  # an assertion or a validation error: any refusal will do
            check_answer("POST", "/inference", forged)
