"""After a few wrong passwords the next must wait, ever longer."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from handlers.errors import TooManyFailuresError

FREE_FAILURES = 5
MAX_DELAY_S = 60.0
FORGOTTEN_AFTER_S = 600.0
MAX_SUSPECTS = 4096

Suspect: TypeAlias = tuple[str, str]
"""A peer's address, and the user whose name it gave: whoever fails as one user does not stand in the way of others."""


@dataclass(slots=True)
class _Failures:
    count: int
    last_s: float

    @property
    def delay_s(self) -> float:
        return 0.0 if self.count < FREE_FAILURES else min(MAX_DELAY_S, 2.0 ** (self.count - FREE_FAILURES))


class BackOff:
    """Counts failures, and tells who must wait: nobody for the first five, then 1 s, 2 s, 4 s, up to a minute.

    At most `MAX_SUSPECTS` are remembered, those that failed last.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a clock in seconds that never goes back."""
        self._clock = clock
        self._failures: OrderedDict[Suspect, _Failures] = OrderedDict()

    def refuse_if_too_soon(self, suspect: Suspect) -> None:
        """Raise TooManyFailuresError while a suspect must wait."""
        failures = self._failures.get(suspect)
        if failures is not None:
            wait_s = failures.last_s + failures.delay_s - self._clock()
            if wait_s > 0:
                raise TooManyFailuresError(math.ceil(wait_s))

    def note_failure(self, suspect: Suspect) -> None:
        """Count a failure; those of long ago are forgotten."""
        now_s = self._clock()
        before = self._failures.pop(suspect, None)
        count = before.count if before and now_s - before.last_s < FORGOTTEN_AFTER_S else 0
        self._failures[suspect] = _Failures(count + 1, now_s)
        if len(self._failures) > MAX_SUSPECTS:
            self._failures.popitem(last=False)

    def note_success(self, suspect: Suspect) -> None:
        """Forget a suspect's failures."""
        self._failures.pop(suspect, None)
