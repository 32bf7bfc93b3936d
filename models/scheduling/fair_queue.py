"""A queue in which streams take turns."""

import itertools
from bisect import insort
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

MAX_REMEMBERED = 1024
"""At most this many streams without waiting items keep their turns."""


class _Ticket(NamedTuple, Generic[T]):
    """A waiting item, ordered by turn, then by arrival, which is unique."""

    turn: int
    arrival: int
    stream: str
    item: T


class FairQueue(Generic[T]):
    """Each item gets the turn after its stream's last one, or the current turn if that has passed; the lowest is next.

    So every stream is served once before one of them is served again, also with fewer places than streams: a stream
    that was just served has a later turn than those that arrive meanwhile. The queue itself has no limit. Not
    thread-safe: its owner holds a lock. Source: P. Goyal, H. Vin, H. Cheng, "Start-time fair queuing", 1996, with
    items of one length.
    """

    def __init__(self) -> None:
        self._waiting: list[_Ticket[T]] = []
        self._arrivals = itertools.count()
        self._passed = 0
        """The turn of the last item that was served."""
        self._next_turns: dict[str, int] = {}
        """Last turns of the streams that are ahead; all others have the current turn."""

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._waiting)

    def put(self, stream: str, item: T) -> None:
        """Queue an item after those of its stream, and after the others with its turn."""
        turn = self._turn(stream)
        self._next_turns.pop(stream, None)  # so that this stream is forgotten last
        self._next_turns[stream] = turn + 1
        insort(self._waiting, _Ticket(turn, next(self._arrivals), stream, item))
        if len(self._next_turns) > MAX_REMEMBERED:
            self._forget_one()

    def has_next(self, must_wait: Callable[[T], bool] = lambda _: False) -> bool:
        """Return whether `get` would find an item."""
        return any(not must_wait(ticket.item) for ticket in self._waiting)

    def get(self, must_wait: Callable[[T], bool] = lambda _: False) -> T:
        """Take out the next item, skipping those that must wait; raises IndexError when there is none."""
        places = (place for place, ticket in enumerate(self._waiting) if not must_wait(ticket.item))
        ticket = self._waiting.pop(next(places, len(self._waiting)))
        if not self._waiting:
            self._next_turns.clear()  # no stream competes any more
        elif ticket.turn > self._passed:
            self._next_turns = {stream: turn for stream, turn in self._next_turns.items() if turn > ticket.turn}
        self._passed = max(self._passed, ticket.turn)
        return ticket.item

    def is_owed_a_place(self, stream: str) -> bool:
        """Return whether some waiting item has a later turn than a new item of this stream would have."""
        return bool(self._waiting) and self._waiting[-1].turn > self._turn(stream)

    def drop(self) -> T:
        """Remove and return the item with the last turn, the newest of its stream; raises IndexError if empty."""
        ticket = self._waiting.pop()
        self._give_back(ticket)
        return ticket.item

    def remove(self, stream: str, item: T) -> bool:
        """Remove an item of that stream, whose later items move up; return False if it no longer waits."""
        places = [place for place, ticket in enumerate(self._waiting) if ticket.stream == stream]
        items = [self._waiting[place].item for place in places]
        if item not in items:
            return False
        items.remove(item)
        self._give_back(self._waiting.pop(places.pop()))
        for place, later in zip(places, items, strict=True):
            self._waiting[place] = self._waiting[place]._replace(item=later)
        return True

    def _forget_one(self) -> None:
        """Forget the turn of the stream that posted longest ago and has no waiting item."""
        waiting = {ticket.stream for ticket in self._waiting}
        forgotten = next((stream for stream in self._next_turns if stream not in waiting), None)
        if forgotten is not None:
            del self._next_turns[forgotten]

    def _turn(self, stream: str) -> int:
        return max(self._passed, self._next_turns.get(stream, self._passed))

    def _give_back(self, ticket: _Ticket[T]) -> None:
        """Give the unused turn of the stream's last item to its next one."""
        self._next_turns[ticket.stream] = ticket.turn
