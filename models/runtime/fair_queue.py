"""A queue in which streams take turns."""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """The next item is the oldest one of the stream whose turn it is. Not thread-safe: whoever owns it holds a lock.

    It has no limit of its own. Streams are known only as long as they have items waiting.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._length = 0
        self._streams: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many items wait."""
        return self._length

    def put(self, stream: str, item: T) -> None:
        """Queue an item behind those of its stream; a new stream gets its turn after all others."""
        self._streams.setdefault(stream, deque()).append(item)
        self._length += 1

    def get(self) -> T:
        """Take out the next item; raises KeyError when there is none."""
        stream, items = self._streams.popitem(last=False)
        item = items.popleft()
        self._length -= 1
        if items:
            self._streams[stream] = items
        return item

    def is_owed_a_place(self, stream: str) -> bool:
        """Tell whether some stream has so many items waiting that giving one to this stream would even them out."""
        return len(self._streams[self._longest()]) > len(self._streams.get(stream, ())) + 1 if self._streams else False

    def drop(self) -> T:
        """Take out the newest item of the stream with the most; raises ValueError when there is none."""
        stream = self._longest()
        item = self._streams[stream][-1]
        self.remove(stream, item)
        return item

    def remove(self, stream: str, item: T) -> bool:
        """Take out an item of that stream; False when it is not waiting any more."""
        items = self._streams.get(stream, deque())
        if item not in items:
            return False
        items.remove(item)
        self._length -= 1
        if not items:
            del self._streams[stream]
        return True

    def _longest(self) -> str:
        return max(self._streams, key=lambda stream: len(self._streams[stream]))
