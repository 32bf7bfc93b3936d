"""Clients of DeepStack and CodeProject.AI: the bytes that each sends, and what it does with the answer."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from PIL import Image

from handlers.deepstack import forms
from handlers.deepstack.dialect import is_dialect
from handlers.deepstack.forms import MAX_PARTS, read_form
from handlers.errors import InvalidParameterError
from handlers.server.contract import read_contract
from lab.graphs import board, write_identity_model
from lab.pictures import PHOTOS, blank, encode, street, street_as
from tests.contract.builders import post
from tests.support.client import check_answer
from tests.support.credentials import (
    ADMIN,
    ADMIN_TOKEN,
    AUTHORIZED,
    CAMERA,
    CAMERA_TOKEN,
    PROBE,
    PROBE_TOKEN,
    bearer,
    settings_for,
)
from tests.support.models.layouts import LAYOUTS, write_layout
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S, wait_for

STREET = street_as("JPEG")
DETECTION, CUSTOM_LIST = "/v1/vision/detection", "/v1/vision/custom/list"
MULTIPART = "multipart/form-data; boundary=b0undary"


def part(name: str, content: bytes, more: str = "") -> bytes:
    """Return the bytes of one part; `more`: what follows the name, including headers."""
    return f'--b0undary\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b0undary--\r\n"


TIMES = {"inferenceMs": 0, "processMs": 0}
IMAGE = part("image", STREET, '; filename="image.jpg"')


@dataclass(frozen=True, slots=True)
class Client:
    """How a client writes its request; facts from its published source or documentation."""

    content_type: str
    body: bytes


CLIENTS = {
    "Frigate": Client(
        "multipart/form-data; boundary=b0undary",
        form(part("api_key", b""), part("image", STREET, '; filename="image"')),
    ),
    "Home Assistant and Viseron": Client(
        "multipart/form-data; boundary=b0undary",
        form(part("api_key", b""), part("min_confidence", b"0.45"), part("image", STREET, '; filename="image"')),
    ),
    "Blue Iris": Client(
        "multipart/form-data; boundary=b0undary",
        form(part("min_confidence", b"0.40"), part("image", STREET, '; filename="image.jpg"')),
    ),
    "AITool": Client(
        'multipart/form-data; boundary="b0undary"',
        form(
            b"--b0undary\r\nContent-Disposition: form-data; name=image; filename=yard.jpg; "
            b"filename*=utf-8''yard.jpg\r\n\r\n" + STREET + b"\r\n",
            b"--b0undary\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Content-Disposition: form-data; name=min_confidence\r\n\r\n0.4\r\n",
        ),
    ),
    "CodeProject.AI": Client(
        "multipart/form-data; boundary=b0undary",
        form(
            part("image1", STREET, '; filename="street.jpg"\r\nContent-Type: image/jpeg'),
            part("min_confidence", b"0.4"),
        ),
    ),
    "a file before the picture": Client(
        "multipart/form-data; boundary=b0undary",
        form(part("notes", b"of the day", '; filename="notes.txt"'), part("image", STREET, '; filename="image.jpg"')),
    ),
    "curl": Client(
        "multipart/form-data; boundary=b0undary",
        form(part("image", STREET, '; filename="street.jpg"\r\nContent-Type: image/jpeg')),
    ),
    "a mislabelled part": Client(
        "Multipart/Form-Data ; boundary=b0undary",
        form(part("image", STREET, '; filename="a.webp"\r\nContent-Type: image/webp')),
    ),
}


BARE = {
    f"a bare {name} as {content_type}": Client(content_type, street_as(name))
    for name, content_type in (
        ("JPEG", "application/x-www-form-urlencoded"),
        ("JPEG", "image/pjpeg"),
        ("JPEG", "image/jpeg; charset=utf-8"),
        ("JPEG", "image/*"),
        ("JPEG", "application/json"),
        ("JPEG", ""),
        ("PNG", "image/x-png"),
        ("PNG", "binary/octet-stream"),
        ("BMP", "image/x-ms-bmp"),
        ("BMP", "text/plain"),
    )
}
"""Pictures without a form, as curl --data-binary and scripts send them; the bytes decide."""


def send(server: LiveServer, path: str, client: Client, **headers: str) -> httpx.Response:
    return server.client.post(path, content=client.body, headers={"Content-Type": client.content_type, **headers})


@pytest.mark.parametrize("client", (CLIENTS | BARE).values(), ids=CLIENTS | BARE)
def test_a_client_is_answered(server: LiveServer, client: Client) -> None:
    """All get the results of /inference, in whole pixels of their picture, most confident first."""
    wanted = {"confidence": 0.45 if b"0.45" in client.body else 0.4, "maxDetections": 20}
    expected = server.client.post("/inference", content=STREET, params=wanted).json()["inferences"]
    answer = send(server, DETECTION, client).json()
    width, height = street().size
    assert answer["success"] is True
    assert "error" not in answer
    assert answer["count"] == len(answer["predictions"]) == len(expected) > 5
    for prediction, inference in zip(answer["predictions"], expected, strict=True):
        entity = inference["entity"]
        box = entity["box"]
        assert (prediction["label"], prediction["confidence"]) == (entity["tag"]["value"], entity["tag"]["confidence"])
        assert prediction["x_min"] == round(box["l"] * width)
        assert prediction["y_min"] == round(box["t"] * height)
        assert prediction["x_max"] == pytest.approx((box["l"] + box["w"]) * width, abs=0.51)
        assert prediction["y_max"] == pytest.approx((box["t"] + box["h"]) * height, abs=0.51)
        assert all(isinstance(prediction[edge], int) for edge in ("x_min", "y_min", "x_max", "y_max"))


def test_frigates_requests_are_as_the_library_writes_them(server: LiveServer) -> None:
    """Its plugin posts with requests: data and files, the file as bare bytes."""
    jpeg = encode(street().resize((320, 320)), "JPEG")
    answer = requests.post(server.url + DETECTION, data={"api_key": ""}, files={"image": jpeg}, timeout=PATIENCE_S)
    check_answer("POST", DETECTION, httpx.Response(answer.status_code, headers=answer.headers, content=answer.content))
    predictions = answer.json()["predictions"]
    assert predictions
    assert all(prediction["confidence"] >= 0.4 for prediction in predictions)
    assert all(0 <= prediction["x_min"] < prediction["x_max"] <= 320 for prediction in predictions)


def test_blue_iris_learns_the_models_first(server: LiveServer) -> None:
    """Every listed model accepts its pictures; the model that finds no objects is not listed."""
    models = server.client.post(CUSTOM_LIST).json()["models"]
    assert models == ["blazeface-back", "ssdlite-mobilenet-v2"]
    for model in models:
        assert send(server, f"/v1/vision/custom/{model}", CLIENTS["Blue Iris"]).json()["success"] is True
    for model in ("efficientnet-lite0", "nope"):
        answer = send(server, f"/v1/vision/custom/{model}", CLIENTS["Blue Iris"])
        assert (answer.status_code, answer.json()["success"]) == (404, False)


@pytest.mark.parametrize("sent", ["0.4", "0.87", "", " 0.5 ", "1", "0", ".5", "5e-1"])
def test_min_confidence_decides(server: LiveServer, sent: str) -> None:
    answer = server.client.post(
        DETECTION, data={"min_confidence": sent}, files={"image": STREET}, params={"maxDetections": 1000}
    )
    least = float(sent or 0.4)
    expected = server.client.post("/inference", content=STREET, params={"confidence": least, "maxDetections": 1000})
    reported = expected.json()["inferences"] if expected.status_code == 200 else []
    assert answer.json()["count"] == pytest.approx(len(reported), abs=2)  # those under a pixel are left out
    assert all(prediction["confidence"] >= least for prediction in answer.json()["predictions"])


def test_no_more_than_frigate_can_take(server: LiveServer) -> None:
    """A 21st prediction would crash its plugin; clients that can handle more ask for them."""
    counts = [
        server.client.post(DETECTION, data={"min_confidence": "0.01"}, files={"image": STREET}, params=params).json()[
            "count"
        ]
        for params in ({}, {"maxDetections": 21})
    ]
    assert counts == [20, 21]


def test_labels_are_chosen_in_the_address(server: LiveServer) -> None:
    """A label unknown to Frigate would hide all labels after it."""
    answer = server.client.post(DETECTION, files={"image": STREET}, params={"object": "car"})
    assert {prediction["label"] for prediction in answer.json()["predictions"]} == {"car"}
    assert server.client.post(DETECTION, files={"image": STREET}, params={"object": "unicorn"}).status_code == 400


@pytest.mark.parametrize("path", ["/v1/vision/custom/", "/inference/", "/annotate/"])
def test_the_default_model_has_the_name_that_clients_of_codeproject_ai_ask_for(server: LiveServer, path: str) -> None:
    """Viseron, AITool and the .NET SDK ask for ipcam-general by default; it is not listed as another model."""
    asked, answered = (post(server, path + name, STREET) for name in ("ipcam-general", server.model))
    assert asked.status_code == 200
    if path == "/annotate/":
        assert asked.content == answered.content
    else:
        assert asked.json() | TIMES == answered.json() | TIMES
    assert "ipcam-general" not in server.client.get(CUSTOM_LIST).json()["models"]
    assert server.client.get("/models/ipcam-general").json()["aliases"] == ["ipcam-general"]


def test_a_model_that_has_the_name_is_preferred(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    write_identity_model(tmp_path, "ipcam-general")
    with serving(folder, default_model_aliases="ipcam-general,other") as live:
        records = live.client.get("/models").json()["models"]
        assert {record["name"]: record.get("aliases") for record in records} == {
            "identity": ["other"],
            "ipcam-general": None,
        }
        assert {name: live.client.get(f"/models/{name}").json()["name"] for name in ("ipcam-general", "other")} == {
            "ipcam-general": "ipcam-general",
            "other": "identity",
        }


def test_codeproject_ais_pages_learn_what_is_served(server: LiveServer) -> None:
    """They ping, read which modules are started, and get the list of models with GET or POST."""
    assert server.client.get("/v1/status/ping").json()["success"] is True
    statuses = server.client.get("/v1/status/analysis/list").json()["statuses"]
    assert {module["queue"] for module in statuses if module["status"] == "Started"} == {
        "faceprocessing_queue",
        "objectdetection_queue",
        "sceneclassification_queue",
    }
    assert server.client.get(CUSTOM_LIST).json() == server.client.post(CUSTOM_LIST).json()


def test_no_update_is_ever_offered(server: LiveServer) -> None:
    assert server.client.get("/v1/status/updateavailable").json()["updateAvailable"] is False


def test_nothing_found_is_an_empty_list(server: LiveServer) -> None:
    answer = server.client.post(DETECTION, files={"image": blank((320, 320))})
    assert (answer.status_code, answer.json()["predictions"], answer.json()["count"]) == (200, [], 0)


def test_faces_and_scenes_have_models_of_their_own(server: LiveServer) -> None:
    faces = server.client.post("/v1/vision/face", files={"image": (PHOTOS / "astronaut.jpg").read_bytes()}).json()
    assert [prediction["label"] for prediction in faces["predictions"]] == ["face"]
    scene = server.client.post(
        "/v1/vision/scene", files={"image": blank((64, 64))}, data={"min_confidence": "1"}
    ).json()
    assert scene["label"]
    assert 0 < scene["confidence"] < 1


REFUSED: dict[str, tuple[int, str, bytes]] = {
    "an image that is no file": (400, MULTIPART, form(part("image", b"text"))),
    "no parts": (400, MULTIPART, form()),
    "two images": (400, MULTIPART, form(IMAGE, IMAGE)),
    "an empty image": (400, MULTIPART, form(part("image", b"", '; filename="a"'))),
    "cut short": (400, MULTIPART, form(IMAGE)[:-30]),
    "no boundary": (400, "multipart/form-data", form(IMAGE)),
    "another boundary": (400, "multipart/form-data; boundary=x", form(IMAGE)),
    "no body": (400, MULTIPART, b""),
    "a form without files": (415, "application/x-www-form-urlencoded", b"image=x"),
    "GIF": (400, MULTIPART, form(part("image", encode(street(), "GIF"), '; filename="a.gif"'))),
    "JSON": (415, "application/json", b'{"image": "/9j/4AAQ"}'),
    "a GIF without a form": (415, "image/gif", encode(street(), "GIF")),
    "a form under another name": (415, "application/octet-stream", form(IMAGE)),
    "nothing under another name": (400, "image/jpeg", b""),
    "a word for a number": (400, MULTIPART, form(IMAGE, part("min_confidence", b"abc"))),
    "more than all": (400, MULTIPART, form(IMAGE, part("min_confidence", b"1.5"))),
    "percent": (400, MULTIPART, form(IMAGE, part("min_confidence", b"45"))),
    "a comma": (400, MULTIPART, form(IMAGE, part("min_confidence", b"0,4"))),
    "no number": (400, MULTIPART, form(IMAGE, part("min_confidence", b"nan"))),
    "two numbers": (400, MULTIPART, form(IMAGE, part("min_confidence", b"0.4"), part("min_confidence", b"0.5"))),
    "a long number": (400, MULTIPART, form(IMAGE, part("min_confidence", b"0" * 2000))),
    "a long key": (400, MULTIPART, form(IMAGE, part("api_key", b"k" * 2000))),
    "a long header": (400, MULTIPART, form(IMAGE, part("a", b"b", "; x=" + "y" * 2000))),
    "many options in a header": (400, MULTIPART, form(IMAGE, part("a", b"b", ";" * 9))),
    "many headers": (400, MULTIPART, form(IMAGE, part("a", b"b", "\r\nX: y" * 5))),
    "a long boundary": (400, MULTIPART + "x" * 70, form(IMAGE).replace(b"b0undary", b"b0undary" + b"x" * 70)),
    "too many fields": (400, MULTIPART, form(IMAGE, *(part(f"f{n}", b"") for n in range(MAX_PARTS)))),
}


@pytest.mark.parametrize(("status", "content_type", "body"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_in_the_callers_language(server: LiveServer, status: int, content_type: str, body: bytes) -> None:
    answer = send(server, DETECTION, Client(content_type, body))
    assert answer.status_code == answer.json()["code"] == status
    assert answer.json()["success"] is False
    assert answer.json()["error"]


def test_as_many_fields_as_promised_are_taken(server: LiveServer) -> None:
    body = form(*(part(f"f{n}", b"x" * 5000) for n in range(MAX_PARTS - 1)), IMAGE)
    assert send(server, DETECTION, Client(MULTIPART, body)).status_code == 200


EXPENSIVE = {
    "parts": form(*[part("a", b"b")] * (MAX_PARTS + 1)),
    "what looks like a boundary": form(part("a", b"\r\n--b0undar" * 3 + b"\r\n--b0undaryx" * (MAX_PARTS + 1))),
    "padding": form(part("a", b"b"))[:-4] + b" \t" * 1000,
    "padding between": form(part("a", b"b\r\n--b0undary\t\t"), IMAGE),
}


@pytest.mark.parametrize("body", EXPENSIVE.values(), ids=EXPENSIVE)
def test_what_is_expensive_to_read_is_not_read(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser would block the event loop, for seconds if the form is large."""
    monkeypatch.setattr(forms, "MultipartParser", pytest.fail)
    with pytest.raises(InvalidParameterError):
        read_form(MULTIPART, body)


