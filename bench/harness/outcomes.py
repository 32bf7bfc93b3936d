"""The outcomes of the frames that were sent, and the figures computed from them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

TIMELY_S = 1.0
"""A later answer about live video is of little use."""


class Verdict(StrEnum):
    """The outcome of one frame."""

    RIGHT = "right"
    REFUSED = "refused"
    """503."""
    MIXED_UP = "mixed up"
    """The answer of another frame."""
    OTHER = "other"
    """An unexpected answer: another status, another document."""
    LOST = "lost"
    """The connection ended without a reply, or could not be opened."""
    LATE = "late"
    """No reply within the client's patience."""
    NOT_SENT = "not sent"
    """All connections were in use."""
    ABANDONED = "abandoned"
    """The client hung up, on purpose, before there was a reply."""


@dataclass(slots=True)
class Outcome:
    """One frame. Times in seconds: `due_s` since the run began, `latency_s` since due, `wait_s` since sent.

    `retry_after`: whether the reply had a Retry-After of at least 1, in digits.
    """

    number: int
    stream: int
    verdict: Verdict
    due_s: float
    latency_s: float
    wait_s: float
    retry_after: bool


@dataclass(frozen=True, slots=True)
class Run:
    """The outcome of one load. `seconds`: how long frames were sent; `surplus`: replies that no request asked for."""

    outcomes: list[Outcome]
    surplus: int
    seconds: float

    def having(self, verdict: Verdict) -> list[Outcome]:
        """Return the frames with that verdict."""
        return [outcome for outcome in self.outcomes if outcome.verdict is verdict]

    def goodput_per_s(self, within_s: float | None = None, stream: int | None = None) -> float:
        """Return the right answers per second that came while frames were still being sent.

        `within_s`: only those with no more latency than this; `stream`: only those of that stream.
        """
        answered = [
            outcome
            for outcome in self.having(Verdict.RIGHT)
            if outcome.due_s + outcome.latency_s <= self.seconds
            and (within_s is None or outcome.latency_s <= within_s)
            and (stream is None or outcome.stream == stream)
        ]
        return len(answered) / self.seconds

    def counts(self) -> dict[str, int]:
        """Return the number of frames per verdict."""
        counted = Counter(outcome.verdict.value for outcome in self.outcomes)
        return {verdict.value: counted[verdict.value] for verdict in Verdict} | {"doubled": self.surplus}

    def record(self) -> dict[str, Any]:
        """Return all figures, for JSON."""
        answered, refused = self.having(Verdict.RIGHT), self.having(Verdict.REFUSED)
        sent = [outcome for outcome in self.outcomes if outcome.verdict is not Verdict.NOT_SENT]
        return {
            "seconds": round(self.seconds, 3),
            "offered_per_s": len(self.outcomes) / self.seconds,
            "counts": self.counts(),
            "goodput_per_s": self.goodput_per_s(),
            "timely_per_s": self.goodput_per_s(TIMELY_S),
            "answered_ms": percentiles_ms([outcome.latency_s for outcome in answered]),
            "refused_ms": percentiles_ms([outcome.latency_s for outcome in refused]),
            "refused_since_sent_ms": percentiles_ms([outcome.wait_s for outcome in refused]),
            "refused_with_retry_after": sum(outcome.retry_after for outcome in refused),
            "generator_lag_ms": percentiles_ms([outcome.latency_s - outcome.wait_s for outcome in sent]),
        }


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the maximum in milliseconds; an empty dict without values."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    places = {f"p{percent}": (len(ordered) - 1) * percent // 100 for percent in (50, 95, 99, 100)}
    return {name: round(ordered[place] * 1000, 3) for name, place in places.items()}
