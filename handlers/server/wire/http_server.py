"""The HTTP server: uvicorn, and how it stops."""

import asyncio
import errno
import logging
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from handlers.errors import ConfigurationError
from handlers.server.middleware.browsers import ON_EVERY_ANSWER
from handlers.server.settings import Settings
from handlers.server.wire.connections import (
    CHECK_S,
    SHUTDOWN_REST_S,
    ConnectionLimits,
    Connections,
    limit_kernel,
)
from handlers.server.wire.handshakes import Handshake
from handlers.server.wire.http_protocol import HttpProtocol

KEEP_ALIVE_S = 75
"""Longer than the minute for which cameras and proxies keep an idle connection."""

SEND_S = 2.0
"""How long the last answers may take to be sent."""

OUTSIDE = {
    "0.0.0.0": (socket.AF_INET, "192.0.2.1", "127.0.0.1"),  # noqa: S104  # it is only compared
    "::": (socket.AF_INET6, "2001:db8::1", "::1"),
}
"""Host that stands for all addresses → its family, an address elsewhere (for documents), and one of this machine."""

logger = logging.getLogger("framehook")


class HttpServer(uvicorn.Server):
    """Stops in order: readiness turns false, then the port is closed, then the requests in flight are answered.

    Until the port is closed, frames are answered, because a load balancer needs a moment to notice; each answer then
    closes its connection. The first signal starts that; a second one has its default action and ends the process at
    once. `listeners`: of the open port.
    """

    def __init__(self, config: uvicorn.Config, settings: Settings, listeners: Sequence[socket.socket]) -> None:
        super().__init__(config)
        self._settings, self.listeners = settings, list(listeners)
        self._close_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Answer those who connect, and log the address: uvicorn does not know that TLS begins in `Handshake`."""
        await super().startup(self.listeners)
        logger.info("listening", extra={"facts": {"url": self._url(self.listeners[0].getsockname()[0])}})

    @property
    def address(self) -> str:
        """Return the address at which a browser finds the service."""
        return f"{self._url(_reachable(self._settings.host))}/"

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Drain at the first signal."""
        for stop in HANDLED_SIGNALS:
            signal.signal(stop, signal.SIG_DFL)
        self.drain()

    def drain(self) -> None:
        """Turn readiness false, and close the port after the setting `drain_delay_s`."""
        self._close_at = time.monotonic() + self._settings.drain_delay_s
        if self.started:
            self.lifespan.state["context"].engine.drain()
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Return whether to close the port; uvicorn asks ten times a second."""
        if self._close_at is not None and time.monotonic() >= self._close_at:
            self.should_exit = True
        return await super().on_tick(counter)

    def _url(self, host: str) -> str:
        scheme, port = "https" if self._settings.is_tls else "http", self.listeners[0].getsockname()[1]
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Close the port, and return when all requests are answered: with 503 when they take too long.

        What was on its way when the port was closed is answered, too.
        """
        context = self.lifespan.state["context"]
        context.streams.end()
        loop = asyncio.get_running_loop()
        loop.call_later(SHUTDOWN_REST_S + CHECK_S, partial(context.engine.drain, refusing=True))
        loop.call_later(self._settings.shutdown_timeout_s, context.engine.give_up)
        await self._close_port()
        await super().shutdown(self.listeners)

    async def _close_port(self) -> None:
        """Close the port, and take the connections that wait in the kernel, which would reset them."""
        connect = partial(asyncio.get_running_loop().connect_accepted_socket, self._create_protocol)
        with ExitStack() as stack:
            spares = [stack.enter_context(listener.dup()) for listener in self.listeners]
            for server in self.servers:
                server.close()
            waiting = [connection for spare in spares for connection in _waiting(spare)]
        await asyncio.gather(*map(connect, waiting), return_exceptions=True)

    def _create_protocol(self) -> asyncio.Protocol:
        """Return a connection's protocol, as uvicorn makes it."""
        state: dict[str, Any] = {"server_state": self.server_state, "app_state": self.lifespan.state}
        return self.config.http_protocol_class(config=self.config, **state)  # type: ignore[call-arg]


def _waiting(listener: socket.socket) -> list[socket.socket]:
    """Return the connections that nobody has accepted yet."""
    listener.setblocking(False)
    waiting = []
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            waiting.append(connection)
            connection.setblocking(False)
    return waiting


def create_server(settings: Settings, app: Any) -> HttpServer:
    """Open the port, and return the server for an application. Raises ConfigurationError if it cannot be opened."""
    limits = ConnectionLimits(
        receive_timeout_s=settings.receive_timeout_s,
        min_body_bytes_per_s=settings.min_body_bytes_per_s,
        max_header_bytes=settings.max_header_bytes,
        max_connections=settings.max_connections,
        keep_alive_s=KEEP_ALIVE_S,
    )
    protocol = Handshake if settings.is_tls else HttpProtocol
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=partial(protocol, connections=Connections(limits)),  # type: ignore[arg-type]  # a factory works like a class
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=list(ON_EVERY_ANSWER),
        proxy_headers=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_s + SEND_S,  # type: ignore[arg-type]  # fractions work
    )
    return HttpServer(config, settings, _listeners(settings, config.backlog))


def _listeners(settings: Settings, backlog: int) -> list[socket.socket]:
    """Open the port on each address of the host; the kernel keeps little of what clients do not take.

    No other process can open it from now on. Raises ConfigurationError.
    """
    opened = []
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listener = socket.socket(family, kind, protocol)
            opened.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            limit_kernel(listener, settings.receive_timeout_s)
            listener.bind(address)
            listener.listen(backlog)
    except (OSError, UnicodeError) as error:
        for listener in opened:
            listener.close()
        raise ConfigurationError(_reason(error, settings)) from error
    return opened


def _reason(error: OSError | UnicodeError, settings: Settings) -> str:
    """Return why the port cannot be opened, and what to do."""
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"The host {settings.host} is not known; --host takes an address of this machine, such as 127.0.0.1."
    if error.errno == errno.EADDRINUSE:
        return f"The port {settings.port} is in use by another program; --port takes another one."
    if error.errno == errno.EACCES:
        return f"The port {settings.port} is for privileged users; --port takes one from 1024 on."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{settings.host} is no address of this machine; --host 0.0.0.0 listens on all of its addresses."
    return f"The port {settings.port} on {settings.host} cannot be opened: {error.strerror}."


def _reachable(host: str) -> str:
    """Return an address that a person can open: for all addresses, the one by which this machine reaches others."""
    outside = OUTSIDE.get(host)
    if outside is None:
        return host
    family, address, alone = outside
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))  # sends nothing: it only chooses a route
            return str(probe.getsockname()[0])
    except OSError:
        return alone