def test_a_form_needs_a_boundary() -> None:
    with pytest.raises(InvalidParameterError):
        read_form("multipart/form-data; boundary=", form(IMAGE).replace(b"--b0undary", b"--"))


@pytest.mark.parametrize("size", [1 << 20, 6 << 20])
def test_large_pictures_come_through_whole(server: LiveServer, size: int) -> None:
    """Also those that an ordinary form parser would write to a file."""
    side = int((size / 3) ** 0.5)
    picture = encode(Image.new("RGB", (side, side), (90, 120, 90)), "BMP")
    assert server.client.post(DETECTION, files={"image": picture}).json()["success"] is True


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service that asks for credentials, and lets the camera use one of its two models."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    write_identity_model(folder.parent, "other")
    camera = CAMERA.model_copy(update={"models": ("identity",)})
    with serving(folder, **settings_for(ADMIN, PROBE, camera)) as live:
        yield live


CONTRACT = read_contract()
FORM_PATHS = sorted(
    path for path, name in CONTRACT.operations_with_frame.items() if name in CONTRACT.operations_with_form
)
"""Of every operation of the contract that takes a form."""


def test_every_path_of_forms_is_of_the_dialect() -> None:
    assert len(FORM_PATHS) == len(CONTRACT.operations_with_form) == 6
    assert all(is_dialect(path) for path in FORM_PATHS)


