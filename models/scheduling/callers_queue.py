"""A queue in which callers take turns, and then the streams of each caller."""

from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from models.scheduling.fair_queue import FairQueue

T = TypeVar("T")
Named: TypeAlias = tuple[str, str, T]
"""The stream in which an item waits, its own stream, and the item."""

NEWCOMERS = "\0"
"""The stream in which the first items of all streams of a caller wait; no stream has that name."""
MAX_KNOWN = 4096
"""Streams that are remembered; above this number, the one that was served longest ago becomes a newcomer again."""


class CallersQueue(Generic[T]):
    """Whose turn it is, is a matter between callers; which of its streams then has it, is a matter of each caller.

    So a caller gains nothing by many names for its streams. Both are fair queues: of the callers, with one entry for
    each waiting item, and of the streams of each caller that has items waiting. Streams of which nothing was served yet
    share the turns of one: otherwise one that gives each item a new name would leave the others of its caller nothing.
    Not thread-safe.
    """

    def __init__(self) -> None:
        self._turns: FairQueue[FairQueue[Named[T]]] = FairQueue()
        self._queues: dict[str, FairQueue[Named[T]]] = {}
        self._known: dict[tuple[str, str], None] = {}
        """Caller and name of the streams of which something was served, the last one last."""
        self._new: Counter[tuple[str, str]] = Counter()
        """Caller and name of the streams of which items wait as newcomers → how many."""

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._turns)

    def put(self, caller: str, stream: str, item: T) -> None:
        """Queue an item after those of its stream."""
        own = self._queues.setdefault(caller, FairQueue())
        waits_as = self._waits_as(caller, stream)
        own.put(waits_as, (waits_as, stream, item))
        if waits_as == NEWCOMERS:
            self._new[caller, stream] += 1
        self._turns.put(caller, own)

    def has_next(self, must_wait: Callable[[T], bool] = lambda _: False) -> bool:
        """Return whether `get` would find an item."""
        return any(own.has_next(_of_named(must_wait)) for own in self._queues.values())

    def get(self, must_wait: Callable[[T], bool] = lambda _: False) -> T:
        """Take out the next item, skipping those that must wait; raises IndexError when there is none."""
        named_must_wait = _of_named(must_wait)
        ready = {own: caller for caller, own in self._queues.items() if own.has_next(named_must_wait)}
        own = self._turns.get(lambda own: own not in ready)
        named = own.get(named_must_wait)
        self._remember(ready[own], named[1])
        return self._taken(ready[own], named)

    def is_owed_a_place(self, caller: str, stream: str) -> bool:
        """Return whether some waiting item, of another caller or of this one, would come after a new one."""
        own = self._queues.get(caller)
        return self._turns.is_owed_a_place(caller) or (
            own is not None and own.is_owed_a_place(self._waits_as(caller, stream))
        )

    def make_room(self, caller: str) -> T:
        """Remove and return the item that gives way to one that is owed a place; raises KeyError where none is.

        It is the last one of the caller whose turn comes last, or of this caller if it has its share already.
        """
        if self._turns.is_owed_a_place(caller):
            own = self._turns.drop()
            caller = next(other for other, queue in self._queues.items() if queue is own)
        else:
            own = self._queues[caller]
            self._turns.remove(caller, own)
        return self._taken(caller, own.drop())

    def remove(self, caller: str, stream: str, item: T) -> bool:
        """Remove an item of that caller and stream; return False if it no longer waits."""
        own = self._queues.get(caller)
        for waits_as in (stream, NEWCOMERS) if own else ():
            named = waits_as, stream, item
            if own and own.remove(waits_as, named):
                self._turns.remove(caller, own)
                self._taken(caller, named)
                return True
        return False

    def _waits_as(self, caller: str, stream: str) -> str:
        """Return the stream in which a new item waits; behind all others of its stream, so with them."""
        is_known = (caller, stream) in self._known and not self._new[caller, stream]
        return stream if is_known else NEWCOMERS

    def _taken(self, caller: str, named: Named[T]) -> T:
        """Note that an item has left the queue, and return it."""
        waits_as, stream, item = named
        if waits_as == NEWCOMERS:
            self._new[caller, stream] -= 1
            if not self._new[caller, stream]:
                del self._new[caller, stream]
        self._forget_empty()
        return item

    def _remember(self, caller: str, stream: str) -> None:
        self._known.pop((caller, stream), None)
        self._known[caller, stream] = None
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]

    def _forget_empty(self) -> None:
        """Forget the streams of callers that have no item waiting: nothing competes with them any more."""
        self._queues = {caller: own for caller, own in self._queues.items() if len(own)}


def _of_named(must_wait: Callable[[T], bool]) -> Callable[[Named[T]], bool]:
    return lambda named: must_wait(named[2])
