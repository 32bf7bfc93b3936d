"""The connections of one server: how many there may be, and how long each may keep others waiting."""

import asyncio
import resource
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

LOOK_S = 0.25
"""How often every connection is looked at."""
OTHER_FILES = 64
"""File descriptors that are not connections: models, log, event loop, and those being accepted or closed just now."""
MOST_CONNECTIONS = 1024


def default_max_connections() -> int:
    """Return as many connections as the process may open, with room for its other files, at most 1024."""
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(MOST_CONNECTIONS, soft_limit - OTHER_FILES)) if soft_limit > 0 else MOST_CONNECTIONS


@dataclass(frozen=True, slots=True)
class ReceiveLimits:
    """What a client may ask of the server's patience and memory.

    `timeout_s`: for a request's head to arrive, and for anything that was sent to be taken. `min_bytes_per_s`: of a
    body, over any `timeout_s` seconds. `max_header_bytes`, `max_header_count`: of a head, and of the trailer.
    """

    timeout_s: float
    min_bytes_per_s: int
    max_header_bytes: int
    max_header_count: int
    max_connections: int


@dataclass(slots=True)
class Pace:
    """How fast a body arrives, over a window that slides with the looks that are taken."""

    window_s: float
    min_bytes_per_s: float
    received: int = 0
    _looks: deque[tuple[float, int]] = field(default_factory=deque)

    def restart(self) -> None:
        """Begin the window anew: what has passed was not the sender's fault."""
        self._looks.clear()

    def is_too_slow(self, now: float) -> bool:
        """Take a look; tell whether less than the least arrived within the window."""
        self._looks.append((now, self.received))
        while len(self._looks) > 1 and self._looks[1][0] <= now - self.window_s:
            self._looks.popleft()
        since, received_then = self._looks[0]
        passed_s = now - since
        return passed_s >= self.window_s and self.received - received_then < self.min_bytes_per_s * passed_s


class Connection(Protocol):
    """What is looked at."""

    def look(self, now: float) -> None:
        """End what takes too long. `now`: of the loop's clock, in seconds."""
        ...

    def evict(self) -> None:
        """Close at once: somebody else needs the place more."""
        ...


class Connections:
    """All connections. Those that wait for a request are known by how long they have been waiting."""

    def __init__(self, limits: ReceiveLimits) -> None:
        """Start without any."""
        self.limits = limits
        self._all: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}
        self._next_look: asyncio.TimerHandle | None = None

    def add(self, connection: Connection) -> bool:
        """Take in a connection, in the place of the one that has waited longest when there are too many.

        False when all are busy: then there is no place for it.
        """
        self._all.add(connection)
        if self._next_look is None:
            self._look_later(asyncio.get_running_loop())
        if len(self._all) <= self.limits.max_connections:
            return True
        oldest = next(iter(self._waiting), None)
        if oldest:
            self.remove(oldest)
            oldest.evict()
        return oldest is not None

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self._all.discard(connection)
        self._waiting.pop(connection, None)

    def waits(self, connection: Connection) -> None:
        """Note that a connection waits for a request from now on."""
        if connection in self._all:
            self._waiting[connection] = None

    def works(self, connection: Connection) -> None:
        """Note that a connection has a request."""
        self._waiting.pop(connection, None)

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next_look = loop.call_later(LOOK_S, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._all):
            connection.look(now)
        self._next_look = None
        if self._all:
            self._look_later(loop)
