"""The bytes in flight: of bodies until their requests end, and of answers until their clients have taken them."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from models.errors import OverloadedError

MOST_TO_FREE = 3
"""What one caller may hold, to what it leaves free: three quarters for the first caller, and of the rest for others."""


@dataclass(slots=True)
class BytesBudget:
    """How many bytes may be in flight at once. Used on the event loop only, so it needs no lock.

    A caller may hold three times as many as it leaves to others, and always one body or answer. Answers are never
    refused; a greedy caller who does not take them loses their connections. `retry_after_s`: returns how long a
    refused client should wait.
    """

    max_bytes: int
    retry_after_s: Callable[[], int]
    in_flight: int = 0
    _held: Counter[str] = field(default_factory=Counter)

    def refuse_if_no_room(self, caller: str, size_bytes: int, own_bytes: int = 0) -> None:
        """Raise OverloadedError when a caller may not hold this many more bytes.

        `own_bytes`: those that the same request holds already.
        """
        if self._free_bytes < size_bytes or self.is_greedy(caller, size_bytes, own_bytes):
            raise OverloadedError(
                "Too many large frames are being received at once; send the next one a little later.",
                "bytes_in_flight",
                self.retry_after_s(),
            )

    def is_greedy(self, caller: str, size_bytes: int, own_bytes: int) -> bool:
        """Return whether a caller would hold too many with this many more; what it holds in one place is never it."""
        held_bytes = self._held[caller]
        return held_bytes > own_bytes and held_bytes + size_bytes > MOST_TO_FREE * (self._free_bytes - size_bytes)

    @contextmanager
    def reservation(self, caller: str) -> Iterator["Reservation"]:
        """Return a reservation whose bytes are released when the block ends."""
        reservation = Reservation(self, caller)
        try:
            yield reservation
        finally:
            reservation.resize(0)

    def add(self, caller: str, size_bytes: int) -> None:
        """Count bytes that a caller holds from now on; negative: no longer."""
        self.in_flight += size_bytes
        self._held[caller] += size_bytes
        if not self._held[caller]:
            del self._held[caller]

    @property
    def _free_bytes(self) -> int:
        return self.max_bytes - self.in_flight


@dataclass(slots=True)
class Reservation:
    """The bytes that one request, or one connection, holds of the budget."""

    budget: BytesBudget
    caller: str
    held: int = 0

    def grow(self, size_bytes: int) -> None:
        """Hold this many more bytes; raises OverloadedError when the budget has no room for them."""
        self.budget.refuse_if_no_room(self.caller, size_bytes, self.held)
        self.resize(self.held + size_bytes)

    def resize(self, size_bytes: int) -> None:
        """Hold this many bytes, whether or not there is room for them."""
        if size_bytes != self.held:
            self.budget.add(self.caller, size_bytes - self.held)
            self.held = size_bytes

    @property
    def is_too_much(self) -> bool:
        """Return whether the caller holds more than its share, and not only here."""
        return self.budget.is_greedy(self.caller, 0, self.held)
