"""Hostile requests: only on request, and what counts as right."""

import pytest

from conformance.asking.address import read_address
from conformance.asking.server import Server
from conformance.checks import hostile
from conformance.checks.hostile import bodies, heads
from conformance.running import run
from conformance.subject import Subject
from conformance.verdicts import Verdict
from tests.support.canned import HANG_UP, SILENCE, canned, finding_of, head


def test_nothing_hostile_is_asked_unless_the_user_says_so() -> None:
    with canned(HANG_UP) as url:
        subject = Subject(Server(read_address(url)))
        verdicts = {result.finding.verdict for result in run(subject, hostile.CHECKS)}
    assert verdicts == {Verdict.NOT_ASKED}
    assert subject.server.request_count == 0


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        pytest.param("hostile.two-lengths", head("400 No"), Verdict.PASS, id="lengths: 400"),
        pytest.param("hostile.two-lengths", head("413 No"), Verdict.WARN, id="lengths: refused with another status"),
        pytest.param("hostile.two-lengths", HANG_UP, Verdict.WARN, id="lengths: the connection is closed"),
        pytest.param("hostile.two-lengths", SILENCE, Verdict.FAIL, id="lengths: silence"),
        pytest.param("hostile.two-lengths", head("204 Fine"), Verdict.FAIL, id="lengths: one is believed"),
        pytest.param("hostile.length-and-chunked", HANG_UP, Verdict.PASS, id="both: the connection is closed"),
        pytest.param("hostile.length-and-chunked", SILENCE, Verdict.FAIL, id="both: silence"),
        pytest.param(
            "hostile.length-and-chunked", head("400 No", "Connection: close"), Verdict.PASS, id="both: refused"
        ),
        pytest.param("hostile.length-and-chunked", head("400 No"), Verdict.FAIL, id="both: refused, and kept open"),
        pytest.param("hostile.long-head", head("204 Fine"), Verdict.PASS, id="long head: answered"),
        pytest.param("hostile.long-head", head("431 No"), Verdict.PASS, id="long head: refused"),
        pytest.param("hostile.long-head", HANG_UP, Verdict.PASS, id="long head: closed"),
        pytest.param("hostile.long-head", SILENCE, Verdict.WARN, id="long head: silence"),
        pytest.param("hostile.bad-head", head("204 Fine"), Verdict.WARN, id="no HTTP: answered"),
        pytest.param("hostile.bad-head", b"Bad request\r\n\r\n", Verdict.PASS, id="no HTTP: answered without a head"),
        pytest.param("hostile.truncated", head("204 Nothing"), Verdict.WARN, id="half a JPEG: answered"),
        pytest.param("hostile.bomb", head("200 Fine"), Verdict.WARN, id="bomb: decoded"),
        pytest.param("hostile.thin", head("413 No"), Verdict.PASS, id="thin: refused"),
        pytest.param("hostile.short-body", head("204 Fine"), Verdict.WARN, id="half a body: answered"),
        pytest.param("hostile.slow-body", head("503 Busy"), Verdict.WARN, id="slow bodies: others are refused"),
    ],
)
def test_what_counts_as_right(check: str, answer: bytes, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    patience_s = 0.3 if answer == SILENCE else 30
    for module in (bodies, heads):
        monkeypatch.setattr(module, "PATIENCE_S", patience_s)
    assert finding_of(check, answer, timeout_s=2 * patience_s).verdict is verdict
