"""What a finished request looks like as a trace: plain values, made of its record after the answer (ADR 21)."""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from handlers.context import RequestRecord
from handlers.server.middleware.logs import MAX_LOGGED_PATH

METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
OTHER_METHOD, OTHER_NAME = "_OTHER", "HTTP"
"""What OpenTelemetry calls a method that is none of these, in its attribute and in the name of a span."""
NS_PER_MS, NS_PER_S = 1_000_000, 1_000_000_000


@dataclass(frozen=True, slots=True)
class Operations:
    """What the contract says of its operations. `routes`: operationId → path; `frames`: those that take a frame.

    `untraced`: those of monitoring, of which nobody wants a trace.
    """

    routes: Mapping[str, str]
    frames: Collection[str]
    untraced: Collection[str]


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the work on a request. Times in nanoseconds since 1970."""

    name: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Clock:
    """The same moment on two clocks: nanoseconds since 1970, and time.perf_counter."""

    now_ns: int
    now_s: float

    @classmethod
    def read(cls) -> "Clock":
        """Return the moment of the call."""
        return cls(time.time_ns(), time.perf_counter())

    def at(self, reading_s: float) -> int:
        """Return the nanoseconds since 1970 of a reading of time.perf_counter."""
        return self.now_ns - int((self.now_s - reading_s) * NS_PER_S)


def whole(record: RequestRecord, clock: Clock) -> Step:
    """Return the step of a whole request that has finished, by its own times: some work may have been done since."""
    took_ns = int(record.duration_ms * NS_PER_MS)
    start_ns = clock.now_ns - took_ns if record.started_at is None else clock.at(record.started_at)
    return Step("", start_ns, start_ns + took_ns)


def steps(record: RequestRecord, request: Step, clock: Clock) -> Iterator[Step]:
    """Yield what a frame went through: admission, read, queue, and the stages on its lane.

    `admission` is everything before its body is waited for: routing, credentials, limits, validation. The lane reports
    durations only, so its stages follow one another without the microseconds between them; a stage that ran more than
    once is one step.
    """
    read_ns = request.end_ns if record.read_at is None else clock.at(record.read_at)
    yield Step("admission", request.start_ns, read_ns)
    if record.read_at is None:
        return
    stages_ms = dict(record.stages_ms)
    read_ms = stages_ms.pop("read", None)
    yield Step("read", read_ns, request.end_ns if read_ms is None else read_ns + int(read_ms * NS_PER_MS))
    if record.queued_at is None:
        return
    at_ns = clock.at(record.queued_at)
    for name, took_ms in stages_ms.items():
        end_ns = at_ns + int(took_ms * NS_PER_MS)
        yield Step(name, at_ns, end_ns)
        at_ns = end_ns


def name_of(method: str, route: str | None) -> str:
    """Return the name of a request's span: the method, and the path of the contract. Callers cannot make new ones."""
    shown = method if method in METHODS else OTHER_NAME
    return f"{shown} {route}" if route else shown


def attributes_of(record: RequestRecord, method: str, path: str, route: str | None) -> Mapping[str, str | int]:
    """Return what the span of a request says besides its times: no query, no credential, nothing of a body.

    The names are OpenTelemetry's where it has one.
    """
    facts: dict[str, str | int | None] = {
        "http.request.method": method if method in METHODS else OTHER_METHOD,
        "http.route": route,
        "url.path": path[:MAX_LOGGED_PATH],
        "http.response.status_code": record.status,
        "http.request.body.size": record.body_bytes,
        "error.type": record.problem if is_failure(record) else None,
        "framehook.request_id": record.request_id,
        "framehook.model": record.model,
        "framehook.stream": record.stream or None,
        "framehook.format": record.frame_format,
        "framehook.outcome": record.outcome,
        "framehook.detections": record.detections,
        "framehook.problem": record.problem,
        "framehook.shed": record.shed,
    }
    return {name: fact for name, fact in facts.items() if fact is not None}


def is_failure(record: RequestRecord) -> bool:
    """Return whether a request failed here: refused for now, a failure of our own, or never answered."""
    return record.status is None or record.status >= 500  # noqa: PLR2004  # HTTP's
