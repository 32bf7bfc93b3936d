"""What tests of the kit use where time matters: a clock, and patience with machines that stand still for a moment."""

from collections.abc import Callable, Collection
from typing import Any

from conformance.verdicts import Finding, Verdict
from tests.support.waiting import TRIES

TIMED = {
    "overload.sheds",
    "overload.speed",
    "timing.rate",
    "hostile.bomb",
    "hostile.bmp-header",
    "hostile.short-body",
    "hostile.slow-body",
    "hostile.long-head",
    "hostile.bad-head",
}
"""Checks that find fault with a right server, too, if the machine stands still for a moment."""
BAD = {Verdict.FAIL, Verdict.WARN}


class Clock:
    """Stands for the module `time` in another module. Time passes where it is waited for, and nowhere else."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s


def calmly(ask: Callable[[], dict[str, Finding]], expected: Collection[Any] = ()) -> dict[str, Finding]:
    """Return the findings of the checks that are asked, by id.

    Asks again, a few times, while only checks of `TIMED` find fault that is not `expected`.
    """
    findings: dict[str, Finding] = {}
    for _ in range(TRIES):
        findings = ask()
        stray = {name for name, each in findings.items() if each.verdict in BAD} - set(expected)
        if not stray or stray - TIMED:
            break
    return findings
