"""The connections of one server: how many there may be, and how long each may keep others waiting."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

CHECK_S = 0.25
"""How often every connection is checked: how much later than its deadline one may end."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a client may ask of the server's patience and memory; named like the settings.

    `receive_timeout_s`: for a request's head to arrive, and for anything that was sent to be taken.
    `min_body_bytes_per_s`: of a body, over any `receive_timeout_s` seconds. `max_header_bytes`, `max_header_count`: of
    a head and what follows a body. `keep_alive_s`: for the next request to begin. `max_connections`: at once.
    """

    receive_timeout_s: float
    min_body_bytes_per_s: int
    max_header_bytes: int
    max_header_count: int
    max_connections: int
    keep_alive_s: float


@dataclass(slots=True)
class ReceiveRate:
    """How fast a body arrives, over a window that slides with the checks."""

    window_s: float
    min_bytes_per_s: float
    received: int = 0
    _checks: deque[tuple[float, int]] = field(default_factory=deque)

    def __str__(self) -> str:
        """Return the least for people."""
        return f"{self.min_bytes_per_s} bytes a second over {self.window_s:g} s"

    def restart(self) -> None:
        """Begin the window anew: what has passed was not the sender's fault."""
        self._checks.clear()

    def is_too_low(self, now: float) -> bool:
        """Check; tell whether less than the least arrived within the window."""
        self._checks.append((now, self.received))
        while len(self._checks) > 1 and self._checks[1][0] <= now - self.window_s:
            self._checks.popleft()
        since, received_then = self._checks[0]
        passed_s = now - since
        return passed_s >= self.window_s and self.received - received_then < self.min_bytes_per_s * passed_s


class Connection(Protocol):
    """What is checked."""

    def check(self, now: float) -> None:
        """End what takes too long. `now`: of the loop's clock, in seconds."""
        ...

    def evict(self) -> None:
        """Close at once: somebody else needs the place more."""
        ...


class Connections:
    """All connections. Those that wait for a request are known by how long they have been waiting."""

    def __init__(self, limits: ConnectionLimits) -> None:
        """Start without any."""
        self.limits = limits
        self._all: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        self._is_checking = False

    def add(self, connection: Connection) -> bool:
        """Take in a connection, in the place of the one that has been idle longest when there are too many.

        False when none is idle: then there is no place for it.
        """
        self._all.add(connection)
        if not self._is_checking:
            self._is_checking = True
            self._check_later(asyncio.get_running_loop())
        if len(self._all) <= self.limits.max_connections:
            return True
        oldest = next(iter(self._idle), None)
        if oldest:
            self.remove(oldest)
            oldest.evict()
        return oldest is not None

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self._all.discard(connection)
        self._idle.pop(connection, None)

    def mark_idle(self, connection: Connection) -> None:
        """Note that a connection waits for a request from now on."""
        if connection in self._all:
            self._idle[connection] = None

    def mark_busy(self, connection: Connection) -> None:
        """Note that a connection has a request."""
        self._idle.pop(connection, None)

    def _check_later(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(CHECK_S, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_checking = bool(self._all)
        if self._is_checking:
            self._check_later(loop)
        now = loop.time()
        for connection in list(self._all):
            connection.check(now)
