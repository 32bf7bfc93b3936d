"""Which finished requests have a line in the log, and which trace it names."""

from pathlib import Path
from typing import Any

import pytest

from handlers.context import RequestRecord
from handlers.server.middleware.logs import RequestLog
from handlers.server.settings import Settings
from lab.graphs import board, write_identity_model
from lab.pictures import encode
from tests.support.server import serving

ID = "request-of-this-test"
NAMED = {"X-Request-ID": ID}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the facts of each line of a request named `ID`: those of others, as of an earlier test, may come late."""
    facts = (getattr(record, "facts", {}) for record in caplog.records if record.getMessage() == "request")
    return [fact for fact in facts if fact["requestId"] == ID]


@pytest.mark.parametrize(
    ("log_requests", "logged"),
    [
        ("all", [200, 204, 400, 200, 503, None, 304, 200]),
        ("1", [200, 204, 400, 200, 503, None, 304, 200]),
        ("errors", [400, 503, None]),
        ("2", [204, 400, 503, None, 304]),
        ("100", [400, 503, None]),
    ],
)
def test_all_errors_are_logged_and_one_in_so_many_others(
    log_requests: str, logged: list[int | None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    log = RequestLog(Settings.model_validate({"log_requests": log_requests}).log_requests)
    for status in (200, 204, 400, 200, 503, None, 304, 200):
        log.write(RequestRecord(ID, status=status), "POST", "/inference")
    assert [line["status"] for line in lines(caplog)] == logged


@pytest.mark.parametrize("log_requests", ["some", "0", "-1", "1.5", 0, True, ""])
def test_another_word_is_refused(log_requests: object) -> None:
    with pytest.raises(ValueError, match="expected all, errors, or a number from 1 on"):
        Settings.model_validate({"log_requests": log_requests})


def test_a_service_logs_errors_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with serving(write_identity_model(tmp_path), log_requests="errors") as live:
        assert live.client.post("/inference", content=encode(board(7), "PNG"), headers=NAMED).status_code == 200
        assert live.client.post("/inference", content=b"rubbish", headers=NAMED).status_code == 400
    assert [line["status"] for line in lines(caplog)] == [400]


@pytest.mark.parametrize(
    ("parent", "trace"),
    [(f"00-{TRACE}-00f067aa0ba902b7-00", TRACE), (f"00-{TRACE}-00f067aa0ba902b7", None), (None, None)],
    ids=["its caller's", "malformed", "none"],
)
def test_a_line_names_the_trace_of_its_request(
    tmp_path: Path, parent: str | None, trace: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Also of a service that sends no traces."""
    caplog.set_level("INFO")
    with serving(write_identity_model(tmp_path)) as live:
        live.client.get("/models", headers={**NAMED, "traceparent": parent} if parent else NAMED)
    assert [line.get("traceId") for line in lines(caplog)] == [trace]
