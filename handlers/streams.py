"""The streams that are live, and who watches them. Of a frame nothing is kept unless somebody watches its stream.

Used on the event loop only, so it needs no lock. Pictures are drawn on one thread of its own, one at a time.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from handlers.errors import TooManyViewersError, UnknownStreamError

EXPIRY_S = 60.0
"""After its last frame, a stream is not live any more."""
MAX_STREAMS = 256
"""Above, of those that nobody watches, the one whose last frame is the oldest is forgotten."""
MAX_WAITING_BYTES = 64 << 20
"""Of all frames that wait to be drawn; those for which there is no room are not shown."""
NICENESS = 10
"""Of the thread that draws: lanes and the event loop come first."""
REST_SHARE = 9.0
"""How long the thread rests after each picture, as a multiple of what the picture took: a tenth of a core at most."""
NEWEST_SHARE = 0.2
"""What the newest interval counts in the mean interval between frames."""

Draw: TypeAlias = Callable[[], bytes]

logger = logging.getLogger("framehook")


@dataclass(slots=True, eq=False)
class Stream:
    """One live stream.

    `model`, `size_wh`: of the last frame; which model, and (width, height) in pixels. `seen_at`: when it came, by the
    monotonic clock, and `seen_at_utc` in seconds since 1970. `interval_s`: between frames, the mean; 0 after the first.
    `viewers`: how many watch. `picture`: the last one drawn; empty while nobody watches. `number`: of pictures.
    `waiting`: draws the next one. `fresh`: set when there is something new for those who watch.
    """

    name: str
    model: str
    size_wh: tuple[int, int]
    seen_at: float = field(default_factory=time.monotonic)
    seen_at_utc: float = field(default_factory=time.time)
    interval_s: float = 0
    viewers: int = 0
    picture: bytes = b""
    number: int = 0
    waiting: tuple[Draw, int] | None = None
    fresh: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def frames_per_s(self) -> float:
        """Return how often frames come, less the longer the next one is overdue; 0 until there are two."""
        return 1 / max(self.interval_s, time.monotonic() - self.seen_at) if self.interval_s else 0.0

    @property
    def expires_in_s(self) -> float:
        """Return how long it is live yet without another frame; less than 0 when it no longer is."""
        return self.seen_at + EXPIRY_S - time.monotonic()

    def go_on(self, model: str, size_wh: tuple[int, int]) -> None:
        """Take note of another frame."""
        now = time.monotonic()
        passed_s = max(now - self.seen_at, 1e-6)
        self.interval_s += (passed_s - self.interval_s) * (NEWEST_SHARE if self.interval_s else 1)
        self.model, self.size_wh, self.seen_at, self.seen_at_utc = model, size_wh, now, time.time()

    def publish(self, picture: bytes) -> None:
        """Let those who watch have a picture, if they still do."""
        if self.viewers:
            self.picture = picture
            self.number += 1
            self.wake()

    def wake(self) -> None:
        """Have those who watch look again."""
        self.fresh.set()
        self.fresh = asyncio.Event()


class Streams:
    """The streams by name, the one whose last frame is oldest first; bounded, and forgotten when they expire."""

    def __init__(self, max_viewers: int) -> None:
        """Start without any. `max_viewers`: of all streams together."""
        self._max_viewers = max_viewers
        self._streams: dict[str, Stream] = {}
        self._watched: list[Stream] = []
        """One entry a viewer."""
        self._to_draw: asyncio.Queue[Stream] = asyncio.Queue()
        self._waiting_bytes = 0
        self._is_closed = False

    def note(self, name: str, model: str, size_wh: tuple[int, int]) -> Stream | None:
        """Take note of a frame of that stream; return the stream if somebody watches it."""
        stream = self._streams.pop(name, None)
        if stream and stream.expires_in_s > 0:
            stream.go_on(model, size_wh)
        else:
            self._make_room()
            stream = Stream(name, model, size_wh)
        self._streams[name] = stream
        return stream if stream.viewers else None

    def show(self, stream: Stream, draw: Draw, size_bytes: int) -> None:
        """Have a frame drawn for those who watch, in the place of one that still waits. `size_bytes`: what it holds."""
        _, replaced_bytes = stream.waiting or (None, 0)
        if self._waiting_bytes - replaced_bytes + size_bytes > MAX_WAITING_BYTES:
            return
        if stream.waiting is None:
            self._to_draw.put_nowait(stream)
        self._waiting_bytes += size_bytes - replaced_bytes
        stream.waiting = draw, size_bytes

    @property
    def viewers(self) -> int:
        """Return how many watch, of all streams together."""
        return len(self._watched)

    def live(self) -> list[Stream]:
        """Return the live streams by name."""
        self._forget_expired()
        return [self._streams[name] for name in sorted(self._streams)]

    def find(self, name: str) -> Stream:
        """Return the live stream of that name; raises UnknownStreamError."""
        self._forget_expired()
        if name not in self._streams:
            raise UnknownStreamError
        return self._streams[name]

    @contextmanager
    def watching(self, name: str) -> Iterator[Stream]:
        """Count as a viewer of a stream until the block ends; raises UnknownStreamError and TooManyViewersError."""
        stream = self.find(name)
        if self.viewers >= self._max_viewers:
            raise TooManyViewersError
        self._watched.append(stream)
        stream.viewers += 1
        try:
            yield stream
        finally:
            self._watched.remove(stream)
            stream.viewers -= 1
            if not stream.viewers:
                stream.picture = b""
                self._take(stream)

    async def pictures(self, stream: Stream) -> AsyncIterator[bytes]:
        """Yield the pictures of a watched stream; who is slow to take one misses others.

        Ends when the stream expires and when the service ends.
        """
        seen = 0
        while not self._is_closed and (left_s := stream.expires_in_s) > 0:
            if stream.picture and stream.number != seen:
                seen = stream.number
                yield stream.picture
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await stream.fresh.wait()

    async def paint(self) -> None:
        """Draw what is watched, until cancelled."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, "painter", _be_modest)
        try:
            while True:
                stream = await self._to_draw.get()
                draw = self._take(stream)
                if draw:
                    started_at = time.monotonic()
                    await _finish(loop.run_in_executor(thread, draw), stream)
                    del draw
                    await asyncio.sleep(REST_SHARE * (time.monotonic() - started_at))
        finally:
            thread.shutdown(wait=False)

    def close(self) -> None:
        """Let those who watch go."""
        self._is_closed = True
        for stream in self._watched:
            stream.wake()

    def _take(self, stream: Stream) -> Draw | None:
        """Return what waits to be drawn, which then waits no more."""
        draw, size_bytes = stream.waiting or (None, 0)
        stream.waiting = None
        self._waiting_bytes -= size_bytes
        return draw

    def _make_room(self) -> None:
        self._forget_expired()
        if len(self._streams) >= MAX_STREAMS:
            unwatched = (name for name, stream in self._streams.items() if not stream.viewers)
            del self._streams[next(unwatched, next(iter(self._streams)))]

    def _forget_expired(self) -> None:
        for name in [name for name, stream in self._streams.items() if stream.expires_in_s <= 0]:
            del self._streams[name]


async def _finish(drawing: asyncio.Future[bytes], stream: Stream) -> None:
    """Wait for a picture; one that cannot be drawn is not shown, and the next one may fare better."""
    await asyncio.wait([drawing])
    error = drawing.exception()
    if error is None:
        stream.publish(drawing.result())
    else:
        logger.warning("picture not drawn", exc_info=error, extra={"facts": {"stream": stream.name}})


def _be_modest() -> None:
    """Let other threads have the processor first: Linux takes a thread for a process here."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
