"""The streams of the last day and their viewers. No picture is kept of a stream that nobody watches.

Runs on the event loop only, so it needs no lock. Pictures are rendered on a lane of their own, one at a time.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from handlers.errors import TooManyViewersError, UnknownStreamError
from handlers.streams.scenes import Scenes
from models.errors import DrainingError
from models.letterbox import Size
from models.order import Outcome
from models.scheduling.lanes import Lanes
from models.workers.worker import StatefulCall

LIVE_S = 60.0
"""A stream is live for so long after its last frame; then it is silent, and nobody can watch it."""
LISTED_S = 24 * 3600.0
"""A stream is listed for so long after its last frame: in the morning people see which camera stopped at night."""
MAX_STREAMS = 256
"""If there are more, one without viewers is dropped: of the caller with the most, that with the oldest last frame."""
MAX_WAITING_BYTES = 64 << 20
"""Of all frames that wait to be rendered; a frame over this limit is not shown."""
REST_MULTIPLE = 9.0
"""A view rests after each picture, for this multiple of the time it took and of the views that are watched: all of them
together take a tenth of a core, each an equal share of it."""
MAX_REST_S = 20.0
"""A view rests no longer: on a busy machine a picture takes seconds because its drawing waits, and costs little."""
MAX_PAUSE_S = 0.25
"""The lane rests as long after each picture, but no longer: other streams need not wait for an expensive one."""
CLOSE_S = 1.0
"""How long the lane may still work when the service ends."""
NEWEST_SHARE = 0.2
"""Weight of the newest interval in the mean interval between frames."""

logger = logging.getLogger("framehook")


@dataclass(slots=True, eq=False)
class View:
    """One way to see a stream, shared by all who see it so.

    `draws_seen`: whether regions and motion are drawn, too. `viewers`: their number. `picture`: the last one rendered;
    empty while there are no viewers. `number`: of pictures so far. `waiting`: the work that renders the next picture.
    `rests_until`: when the next picture may be rendered, by the monotonic clock. `fresh`: set when viewers have
    something new.
    """

    stream: "LiveStream"
    draws_seen: bool
    viewers: int = 0
    picture: bytes = b""
    number: int = 0
    waiting: StatefulCall | None = None
    rests_until: float = 0
    fresh: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(self, picture: bytes) -> None:
        """Give viewers a new picture; without viewers it is dropped."""
        if self.viewers:
            self.picture = picture
            self.number += 1
            self.notify()

    def notify(self) -> None:
        """Wake all waiting viewers."""
        self.fresh.set()
        self.fresh = asyncio.Event()


class LiveStream:
    """One stream, live or silent.

    `model`, `size_wh`, `caller`: of the last frame; size is (width, height) in pixels. `seen_at`: when that frame came,
    by the monotonic clock, and `seen_at_utc` in seconds since 1970. `interval_s`: mean interval between frames; 0 after
    the first. `frames`: how many had each outcome; `refused` had none. `views`: the ways to see it, plain and with
    regions and motion. `scenes`: what is known of its objects; None: its settings have not asked for that so far.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.model, self.size_wh, self.caller = "", (0, 0), ""
        self.seen_at, self.seen_at_utc = 0.0, 0.0
        self.interval_s = 0.0
        self.frames: Counter[Outcome] = Counter()
        self.refused = 0
        self.scenes: Scenes | None = None
        self.views = View(self, draws_seen=False), View(self, draws_seen=True)

    @property
    def viewers(self) -> int:
        """Return the number of viewers, of all views together."""
        return sum(view.viewers for view in self.views)

    @property
    def frames_per_s(self) -> float:
        """Return the rate of frames, which falls while the next one is overdue; 0 before the second, and if silent."""
        return 1 / max(self.interval_s, self.silent_for_s) if self.interval_s and self.live_for_s > 0 else 0.0

    @property
    def silent_for_s(self) -> float:
        """Return how long ago its last frame came."""
        return time.monotonic() - self.seen_at

    @property
    def live_for_s(self) -> float:
        """Return how long the stream stays live without another frame; not positive once it is silent."""
        return LIVE_S - self.silent_for_s

    def record_frame(self, model: str, size_wh: Size, outcome: Outcome) -> None:
        """Update the stream with another frame."""
        now = time.monotonic()
        if self.live_for_s <= 0:
            self.interval_s = 0.0
        elif self.frames:
            passed_s = max(now - self.seen_at, 1e-6)
            self.interval_s += (passed_s - self.interval_s) * (NEWEST_SHARE if self.interval_s else 1)
        self.model, self.size_wh, self.seen_at, self.seen_at_utc = model, size_wh, now, time.time()
        self.frames[outcome] += 1