def keyed(key: str | None) -> Client:
    image = part("image", encode(board(7), "PNG"), '; filename="a"')
    return Client(MULTIPART, form(image) if key is None else form(image, part("api_key", key.encode())))


KEYS: dict[str, tuple[str | None, str, int]] = {
    "right": (CAMERA_TOKEN, DETECTION, 200),
    "none": (None, DETECTION, 401),
    "empty, as Frigate's": ("", DETECTION, 401),
    "wrong": ("guess", DETECTION, 401),
    "of one who may not infer": (PROBE_TOKEN, DETECTION, 403),
    "for its model": (CAMERA_TOKEN, "/v1/vision/custom/identity", 200),
    "for its model by an alias": (CAMERA_TOKEN, "/v1/vision/custom/ipcam-general", 200),
    "for another model": (CAMERA_TOKEN, "/v1/vision/custom/other", 403),
    "for no model": (ADMIN_TOKEN, "/v1/vision/custom/nope", 404),
    "none, for no model": (None, "/v1/vision/custom/nope", 401),
    "wrong, for no scenes": ("guess", "/v1/vision/scene", 401),
    "right, for no scenes": (ADMIN_TOKEN, "/v1/vision/scene", 404),
}


@pytest.mark.parametrize(("key", "path", "status"), KEYS.values(), ids=KEYS)
def test_the_key_of_a_form_is_a_token(strict: LiveServer, key: str | None, path: str, status: int) -> None:
    answer = send(strict, path, keyed(key))
    assert answer.status_code == status
    assert answer.json()["success"] is (status == 200)
    if status == 401:
        assert answer.headers["www-authenticate"] == 'Bearer realm="framehook"'


