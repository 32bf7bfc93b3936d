"""Answers to what is no frame."""

import pytest

from conformance.checks.errors import TRACES
from conformance.verdicts import Verdict
from tests.support.canned import HANG_UP, finding_of, head


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        pytest.param("errors.method", head("405 No"), Verdict.FAIL, id="405 without Allow"),
        pytest.param("errors.method", head("405 No", "Allow: POST"), Verdict.PASS, id="405 with Allow"),
        pytest.param("errors.method", head("404 No"), Verdict.PASS, id="GET is 404"),
        pytest.param("errors.method", head("200 Page"), Verdict.PASS, id="GET is a page"),
        pytest.param("errors.method", head("501 No"), Verdict.PASS, id="GET is not implemented"),
        pytest.param("errors.method", head("500 No"), Verdict.WARN, id="GET is an error"),
        pytest.param("errors.method", HANG_UP, Verdict.WARN, id="GET is not answered"),
        pytest.param("errors.success", HANG_UP, Verdict.PASS, id="rubbish is not answered"),
        pytest.param("errors.undecodable", HANG_UP, Verdict.WARN, id="a closed connection says nothing of the frame"),
        pytest.param("errors.trace", HANG_UP, Verdict.PASS, id="no answer shows nothing"),
        pytest.param("errors.recovers", head("500 No"), Verdict.FAIL, id="a good frame is 500"),
        pytest.param("errors.success", head("200 Fine"), Verdict.FAIL, id="rubbish is 200"),
        pytest.param("errors.success", head("204 Nothing"), Verdict.WARN, id="rubbish is 204"),
        pytest.param(
            "errors.undecodable", head("500 No"), Verdict.WARN, id="the protocol does not say that 500 is wrong"
        ),
        pytest.param("errors.media-type", head("400 No"), Verdict.PASS, id="text is 400"),
    ],
)
def test_answers_to_what_is_no_frame(check: str, answer: bytes, verdict: Verdict) -> None:
    assert finding_of(check, answer).verdict is verdict


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):",
        'File "app.py", line 12, in infer',
        "at com.example.Server.infer(Server.java:42)",
        "at Object.infer (/srv/app/index.js:10:5)",
        "cannot open /opt/model/main.py",
        r"in C:\app\Server.cs:line 5",
    ],
)
def test_what_shows_too_much(text: str) -> None:
    assert any(pattern.search(text) for pattern in TRACES.values())


@pytest.mark.parametrize(
    "text",
    [
        "The frame cannot be decoded.",
        '{"instance": "/inference", "type": "https://example.org/errors/frame.c"}',
        "Send image/jpeg, image/png or image/bmp to /v1/score.",
        "Look at inference (the operation).",
        "/" * 20_000,
        " /" * 10_000,
    ],
    ids=["sentence", "problem", "types", "words", "slashes", "blanks"],
)
def test_what_shows_nothing(text: str) -> None:
    assert not any(pattern.search(text) for pattern in TRACES.values())
