"""How a connection gets on: its request's head, its request's body, and what it is sent.

Plain values: they know no socket and no event loop. Every time is passed in, in seconds of one clock that never goes
backwards; infinity stands for "not now".
"""

import math
from collections import deque
from dataclasses import dataclass, field

from handlers.server.wire.connections import ConnectionLimits

MAX_CHUNKS = 65_536
"""Of one body. Frames come in some hundreds of chunks, and each costs the event loop microseconds."""

MIN_CHECKS = 2
"""A rate needs two moments."""

BRISK_BYTES_PER_S = 256 << 10
"""2 Mbit/s. A slower body arrives, but its connection gives way when there are too many: such attacks cost little."""


@dataclass(slots=True)
class HeadClock:
    """How long the next head has been arriving, or how long the connection has been idle.

    `timeout_s`: for a head to arrive, from its first byte or from when the connection was opened. `keep_alive_s`: for
    the next request to begin. `received_bytes`: of the head that is arriving.
    """

    timeout_s: float
    keep_alive_s: float
    received_bytes: int = 0
    _started_at: float = math.inf
    _idle_since: float = math.inf

    def start(self, now: float) -> None:
        """Start the clock of a head, unless it runs already."""
        self._started_at = min(self._started_at, now)

    def add(self, size_bytes: int, now: float) -> None:
        """Count bytes that arrived where a head is expected; the connection is idle no longer."""
        self.start(now)
        self._idle_since = math.inf
        self.received_bytes += size_bytes

    def finish(self) -> None:
        """Stop the clock: the head is complete."""
        self._started_at = self._idle_since = math.inf
        self.received_bytes = 0

    def rest(self, now: float) -> None:
        """Note that the connection is idle from now on."""
        self._idle_since = now

    def is_late(self, now: float) -> bool:
        """Return whether the head has taken `timeout_s` or longer."""
        return now - self._started_at >= self.timeout_s

    def is_idle_too_long(self, now: float) -> bool:
        """Return whether the connection has been idle for `keep_alive_s` or longer."""
        return now - self._idle_since >= self.keep_alive_s

    def elapsed_s(self, now: float) -> float:
        """Return how long the head has been arriving; 0 when none is."""
        return max(0.0, now - self._started_at)


@dataclass(slots=True)
class Rate:
    """How fast a body arrives, or an answer is taken, over a window that slides with the checks.

    `passed_bytes`: so far.
    """

    window_s: float
    min_bytes_per_s: float
    passed_bytes: int = 0
    _checks: deque[tuple[float, int]] = field(default_factory=deque)

    def __str__(self) -> str:
        """Return the minimum, for people."""
        return f"{self.min_bytes_per_s} bytes a second over {self.window_s:g} s"

    def restart(self) -> None:
        """Start a new window: the time that has passed was not the client's fault."""
        self._checks.clear()

    def is_too_low(self, now: float) -> bool:
        """Check, and return whether the last window brought less than the minimum."""
        self._checks.append((now, self.passed_bytes))
        while len(self._checks) > 1 and self._checks[1][0] <= now - self.window_s:
            self._checks.popleft()
        since, passed_then = self._checks[0]
        waited_s = now - since
        return waited_s >= self.window_s and self.passed_bytes - passed_then < self.min_bytes_per_s * waited_s

    @property
    def is_brisk(self) -> bool:
        """Return whether 2 Mbit/s passed between the last two checks, and no less than the minimum."""
        if len(self._checks) < MIN_CHECKS:
            return False
        (before, passed_before), (now, passed_now) = self._checks[-2], self._checks[-1]
        return passed_now - passed_before >= max(BRISK_BYTES_PER_S, self.min_bytes_per_s) * (now - before)


@dataclass(slots=True)
class BodyProgress:
    """How one body arrives: how fast, in how many chunks, and with how much beside its content.

    `overhead_bytes`: bytes of the reads since the last content or chunk, so chunk extensions and trailers.
    """

    rate: Rate
    chunks: int = 0
    overhead_bytes: int = 0
    _has_advanced: bool = False

    @property
    def has_too_many_chunks(self) -> bool:
        """Return whether there are more than 65536 chunks."""
        return self.chunks > MAX_CHUNKS

    def add_content(self, size_bytes: int) -> None:
        """Count bytes of the body itself."""
        self.rate.passed_bytes += size_bytes
        self._has_advanced = self._has_advanced or size_bytes > 0

    def add_chunk(self) -> None:
        """Count the header of a chunk."""
        self.chunks += 1
        self._has_advanced = True

    def end_read(self, size_bytes: int) -> None:
        """Note that one read of the socket is parsed; it is overhead unless it brought content or a chunk."""
        self.overhead_bytes = 0 if self._has_advanced else self.overhead_bytes + size_bytes
        self._has_advanced = False


@dataclass(slots=True)
class SendProgress:
    """Whether a client takes what it is sent, seen from check to check.

    It may take nothing for `timeout_s`. `rate`: at which it must take an answer that is complete.
    """

    timeout_s: float
    rate: Rate = field(default_factory=lambda: Rate(math.inf, 0))
    _unsent_bytes: int = 0
    _stuck_since: float = math.inf

    def restart(self) -> None:
        """Start anew: the client has taken enough, or there is nothing to send."""
        self._unsent_bytes, self._stuck_since = 0, math.inf
        self.rate.restart()

    def is_stuck(self, unsent_bytes: int, now: float) -> bool:
        """Check, and return whether nothing was taken for `timeout_s`. `unsent_bytes`: what waits to be taken."""
        was_taken, self._unsent_bytes = unsent_bytes < self._unsent_bytes, unsent_bytes
        self._stuck_since = now if was_taken else min(self._stuck_since, now)
        return now - self._stuck_since >= self.timeout_s

    def is_too_slow(self, unsent_bytes: int, now: float, *, is_complete: bool) -> bool:
        """Check, and return whether too little was taken. `is_complete`: whether nothing more is being sent."""
        self.rate.passed_bytes = -unsent_bytes
        if not is_complete:
            self.rate.restart()
        return self.rate.is_too_low(now)


class RequestProgress:
    """What a connection is receiving: a head, or a body.

    `body`: None between bodies. `fields_bytes`: of the target and the header fields of one request, trailers included.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self.head = HeadClock(limits.receive_timeout_s, limits.keep_alive_s)
        self.body: BodyProgress | None = None
        self.fields_bytes = 0

    def begin_body(self) -> None:
        """Expect a body: the head is complete."""
        self.head.finish()
        self.body = BodyProgress(Rate(self._limits.receive_timeout_s, self._limits.min_body_bytes_per_s))

    @property
    def excess_bytes(self) -> int:
        """Return what arrived of the head, or in a body beside its content; this is limited."""
        return self.head.received_bytes if self.body is None else self.body.overhead_bytes
