"""Documents that are made anew for each request, but not for more than their share of the event loop."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_SHARE = 0.05
"""Of the event loop's time, for making one document."""
MAX_SAVED_S = 0.5
"""That may be spent at once after a quiet time: dozens of the most expensive documents."""


class Rationed(Generic[T]):
    """Lets a function take a twentieth of a processor's time at most; meanwhile it returns the last value again.

    So an occasional request gets the present value, and a flood of requests one that is some tenths of a second old.
    Only CPU time counts: after a busy machine has kept the thread waiting for a second, in the middle of a document,
    the same one would otherwise be returned for many seconds. `clock` and `cpu_clock`: in seconds.
    """

    def __init__(
        self,
        make: Callable[[], T],
        clock: Callable[[], float] = time.perf_counter,
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._make, self._clock, self._cpu_clock = make, clock, cpu_clock
        self._saved_s, self._saved_at = MAX_SAVED_S, clock()
        self._last: T | None = None

    def __call__(self) -> T:
        """Return the value; raises what the function raises."""
        started_at = self._clock()
        self._saved_s = min(MAX_SAVED_S, self._saved_s + MAX_SHARE * (started_at - self._saved_at))
        self._saved_at = started_at
        if self._last is None or self._saved_s > 0:
            begun_at = self._cpu_clock()
            self._last = self._make()
            self._saved_s -= self._cpu_clock() - begun_at
        return self._last
