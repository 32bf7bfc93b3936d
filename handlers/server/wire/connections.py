"""The connections of one server: how many there may be, and a regular check of each."""

import asyncio
import os
import socket
import struct
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

CHECK_S = 0.25
"""How often every connection is checked, so how much later than its deadline one may end."""
SHUTDOWN_REST_S = 0.25
"""How long connections may still begin a request once the port is closed: what is on its way is not lost."""
SEND_BUFFER_BYTES = 128 * 1024
"""What the kernel may keep of the answers of one connection; Linux doubles it, and would go up to 4 MiB by itself."""


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
    """The register of all connections, by caller. Idle ones are kept in the order in which they became idle.

    A connection is idle while its client is to send something, and does not.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._all: dict[Connection, str] = {}
        self._counts: Counter[str] = Counter()
        self._idle: dict[str, dict[Connection, None]] = {}
        self._is_checking = False

    def add(self, connection: Connection, caller: str) -> bool:
        """Register a connection. Above `max_connections` it replaces an idle one.

        That is the longest idle one of the caller with the most connections, of those who have idle ones and no fewer
        connections than this caller. Returns False when there is none: this connection must be closed.
        """
        self._all[connection] = caller
        self._counts[caller] += 1
        if not self._is_checking:
            self._is_checking = True
            self._check_later(asyncio.get_running_loop())
        if len(self._all) <= self.limits.max_connections:
            return True
        victim = max(self._idle, key=self._counts.__getitem__, default=None)
        if victim is None or self._counts[victim] < self._counts[caller]:
            return False
        longest_idle = next(iter(self._idle[victim]))
        self.remove(longest_idle)
        longest_idle.evict()
        return True

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is gone."""
        self.mark_busy(connection)
        caller = self._all.pop(connection, None)
        if caller is None:
            return
        self._counts[caller] -= 1
        if not self._counts[caller]:
            del self._counts[caller]

    def mark_idle(self, connection: Connection) -> None:
        """Note that a connection waits for its client; it keeps its place among the idle ones if it has one."""
        caller = self._all.get(connection)
        if caller is not None:
            self._idle.setdefault(caller, {}).setdefault(connection)

    def mark_busy(self, connection: Connection) -> None:
        """Note that a connection does not wait for its client."""
        caller = self._all.get(connection)
        if caller is None or caller not in self._idle:
            return
        self._idle[caller].pop(connection, None)
        if not self._idle[caller]:
            del self._idle[caller]

    def _check_later(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(CHECK_S, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_checking = bool(self._all)
        if self._is_checking:
            self._check_later(loop)
        now = loop.time()
        for connection in list(self._all):
            connection.check(now)


def limit_kernel(listener: Any, timeout_s: float) -> None:
    """Limit what the kernel keeps for a client that takes nothing, and how long: also of a connection that was closed.

    `listener`: its connections inherit this. `timeout_s`: only where the system has such a limit.
    """
    with socket.socket(fileno=os.dup(listener.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            same.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(1000 * timeout_s))


def reset_when_closed(connection: Any) -> None:
    """Make the kernel drop what the client has not taken as soon as its socket is closed."""
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
