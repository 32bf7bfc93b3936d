"""The HTTP server: uvicorn, and how it stops."""

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.server import HANDLED_SIGNALS

from handlers.server.middleware.browsers import ON_EVERY_ANSWER
from handlers.server.settings import Settings
from handlers.server.wire.connections import ConnectionLimits, Connections, limit_kernel
from handlers.server.wire.handshakes import Handshake
from handlers.server.wire.http_protocol import HttpProtocol

KEEP_ALIVE_S = 75
"""Longer than the minute for which cameras and proxies keep an idle connection."""

SEND_S = 2.0
"""How long the last answers may take to be sent."""

logger = logging.getLogger("framehook")


class HttpServer(uvicorn.Server):
    """Stops in order: readiness turns false, then the port is closed, then the requests in flight are answered.

    The first signal starts that; a second one has its default action and ends the process at once. `drain_delay_s`:
    from the first signal until the port is closed. `shutdown_timeout_s`: from then until the last answer.
    `receive_timeout_s`: how long the kernel tries to send what a client does not take.
    """

    def __init__(
        self, config: uvicorn.Config, drain_delay_s: float, shutdown_timeout_s: float, receive_timeout_s: float
    ) -> None:
        super().__init__(config)
        self._drain_delay_s, self._shutdown_timeout_s = drain_delay_s, shutdown_timeout_s
        self._receive_timeout_s = receive_timeout_s
        self._close_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port; the kernel keeps little of what clients do not take."""
        await super().startup(sockets)
        for server in self.servers:
            for listener in server.sockets:
                limit_kernel(listener, self._receive_timeout_s)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Drain at the first signal."""
        for stop in HANDLED_SIGNALS:
            signal.signal(stop, signal.SIG_DFL)
        self.drain()

    def drain(self) -> None:
        """Turn readiness false, and close the port after `drain_delay_s`."""
        self._close_at = time.monotonic() + self._drain_delay_s
        if self.started:
            self.lifespan.state["context"].engine.drain()
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Return whether to close the port; uvicorn asks ten times a second."""
        if self._close_at is not None and time.monotonic() >= self._close_at:
            self.should_exit = True
        return await super().on_tick(counter)

    def _log_started_message(self, listeners: Sequence[socket.SocketType]) -> None:
        """Log the address. uvicorn would log http, because TLS begins in `Handshake`."""
        scheme = "https" if "tls" in self.lifespan.state else "http"
        host, port = listeners[0].getsockname()[:2]
        url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        logger.info("listening", extra={"facts": {"url": url}})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, and return when all requests are answered: with 503 when they take too long."""
        context = self.lifespan.state["context"]
        context.streams.end()
        asyncio.get_running_loop().call_later(self._shutdown_timeout_s, context.engine.give_up)
        await super().shutdown(sockets)


def create_server(settings: Settings, app: Any) -> HttpServer:
    """Return the server for an application."""
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
    return HttpServer(config, settings.drain_delay_s, settings.shutdown_timeout_s, settings.receive_timeout_s)