STRANGERS: dict[str, tuple[str | None, dict[str, str]]] = {
    "no key": (None, {}),
    "an empty key": ("", {}),
    "a wrong key": ("guess", {}),
    "a wrong header": (CAMERA_TOKEN, bearer("guess")),
}


@pytest.mark.parametrize("path", FORM_PATHS)
@pytest.mark.parametrize(("key", "headers"), STRANGERS.values(), ids=STRANGERS)
def test_no_operation_with_a_form_answers_strangers(
    strict: LiveServer, path: str, key: str | None, headers: dict[str, str]
) -> None:
    """Whether the model exists or not."""
    for model in ("identity", "nope"):
        answer = send(strict, path.replace("{model}", model), keyed(key), **headers)
        assert (answer.status_code, answer.json()["success"]) == (401, False)


@pytest.mark.parametrize("path", FORM_PATHS)
def test_every_operation_with_a_form_takes_a_key(strict: LiveServer, path: str) -> None:
    """The operations that need a model of another family proceed until they find none."""
    path = path.replace("{model}", "identity")
    status = 404 if path in {"/v1/vision/face", "/v1/vision/scene", "/v1/vision/alpr", "/v1/image/alpr"} else 200
    assert send(strict, path, keyed(ADMIN_TOKEN)).status_code == status
    assert send(strict, path, keyed(PROBE_TOKEN)).status_code == 403


