"""How many traces are sent: the sampler decides which, and this how many of them at most."""

import time
from collections.abc import Callable


class Budget:
    """At most `per_s` traces in each second. `now`: a clock, in seconds."""

    def __init__(self, per_s: int, now: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._now = per_s, now
        self._left = float(per_s)
        self._filled_at = now()

    def take(self) -> bool:
        """Return whether there is room for one more, and use it."""
        now = self._now()
        self._left = min(self._per_s, self._left + (now - self._filled_at) * self._per_s)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
