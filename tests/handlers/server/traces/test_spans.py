"""The trace of a finished request, as plain values."""

from typing import Any

import pytest

from handlers.context import RequestRecord
from handlers.server.traces.spans import Clock, Step, attributes_of, is_failure, name_of, steps, whole

CLOCK = Clock(5_000_000_000, 100.0)
"""100.0 by time.perf_counter is five seconds after 1970."""


def record_of(**facts: Any) -> RequestRecord:
    return RequestRecord("id", **facts)


def steps_of(**facts: Any) -> list[tuple[str, float, float]]:
    """Return name, start and end of the steps, in milliseconds before the end of the request."""
    record = record_of(**facts)
    found = steps(record, whole(record, CLOCK), CLOCK)
    return [(step.name, (step.start_ns - CLOCK.now_ns) / 1e6, (step.end_ns - CLOCK.now_ns) / 1e6) for step in found]


def test_a_request_has_its_own_times_or_ends_now() -> None:
    assert whole(record_of(duration_ms=20.0), CLOCK) == Step("", 4_980_000_000, 5_000_000_000)
    assert whole(record_of(duration_ms=20.0, started_at=99.5), CLOCK) == Step("", 4_500_000_000, 4_520_000_000)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({}, [("admission", -20, 0)], id="refused before its body"),
        pytest.param({"read_at": 99.982}, [("admission", -20, -18), ("read", -18, 0)], id="hung up in its body"),
        pytest.param(
            {"read_at": 99.982, "stages_ms": {"read": 3.0}},
            [("admission", -20, -18), ("read", -18, -15)],
            id="refused after its body",
        ),
        pytest.param(
            {"read_at": 99.982, "queued_at": 99.986, "stages_ms": {"read": 3.0}},
            [("admission", -20, -18), ("read", -18, -15)],
            id="given up in the queue",
        ),
        pytest.param(
            {"read_at": 99.982, "queued_at": 99.986, "stages_ms": {"read": 3.0, "queue": 1.0, "decode": 5, "run": 7}},
            [
                ("admission", -20, -18),
                ("read", -18, -15),
                ("queue", -14, -13),
                ("decode", -13, -8),
                ("run", -8, -1),
            ],
            id="answered",
        ),
    ],
)
def test_the_steps_of_a_frame(facts: dict[str, Any], expected: list[tuple[str, float, float]]) -> None:
    found = steps_of(duration_ms=20.0, **facts)
    assert [name for name, *_ in found] == [name for name, *_ in expected]
    for (_, *times), (_, *expected_times) in zip(found, expected, strict=True):
        assert times == pytest.approx(expected_times, abs=1e-3)


@pytest.mark.parametrize(
    ("method", "route", "name"),
    [
        ("POST", "/inference/{model}", "POST /inference/{model}"),
        ("GET", None, "GET"),
        ("BREW", "/inference", "HTTP /inference"),
        ("BREW", None, "HTTP"),
    ],
)
def test_callers_make_no_names(method: str, route: str | None, name: str) -> None:
    assert name_of(method, route) == name


def test_what_is_unknown_is_left_out() -> None:
    assert attributes_of(record_of(status=404, problem="not-found"), "BREW", "/" + "x" * 500, None) == {
        "http.request.method": "_OTHER",
        "url.path": "/" + "x" * 199,
        "http.response.status_code": 404,
        "framehook.request_id": "id",
        "framehook.problem": "not-found",
    }


@pytest.mark.parametrize(("status", "failed"), [(200, False), (404, False), (500, True), (503, True), (None, True)])
def test_a_refusal_that_is_the_callers_fault_is_no_failure(status: int | None, failed: bool) -> None:  # noqa: FBT001
    record = record_of(status=status, problem="overloaded")
    assert is_failure(record) == failed
    assert ("error.type" in attributes_of(record, "POST", "/", None)) == failed
