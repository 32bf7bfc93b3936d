"""Pictures: what is a failure, and what only a doubt."""

import pytest

from conformance.verdicts import Verdict
from tests.support.canned import HANG_UP, finding_of, head


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        pytest.param("requests.png-alpha", head("204 No Content"), Verdict.PASS, id="alpha is answered"),
        pytest.param(
            "requests.png-alpha", head("415 No"), Verdict.WARN, id="the client sends no alpha: it may be refused"
        ),
        pytest.param("requests.png-alpha", head("500 No"), Verdict.FAIL, id="alpha is an error of the server"),
        pytest.param("requests.label", head("415 No"), Verdict.WARN, id="the protocol does not ask for sniffing"),
        pytest.param("requests.bmp-from-the-top", head("500 No"), Verdict.WARN, id="nor for BMP from the top"),
        pytest.param("requests.jpeg", HANG_UP, Verdict.FAIL, id="no answer to a frame"),
    ],
)
def test_a_failure_is_only_what_the_protocol_asks_for(check: str, answer: bytes, verdict: Verdict) -> None:
    assert finding_of(check, answer).verdict is verdict


def test_the_sizes_that_fail_are_named() -> None:
    detail = finding_of("requests.sizes", head("400 No")).detail
    assert "416 x 234: 400" in detail
    assert "1920 x 1080: 400" in detail


def test_a_size_without_an_answer_is_named() -> None:
    assert "37 x 53: the connection was" in finding_of("requests.sizes", HANG_UP).detail
