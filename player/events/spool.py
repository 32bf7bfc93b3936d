"""Events that wait for one output, in order and within bounds."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from player.events.event import Event, events_dropped

MAX_EVENTS, MAX_BYTES = 10_000, 64 << 20


@dataclass(frozen=True, slots=True)
class _Waiting:
    number: int
    event: Event
    size_bytes: int


@dataclass(slots=True)
class _Queue:
    """Events of one sort."""

    entries: deque[_Waiting] = field(default_factory=deque)

    def first(self) -> float:
        """Return the number of the oldest event."""
        return self.entries[0].number if self.entries else float("inf")


class Spool:
    """Holds events until an output has taken them. Thread-safe; nobody waits to put one in.

    `max_events`, `max_bytes`: of those that wait, and those that are being delivered. When there is no room, the
    oldest Analytics event gives way, or the oldest other one if there is none. It is counted; an event of its own
    reports it once half of the spool is free again.
    """

    def __init__(self, max_events: int = MAX_EVENTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_events, self._max_bytes = max_events, max_bytes
        self._news = threading.Condition()
        self._analytics, self._others = _Queue(), _Queue()
        self._taken: deque[_Waiting] = deque()
        self._count, self._size_bytes, self._next_number, self._dropped = 0, 0, 0, 0
        self._unreported: dict[str, tuple[int, Event]] = {}
        self._is_ending = False

    @property
    def waiting(self) -> tuple[int, int]:
        """Return how many events wait, and their bytes."""
        with self._news:
            return self._count, self._size_bytes

    @property
    def dropped(self) -> int:
        """Return how many events had to give way so far."""
        with self._news:
            return self._dropped

    def put(self, event: Event, size_bytes: int) -> None:
        """Add an event at the end."""
        with self._news:
            self._add(event, size_bytes)
            while self._is_over_full() and self._drop_oldest():
                pass
            self._news.notify_all()

    def take(self, limit: int) -> list[Event]:
        """Return the oldest events, `limit` at most, once there is one. None of them at the end.

        They stay in the spool, and are returned again, until `done`.
        """
        with self._news:
            self._news.wait_for(lambda: self._count or self._is_ending)
            while len(self._taken) < min(limit, self._count):
                queue = min(self._analytics, self._others, key=_Queue.first)
                self._taken.append(queue.entries.popleft())
            return [waiting.event for waiting in self._taken]

    def done(self, count: int) -> None:
        """Forget the first events of those that were taken: they were delivered, or given up."""
        with self._news:
            for _ in range(count):
                self._forget(self._taken.popleft())
            if self._unreported and self._is_half_empty():
                for dropped, lost in self._unreported.values():
                    self._add(events_dropped(lost, time.time(), dropped), 0)
                self._unreported.clear()
            self._news.notify_all()

    def end(self) -> None:
        """Let `take` return none once nothing is left."""
        with self._news:
            self._is_ending = True
            self._news.notify_all()

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait until nothing is left; whether that came true."""
        with self._news:
            return self._news.wait_for(lambda: self._count == 0, timeout_s)

    def _add(self, event: Event, size_bytes: int) -> None:
        queue = self._analytics if event.event_class == "Analytics" else self._others
        queue.entries.append(_Waiting(self._next_number, event, size_bytes))
        self._next_number += 1
        self._count += 1
        self._size_bytes += size_bytes

    def _forget(self, waiting: _Waiting) -> None:
        self._count -= 1
        self._size_bytes -= waiting.size_bytes

    def _is_over_full(self) -> bool:
        return self._count > self._max_events or self._size_bytes > self._max_bytes

    def _is_half_empty(self) -> bool:
        return self._count <= self._max_events // 2 and self._size_bytes <= self._max_bytes // 2

    def _drop_oldest(self) -> bool:
        """Drop one event that is not being delivered; whether there was one."""
        entries = self._analytics.entries or self._others.entries
        if not entries:
            return False
        lost = entries.popleft()
        self._forget(lost)
        self._dropped += 1
        count, _ = self._unreported.get(lost.event.pipeline, (0, lost.event))
        self._unreported[lost.event.pipeline] = count + 1, lost.event
        return True
