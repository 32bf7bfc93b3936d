"""Forms of HTTP: servers that do it another way, which is right or doubtful."""

import pytest

from conformance.asking import connection
from conformance.checks import framing
from conformance.verdicts import Verdict
from tests.support.canned import HANG_UP, finding_of, head


@pytest.mark.parametrize(
    ("check", "answer", "verdict", "words"),
    [
        pytest.param(
            "requests.chunked", head("411 No"), Verdict.WARN, "Content-Length", id="chunks: a length is asked for"
        ),
        pytest.param("requests.chunked", head("400 No"), Verdict.FAIL, "400", id="chunks: not understood"),
        pytest.param(
            "requests.chunked", head("501 No", version="1.0"), Verdict.WARN, "HTTP/1.0", id="chunks: HTTP/1.0"
        ),
        pytest.param("requests.expect", head("417 No"), Verdict.WARN, "417", id="expect: not met"),
        pytest.param("requests.expect", head("204 No Content"), Verdict.PASS, "204", id="expect: an answer at once"),
        pytest.param("requests.expect", head("400 No"), Verdict.FAIL, "400", id="expect: refused at once"),
        pytest.param(
            "requests.keep-alive",
            head("204 No Content", version="1.0"),
            Verdict.WARN,
            "HTTP/1.0",
            id="keep-alive: HTTP/1.0",
        ),
        pytest.param(
            "requests.keep-alive",
            head("204 X", "Connection: close"),
            Verdict.WARN,
            "close",
            id="keep-alive: it says close",
        ),
        pytest.param("requests.keep-alive", head("500 No"), Verdict.FAIL, "frame 1", id="keep-alive: an error"),
        pytest.param("requests.keep-alive", HANG_UP, Verdict.FAIL, "frame 1", id="keep-alive: no answer"),
        pytest.param("requests.absolute-target", head("404 No"), Verdict.FAIL, "404", id="absolute target: not found"),
        pytest.param("requests.absolute-target", head("401 No"), Verdict.CANNOT_TELL, "401", id="absolute target: 401"),
        pytest.param("requests.header-case", head("415 No"), Verdict.FAIL, "415", id="letters of headers"),
    ],
)
def test_other_ways(check: str, answer: bytes, verdict: Verdict, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (connection, framing):
        monkeypatch.setattr(module, "CONTINUE_WAIT_S", 20)  # longer than an answer at once takes on a busy machine
    finding = finding_of(check, answer)
    assert finding.verdict is verdict
    assert words in finding.detail
