"""A queue in which callers take turns, and then the streams of each caller."""

from collections.abc import Callable
from typing import Generic, TypeVar

from models.scheduling.fair_queue import FairQueue

T = TypeVar("T")


class CallersQueue(Generic[T]):
    """Whose turn it is, is a matter between callers; which of its streams then has it, is a matter of each caller.

    So a caller gains nothing by many names for its streams. Both are fair queues: of the callers, with one entry for
    each waiting item, and of the streams of each caller that has items waiting. Not thread-safe.
    """

    def __init__(self) -> None:
        self._turns: FairQueue[FairQueue[T]] = FairQueue()
        self._queues: dict[str, FairQueue[T]] = {}

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._turns)

    def put(self, caller: str, stream: str, item: T) -> None:
        """Queue an item after those of its stream."""
        own = self._queues.setdefault(caller, FairQueue())
        own.put(stream, item)
        self._turns.put(caller, own)

    def has_next(self, must_wait: Callable[[T], bool] = lambda _: False) -> bool:
        """Return whether `get` would find an item."""
        return any(own.has_next(must_wait) for own in self._queues.values())

    def get(self, must_wait: Callable[[T], bool] = lambda _: False) -> T:
        """Take out the next item, skipping those that must wait; raises IndexError when there is none."""
        ready = {own for own in self._queues.values() if own.has_next(must_wait)}
        item = self._turns.get(lambda own: own not in ready).get(must_wait)
        self._forget_empty()
        return item

    def is_owed_a_place(self, caller: str, stream: str) -> bool:
        """Return whether some waiting item, of another caller or of this one, would come after a new one."""
        own = self._queues.get(caller)
        return self._turns.is_owed_a_place(caller) or (own is not None and own.is_owed_a_place(stream))

    def make_room(self, caller: str) -> T:
        """Remove and return the item that gives way to one that is owed a place; raises KeyError where none is.

        It is the last one of the caller whose turn comes last, or of this caller if it has its share already.
        """
        if self._turns.is_owed_a_place(caller):
            own = self._turns.drop()
        else:
            own = self._queues[caller]
            self._turns.remove(caller, own)
        item = own.drop()
        self._forget_empty()
        return item

    def remove(self, caller: str, stream: str, item: T) -> bool:
        """Remove an item of that caller and stream; return False if it no longer waits."""
        own = self._queues.get(caller)
        if own is None or not own.remove(stream, item):
            return False
        self._turns.remove(caller, own)
        self._forget_empty()
        return True

    def _forget_empty(self) -> None:
        """Forget the streams of callers that have no item waiting: nothing competes with them any more."""
        self._queues = {caller: own for caller, own in self._queues.items() if len(own)}
