"""A queue in which streams take turns."""

import itertools
from bisect import insort
from collections.abc import Collection
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

MAX_REMEMBERED = 1024
"""Streams whose turns are known although they have nothing waiting."""


class _Ticket(NamedTuple, Generic[T]):
    """What waits, in its order: by turn, then by arrival, which no two share."""

    turn: int
    arrival: int
    stream: str
    item: T


class FairQueue(Generic[T]):
    """Each item has a turn, the one after its stream's last, but none that has passed; the lowest turn is next.

    So every stream is served once before one of them is served again, also when there are fewer places than streams:
    one that was just served has a later turn than those that come meanwhile. It has no limit of its own. Not
    thread-safe: whoever owns it holds a lock. Source: P. Goyal, H. Vin, H. Cheng, "Start-time fair queuing", 1996, with
    items of one length.
    """

    def __init__(self) -> None:
        self._waiting: list[_Ticket[T]] = []
        self._arrivals = itertools.count()
        self._passed = 0
        """The turn of the last item that was taken."""
        self._next_turns: dict[str, int] = {}
        """Of streams that are ahead; all others have the turn that is being served."""

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._waiting)

    def put(self, stream: str, item: T) -> None:
        """Queue an item behind those of its stream, and behind the others of its turn."""
        turn = self._turn(stream)
        self._next_turns.pop(stream, None)  # so that it is the last one to be forgotten
        self._next_turns[stream] = turn + 1
        insort(self._waiting, _Ticket(turn, next(self._arrivals), stream, item))
        if len(self._next_turns) > MAX_REMEMBERED:
            self._forget_one()

    def has_next(self, held: Collection[str] = ()) -> bool:
        """Return whether `get` would find an item."""
        return any(ticket.stream not in held for ticket in self._waiting)

    def get(self, held: Collection[str] = ()) -> T:
        """Take out the next item, skipping those of streams that are `held`; raises IndexError when there is none."""
        places = (place for place, ticket in enumerate(self._waiting) if ticket.stream not in held)
        ticket = self._waiting.pop(next(places, len(self._waiting)))
        if not self._waiting:
            self._next_turns.clear()  # nobody competes any more
        elif ticket.turn > self._passed:
            self._next_turns = {stream: turn for stream, turn in self._next_turns.items() if turn > ticket.turn}
        self._passed = max(self._passed, ticket.turn)
        return ticket.item

    def is_owed_a_place(self, stream: str) -> bool:
        """Tell whether an item waits that has a later turn than one of this stream would have."""
        return bool(self._waiting) and self._waiting[-1].turn > self._turn(stream)

    def drop(self) -> T:
        """Take out the item with the last turn, the newest of its stream; raises IndexError when there is none."""
        ticket = self._waiting.pop()
        self._give_back(ticket)
        return ticket.item

    def remove(self, stream: str, item: T) -> bool:
        """Take out an item of that stream, whose later ones move up; False when it is not waiting any more."""
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
        """Forget the turn of the stream that was here longest ago, and has nothing waiting."""
        waiting = {ticket.stream for ticket in self._waiting}
        forgotten = next((stream for stream in self._next_turns if stream not in waiting), None)
        if forgotten is not None:
            del self._next_turns[forgotten]

    def _turn(self, stream: str) -> int:
        return max(self._passed, self._next_turns.get(stream, self._passed))

    def _give_back(self, ticket: _Ticket[T]) -> None:
        """Let the stream's next item have the turn of its last one, which is not needed."""
        self._next_turns[ticket.stream] = ticket.turn
