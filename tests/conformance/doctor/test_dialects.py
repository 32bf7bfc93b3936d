"""Which dialect a server speaks, and what its answers say."""

import json
from typing import Any

import pytest

from conformance.asking.address import read_address
from conformance.asking.messages import Answer
from conformance.asking.server import Server
from conformance.doctor.dialects import DEEPSTACK, EXTENSION, Dialect, Sight, plain

PERSON = {
    "type": "entity",
    "entity": {"tag": {"value": "person", "confidence": 0.9}, "box": dict.fromkeys("ltwh", 0.1)},
}
DOG = {"type": "classification", "classification": {"tag": {"value": "dog", "confidence": 0.9}}}


def answer(content: Any, status: int = 200) -> Answer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Answer(status, (("content-type", "application/json"),), body, 0)


@pytest.mark.parametrize(
    ("dialect", "answered", "expected"),
    [
        pytest.param(EXTENSION, answer({"inferences": [PERSON, DOG, PERSON]}), Sight(("person", "dog")), id="found"),
        pytest.param(EXTENSION, answer(b"", 204), Sight(), id="nothing found"),
        pytest.param(EXTENSION, answer(b"", 503), Sight(fault="it answers 503 application/json, 0 bytes"), id="busy"),
        pytest.param(
            EXTENSION,
            answer(b"", 404),
            Sight(fault="it answers 404 application/json, 0 bytes", is_spoken=False),
            id="not found",
        ),
        pytest.param(
            EXTENSION,
            answer({"x": 1}),
            Sight(fault="its answer has no list of inferences", is_spoken=False),
            id="other",
        ),
        pytest.param(
            EXTENSION,
            answer(b"<html>"),
            Sight(fault="its answer is no JSON (200 application/json, 6 bytes)", is_spoken=False),
            id="HTML",
        ),
        pytest.param(EXTENSION, answer({"inferences": [{"classification": {"tag": 1}}, 1]}), Sight(), id="strange"),
        pytest.param(
            DEEPSTACK,
            answer({"success": True, "predictions": [{"label": "cat"}, {"label": "\x1b[2Jdog"}, 1]}),
            Sight(("cat", " [2Jdog")),
            id="predictions",
        ),
        pytest.param(DEEPSTACK, answer({"success": True, "predictions": []}), Sight(), id="no predictions"),
        pytest.param(DEEPSTACK, answer({"success": True, "label": "street"}), Sight(("street",)), id="scene"),
        pytest.param(
            DEEPSTACK,
            answer({"success": True, "predictions": 1}),
            Sight(fault="its answer has no list of predictions"),
            id="strange predictions",
        ),
        pytest.param(
            DEEPSTACK,
            answer({"success": False, "error": "No image."}),
            Sight(fault="it answers 200 application/json, 40 bytes and says: No image"),
            id="an error in 200",
        ),
        pytest.param(
            DEEPSTACK,
            answer([1]),
            Sight(fault="it answers 200 application/json, 3 bytes", is_spoken=False),
            id="a list",
        ),
        pytest.param(
            DEEPSTACK,
            answer(b"[" * 100_000),
            Sight(fault="it answers 200 application/json, 100000 bytes", is_spoken=False),
            id="nested",
        ),
    ],
)
def test_answers_are_read(dialect: Dialect, answered: Answer, expected: Sight) -> None:
    assert dialect.read(answered) == expected


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://127.0.0.1:9/v1/vision/custom/plates", "/v1/vision/custom/plates"),
        ("http://127.0.0.1:9/score", "/v1/vision/detection"),
    ],
)
def test_a_photo_is_posted_in_a_form(url: str, target: str) -> None:
    request = DEEPSTACK.request(Server(read_address(url)), b"frame")
    boundary = dict(request.headers)["Content-Type"].partition("boundary=")[2]
    assert request.target == target
    assert request.body.startswith(f'--{boundary}\r\nContent-Disposition: form-data; name="image"'.encode())
    assert request.body.endswith(f"\r\n\r\nframe\r\n--{boundary}--\r\n".encode())


def test_texts_of_a_server_are_short_and_plain() -> None:
    assert plain("\x1b[31m" + "x" * 1000) == " [31m" + "x" * 115 + "..."
