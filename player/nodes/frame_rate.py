"""Lets so many frames a second pass."""

from collections.abc import Iterator

from player.flow import Frame, Item

EARLY, EARLY_S = 0.1, 0.005
"""A frame may come before its turn, by so much of the interval and no more seconds: containers round their times."""


class Rate:
    """Selects at most so many of the frames of a second, by their capture times. Not thread-safe.

    Each interval has its turn, and the first frame of a turn is selected: so 15 frames a second at a rate of 5 give
    exactly every third, and a rate of 6 gives 6. `per_second`: greater than 0; None: every frame is selected.
    """

    def __init__(self, per_second: float | None) -> None:
        self._interval_s = 1 / per_second if per_second else 0.0
        self._early_s = min(EARLY * self._interval_s, EARLY_S)
        self._due_s = float("-inf")

    def is_due(self, at_s: float) -> bool:
        """Return whether a frame is selected; if it is, its turn is over."""
        if at_s < self._due_s - self._early_s:
            return False
        next_s = self._due_s + self._interval_s
        self._due_s = next_s if next_s > at_s else at_s + self._interval_s
        return True


class FrameRateFilter:
    """Passes on at most so many frames a second, by their capture times; all other items go on."""

    def __init__(self, maximum_fps: float = 2.0) -> None:
        self._rate = Rate(maximum_fps)

    def take(self, item: Item, port: int) -> Iterator[Item]:  # noqa: ARG002, a node has one input
        """Yield the item, unless it is a frame beyond the rate."""
        if not isinstance(item, Frame) or self._rate.is_due(item.at_s):
            yield item
