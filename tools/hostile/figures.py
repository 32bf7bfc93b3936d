"""The results of posting many hostile bodies: counts, times, memory, failures; as JSON and as a table."""

import heapq
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from tools.hostile.mutations import Hostile
from tools.hostile.target import Answer

REFUSED = frozenset({400, 413, 415})
SHOWN = 10
MEDIAN, P99 = 50, 99
DEATH = "death"
ROW = "{:20} {:>8} {:>7} {:>7} {:>5} {:>6} {:>8} {:>8} {:>8} {:>8}   {:>5} {:>5} {:>5}"
TITLES = (
    *("run", "inputs", "2xx", "4xx", "5xx", "deaths", "p99 ms", "slowest", "refused", "control"),
    *("MiB", "most", "after"),
)

Extreme: TypeAlias = tuple[float, str, str]
"""An amount, the name of the body that caused it, and the status of its answer."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that the contract does not allow for this body."""

    group: str
    name: str
    media_type: str
    status: int | None
    reason: str
    saved_as: str | None


@dataclass(slots=True)
class Memory:
    """Resident memory of the service in MiB."""

    before: float
    most: float
    after: float


@dataclass(slots=True)
class Run:
    """The figures of one pass over many bodies. `statuses` by group; the extremes are heaps."""

    name: str
    at_once: int
    memory: Memory
    seconds: float = 0
    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    all_ms: list[float] = field(default_factory=list)
    control_ms: list[float] = field(default_factory=list)
    slowest_ms: list[Extreme] = field(default_factory=list)
    slowest_refusals_ms: list[Extreme] = field(default_factory=list)
    greatest_growths_mib: list[Extreme] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def count(self, hostile: Hostile, answer: Answer) -> None:
        """Count one answer."""
        status = str(answer.reply.status or DEATH)
        self.statuses.setdefault(hostile.group, Counter())[status] += 1
        self.all_ms.append(answer.ms)
        _keep(self.slowest_ms, (answer.ms, hostile.name, status))
        if answer.growth_mib:
            _keep(self.greatest_growths_mib, (answer.growth_mib, hostile.name, status))
        self.memory.most = max(self.memory.most, answer.peak_mib)
        if answer.reply.status in REFUSED:
            _keep(self.slowest_refusals_ms, (answer.ms, hostile.name, status))

    def total(self, beginning: str) -> int:
        """Return how many answers have a status that begins with this prefix."""
        counts = [item for counter in self.statuses.values() for item in counter.items()]
        return sum(count for status, count in counts if status.startswith(beginning))

    def report(self) -> dict[str, Any]:
        """Return all figures, ready for JSON."""
        return {
            "name": self.name,
            "at_once": self.at_once,
            "inputs": len(self.all_ms),
            "seconds": round(self.seconds, 1),
            **{f"{digit}xx": self.total(digit) for digit in "245"},
            "deaths": self.total(DEATH),
            "p50_ms": _percentile(self.all_ms, MEDIAN),
            "p99_ms": _percentile(self.all_ms, P99),
            "controls": len(self.control_ms),
            "slowest_control_ms": max(self.control_ms, default=0),
            "memory_mib": asdict(self.memory),
            "statuses": self.statuses,
            "slowest_ms": _listed(self.slowest_ms),
            "slowest_refusals_ms": _listed(self.slowest_refusals_ms),
            "greatest_growths_mib": _listed(self.greatest_growths_mib),
            "failures": [asdict(failure) for failure in self.failures],
        }


def print_table(runs: Sequence[Run]) -> None:
    """Print one line per run, and the failures, to standard error."""
    print(ROW.format(*TITLES), file=sys.stderr)
    for run in runs:
        print(ROW.format(*_cells(run)), file=sys.stderr)
    for failure in (failure for run in runs for failure in run.failures):
        print(f"FAILED {failure.group}/{failure.name} as {failure.media_type[:80]}: {failure.reason}", file=sys.stderr)


def _cells(run: Run) -> list[str]:
    counts = (len(run.all_ms), run.total("2"), run.total("4"), run.total("5"), run.total(DEATH))
    refusals_ms = [ms for ms, *_ in run.slowest_refusals_ms]
    times_ms = (
        _percentile(run.all_ms, P99),
        *(max(values, default=0) for values in (run.all_ms, refusals_ms, run.control_ms)),
    )
    memory = (run.memory.before, run.memory.most, run.memory.after)
    return [run.name, *map(str, counts), *(f"{ms:.1f}" for ms in times_ms), *(f"{mib:.0f}" for mib in memory)]


def _keep(extremes: list[Extreme], extreme: Extreme) -> None:
    """Add an extreme to the heap, and drop the smallest beyond the limit."""
    heapq.heappush(extremes, extreme)
    if len(extremes) > SHOWN:
        heapq.heappop(extremes)


def _listed(extremes: list[Extreme]) -> list[Extreme]:
    return [(round(amount, 1), name, status) for amount, name, status in sorted(extremes, reverse=True)]


def _percentile(amounts: Sequence[float], percent: int) -> float:
    """Return the amount that so many percent do not exceed; 0 without any."""
    ordered = sorted(amounts)
    return ordered[(len(ordered) - 1) * percent // 100] if ordered else 0