def test_any_model_whose_only_label_is_face_finds_faces(tmp_path: Path) -> None:
    """Also behind a background class; a model that finds faces among other things is none of these."""
    other = write_layout(tmp_path / "a-several", replace(LAYOUTS["UltraFace"], labels=("face", "person")))
    write_layout(tmp_path / "b-ultraface", LAYOUTS["UltraFace"])
    with serving(other) as live:
        answer = live.client.post("/v1/vision/face", files={"image": ("street.jpg", street_as("JPEG"))}).json()
    assert (answer["moduleId"], len(answer["predictions"])) == ("b-ultraface", 1)


@pytest.mark.parametrize(
    "headers", [bearer("guess"), {"X-API-Key": "guess"}, {"Authorization": "Basic rubbish"}, {"Authorization": "Foo"}]
)
def test_a_wrong_header_is_not_made_good_by_the_form(strict: LiveServer, headers: dict[str, str]) -> None:
    assert send(strict, DETECTION, keyed(CAMERA_TOKEN), **headers).status_code == 401


def test_a_right_header_is_enough(strict: LiveServer) -> None:
    for headers in (AUTHORIZED, {"X-API-Key": CAMERA_TOKEN}):
        assert send(strict, DETECTION, keyed("guess"), **headers).status_code == 200