class LiveStreams:
    """The streams by name, the one with the oldest last frame first. Their number is bounded; they expire.

    `max_viewers`: of all streams together. `painter`: the lane that renders pictures; its work returns a JPEG.
    """

    def __init__(self, max_viewers: int, painter: Lanes) -> None:
        self._max_viewers, self._painter = max_viewers, painter
        self._streams: dict[str, LiveStream] = {}
        self.displaced_at_s = 0.0
        """When a stream last had to make room, by the monotonic clock; 0: never."""
        self._watched: list[View] = []
        """One entry per viewer."""
        self._to_render: asyncio.Queue[View] = asyncio.Queue()
        self._waiting_bytes = 0
        self._is_closed = False

    def record_frame(
        self, name: str, model: str, size_wh: Size, outcome: Outcome = "run", caller: str = ""
    ) -> list[View]:
        """Record a caller's frame of that stream; return its views that have viewers."""
        stream = self._streams.pop(name, None)
        if stream is None:
            self._make_room()
            stream = LiveStream(name)
        stream.record_frame(model, size_wh, outcome)
        stream.caller = caller
        self._streams[name] = stream
        return [view for view in stream.views if view.viewers]

    def queue_render(self, view: View, work: StatefulCall) -> None:
        """Queue a frame to be rendered for viewers; it replaces one of their view that still waits.

        Without room for its body the frame is not shown.
        """
        replaced_bytes = len(view.waiting.body) if view.waiting else 0
        if self._waiting_bytes - replaced_bytes + len(work.body) > MAX_WAITING_BYTES:
            return
        if view.waiting is None:
            self._to_render.put_nowait(view)
        self._waiting_bytes += len(work.body) - replaced_bytes
        view.waiting = work

    @property
    def viewers(self) -> int:
        """Return the number of viewers of all streams together."""
        return len(self._watched)

    def listed(self) -> list[LiveStream]:
        """Return the streams, live and silent, sorted by name."""
        self._drop_expired()
        return [self._streams[name] for name in sorted(self._streams)]

    def find(self, name: str, *, even_silent: bool = False) -> LiveStream:
        """Return the live stream of that name, or with `even_silent` any listed one; raises UnknownStreamError."""
        stream = self._streams.get(name)
        if stream is None or (stream.live_for_s <= 0 and not even_silent):
            raise UnknownStreamError
        return stream

    @contextmanager
    def watching(self, name: str, *, draws_seen: bool = False) -> Iterator[View]:
        """Count as a viewer of a stream until the block ends; raises UnknownStreamError and TooManyViewersError."""
        view = self.find(name).views[draws_seen]
        if self.viewers >= self._max_viewers:
            raise TooManyViewersError
        self._watched.append(view)
        view.viewers += 1
        try:
            yield view
        finally:
            self._watched.remove(view)
            view.viewers -= 1
            if not view.viewers:
                view.picture = b""
                self._take_waiting(view)

    async def pictures(self, view: View) -> AsyncIterator[bytes]:
        """Yield the pictures of a watched stream; a slow viewer misses some.

        Ends when the stream is no longer live or the service stops.
        """
        seen = 0
        while not self._is_closed and (left_s := view.stream.live_for_s) > 0:
            if view.picture and view.number != seen:
                seen = view.number
                yield view.picture
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await view.fresh.wait()

    async def render_pictures(self) -> None:
        """Render the queued frames until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            view = await self._to_render.get()
            left_s = view.rests_until - time.monotonic()
            if left_s > 0:
                loop.call_later(left_s, self._to_render.put_nowait, view)
                continue
            work = self._take_waiting(view)
            if work:
                started_at = time.monotonic()
                rendering = asyncio.wrap_future(self._painter.submit(work))
                del work
                await _publish(rendering, view)
                rest_s = REST_MULTIPLE * (time.monotonic() - started_at)
                view.rests_until = time.monotonic() + min(rest_s * max(1, len(set(self._watched))), MAX_REST_S)
                await asyncio.sleep(min(rest_s, MAX_PAUSE_S))

    def end(self) -> None:
        """End the pictures of all viewers. To be called on the event loop."""
        self._is_closed = True
        for view in self._watched:
            view.notify()

    def close(self) -> None:
        """End the lane that renders pictures; returns when it has ended."""
        self._painter.give_up(DrainingError())
        self._painter.close(CLOSE_S)

    def _take_waiting(self, view: View) -> StatefulCall | None:
        """Remove and return what renders the waiting frame, or None if no frame waits."""
        work, view.waiting = view.waiting, None
        self._waiting_bytes -= len(work.body) if work else 0
        return work

    def _make_room(self) -> None:
        self._drop_expired()
        if len(self._streams) >= MAX_STREAMS:
            held = Counter(stream.caller for stream in self._streams.values())
            unwatched = [stream for stream in self._streams.values() if not stream.viewers]
            dropped = max(unwatched or self._streams.values(), key=lambda stream: held[stream.caller])  # the first one
            del self._streams[dropped.name]
            self.displaced_at_s = time.monotonic()

    def _drop_expired(self) -> None:
        for name in [name for name, stream in self._streams.items() if stream.silent_for_s > LISTED_S]:
            del self._streams[name]


async def _publish(rendering: asyncio.Future[bytes], view: View) -> None:
    """Wait for a picture and publish it; if rendering fails, log it and show nothing: the next frame may succeed."""
    await asyncio.wait([rendering])
    error = rendering.exception()
    if error is None:
        view.publish(rendering.result())
    else:
        logger.warning("picture not drawn", exc_info=error, extra={"facts": {"stream": view.stream.name}})
