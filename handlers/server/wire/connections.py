"""The connections of one server: how many there may be, and a regular check of each."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

CHECK_S = 0.25
"""How often every connection is checked, so how much later than its deadline one may end."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may cost in time and memory, and how many there may be; named like the settings.

    `receive_timeout_s`: for a request's head to arrive, and for the client to take anything that was sent.
    `min_body_bytes_per_s`: of a body, over any `receive_timeout_s` seconds. `max_header_bytes`: of a head, and of what
    follows a body. `keep_alive_s`: for the next request to begin. `max_connections`: at once.
    """

    receive_timeout_s: float
    min_body_bytes_per_s: int
    max_header_bytes: int
    max_connections: int
    keep_alive_s: float


class Connection(Protocol):
    """A connection as this register sees it."""

    def check(self, now: float) -> None:
        """End what takes too long. `now`: of the event loop's clock, in seconds."""
        ...

    def evict(self) -> None:
        """Close at once, to make room for another connection."""
        ...


class Connections:
    """The register of all connections. Idle ones are kept in the order in which they became idle."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._all: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        self._is_checking = False

    def add(self, connection: Connection) -> bool:
        """Register a connection. Above `max_connections` it replaces the one that has been idle longest.

        Returns False when there are too many and none is idle: the caller must close this one.
        """
        self._all.add(connection)
        if not self._is_checking:
            self._is_checking = True
            self._check_later(asyncio.get_running_loop())
        if len(self._all) <= self.limits.max_connections:
            return True
        longest_idle = next(iter(self._idle), None)
        if longest_idle:
            self.remove(longest_idle)
            longest_idle.evict()
        return longest_idle is not None

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
