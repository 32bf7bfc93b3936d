"""Reads a source for ever: session after session, in a thread of its own, so that the reader can be stopped at once.

FFmpeg cannot be interrupted while it waits for a camera, except by its time-outs. So the thread hands packets over; one
that still waits for a silent camera when the reader is stopped ends by itself, when the read time-out has passed.
Packets are also stamped in that thread, when they come, however long the pipeline is busy with those before.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from player.errors import SourceError
from player.flow import Packet
from player.media.clock import CaptureClock
from player.media.sources import Session, Source, open_session

MAX_BYTES = 16 << 20
MAX_ITEMS = 256
"""What is handed over and not yet taken; then the thread waits, and so does the camera."""


class Listener(Protocol):
    """Learns of sessions, in the thread that iterates over the reader."""

    def on_session(self, session: Session) -> None:
        """Take note that a session has begun: its packets follow."""
        ...

    def on_lost(self, error: SourceError) -> None:
        """Take note that a session has ended, or could not begin; live sources are tried again."""
        ...


@dataclass(slots=True)
class BackOff:
    """How long to wait before the next session. `good_s`: a session that lasted so long is forgiven what was before."""

    first_s: float = 0.5
    longest_s: float = 30.0
    good_s: float = 60.0
    _next_s: float = field(default=0.0, init=False)

    def wait_s(self, lasted_s: float, chance: float) -> float:
        """Return the time to wait after a session of `lasted_s`. `chance`: 0 to 1; it spreads half of the time."""
        if lasted_s >= self.good_s or not self._next_s:
            self._next_s = self.first_s
        wait_s = self._next_s * (0.5 + chance / 2)
        self._next_s = min(2 * self._next_s, self.longest_s)
        return wait_s


@dataclass(frozen=True, slots=True)
class _End:
    """No more items follow. `error`: why, if not because a file has ended."""

    error: SourceError | None = None


_Item = Packet | Session | SourceError | _End


class _HandOver:
    """Hands items from one thread to another; neither waits any longer once it is closed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: deque[_Item] = deque()
        self._size_bytes = 0
        self._is_closed = False

    def put(self, item: _Item) -> bool:
        """Hand over an item, as soon as there is room; return False if it is closed."""
        with self._changed:
            self._changed.wait_for(self._has_room)
            self._items.append(item)
            self._size_bytes += _size_bytes(item)
            self._changed.notify_all()
            return not self._is_closed

    def take(self) -> _Item:
        """Take the next item, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._is_closed)
            if self._is_closed:
                return _End()
            item = self._items.popleft()
            self._size_bytes -= _size_bytes(item)
            self._changed.notify_all()
            return item

    def sleep(self, seconds: float) -> bool:
        """Wait; return False, at once, if it is closed."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._is_closed, max(seconds, 0.0))

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._items.clear()
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._is_closed or (self._size_bytes < MAX_BYTES and len(self._items) < MAX_ITEMS)


def _size_bytes(item: _Item) -> int:
    return item.size_bytes if isinstance(item, Packet) else 0


class Reader:
    """The packets of a source. To be iterated over once.

    Cameras, and files that are looped, are read for ever; a file that is not looped ends the iteration, or raises
    SourceError if it cannot be read.
    """

    def __init__(self, source: Source, listener: Listener, back_off: BackOff | None = None) -> None:
        self._source, self._listener = source, listener
        self._back_off = back_off or BackOff()
        self._clock = CaptureClock(source.address.is_live)
        self._hand_over = _HandOver()
        self._thread = threading.Thread(target=self._run, name=f"reader of {source.address}", daemon=True)

    def __iter__(self) -> Iterator[Packet]:
        """Yield packets until the source ends or the reader is stopped."""
        self._thread.start()
        try:
            yield from self._packets()
        finally:
            self.stop()

    def _packets(self) -> Iterator[Packet]:
        while True:
            match self._hand_over.take():
                case Packet() as packet:
                    yield packet
                case Session() as session:
                    self._listener.on_session(session)
                case SourceError() as error:
                    self._listener.on_lost(error)
                case _End(error):
                    if error is not None:
                        raise error
                    return

    def stop(self) -> None:
        """End the iteration at once; may be called by any thread, also twice."""
        self._hand_over.close()

    def join(self, timeout_s: float) -> bool:
        """Wait until nothing of the reader runs any longer; return whether that is so."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        end = _End(SourceError(f"The reader of {self._source.address} has failed."))
        try:
            end = self._read()
        finally:  # whatever happens, nobody waits for ever
            self._hand_over.put(end)

    def _read(self) -> _End:
        """Read session after session."""
        is_endless = self._source.address.is_live or self._source.is_looped
        for number in count():
            began_s = time.monotonic()
            try:
                self._read_session(number)
            except SourceError as error:
                if not is_endless:
                    return _End(error)
                self._hand_over.put(error)
            else:
                return _End()
            wait_s = self._back_off.wait_s(time.monotonic() - began_s, random.random())  # noqa: S311  # no secret
            if not self._hand_over.sleep(wait_s):
                break
        return _End()

    def _read_session(self, number: int) -> None:
        """Hand over a session and its packets, until it ends or the reader is stopped."""
        is_paced = self._source.is_paced and not self._source.address.is_live
        with open_session(self._source, number) as session:
            self._clock.begin(session.began_s)
            self._hand_over.put(session)
            for packet in session.packets(self._clock):
                if is_paced and not self._hand_over.sleep(packet.order_s - time.time()):
                    return
                if not self._hand_over.put(packet):
                    return