def test_what_is_neither_a_form_nor_a_picture_is_told_what_it_is(server: LiveServer) -> None:
    answer = send(server, DETECTION, Client("application/x-www-form-urlencoded", b"image=%FF%D8")).json()
    assert answer["error"] == (
        "This is neither a form nor a picture; it looks like the fields of a form. "
        "Send the picture in a form, as multipart/form-data, in a file named image."
    )


@pytest.mark.parametrize("path", ["/v1/vision/face", "/v1/vision/scene", "/v1/vision/custom/ssdlite-mobilenet-v2"])
def test_every_path_takes_a_bare_picture(server: LiveServer, path: str) -> None:
    body = (PHOTOS / "astronaut.jpg").read_bytes()
    bare, in_form = send(server, path, Client("image/jpeg", body)), server.client.post(path, files={"image": body})
    assert bare.json() | TIMES == in_form.json() | TIMES


@pytest.mark.parametrize("content_type", ["image/png", "multipart/form-data-of-mine", ""])
def test_a_bare_picture_needs_a_credential_in_its_headers(strict: LiveServer, content_type: str) -> None:
    bare = Client(content_type, encode(board(7), "PNG"))
    assert send(strict, DETECTION, bare).status_code == 401
    assert send(strict, DETECTION, bare, **bearer(CAMERA_TOKEN)).status_code == 200


@pytest.mark.parametrize("client", [Client(MULTIPART, b"rubbish"), Client("image/png", b""), Client(MULTIPART, b"")])
def test_strangers_learn_nothing_of_their_form(strict: LiveServer, client: Client) -> None:
    assert send(strict, DETECTION, client).status_code == 401


def test_strangers_are_refused_elsewhere_whatever_their_form_says(strict: LiveServer) -> None:
    """A key in a form opens the operations that take forms, and no other."""
    for path in ("/inference", CUSTOM_LIST, "/models/identity/reload"):
        assert send(strict, path, keyed(ADMIN_TOKEN)).status_code == 401


def test_the_log_tells_whose_key_it_was(strict: LiveServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    send(strict, DETECTION, keyed(CAMERA_TOKEN), **{"x-ms-client-request-id": "keyed"})

    def own() -> list[dict[str, Any]]:
        """Return what was logged of this request, and not of one before it: a line follows its answer."""
        logged: list[dict[str, Any]] = [getattr(record, "facts", {}) for record in caplog.records]
        return [facts for facts in logged if facts.get("requestId") == "keyed"]

    wait_for(own)
    [facts] = own()
    assert (facts["credential"], facts["operation"], facts["format"]) == ("camera", "detect_objects", "png")
