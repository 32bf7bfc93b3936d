"""The HTTP server as it is run in production: uvicorn, and how it ends."""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Sequence
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.server import HANDLED_SIGNALS

from handlers.server.settings import Settings
from handlers.server.wire.connections import ConnectionLimits, Connections
from handlers.server.wire.handshakes import Handshake
from handlers.server.wire.http_protocol import HttpProtocol

KEEP_ALIVE_S = 75
"""Longer than the minute for which cameras and proxies keep theirs."""

SEND_S = 2.0
"""For the last answers to be sent."""

logger = logging.getLogger("framehook")


class HttpServer(uvicorn.Server):
    """Ends in good order: readiness turns false first, then the port is closed, then what is under way is answered.

    The first signal begins that; a second one has its default action, and ends the process at once.
    """

    def __init__(
        self, config: uvicorn.Config, drain_delay_s: float, shutdown_timeout_s: float, second_port: int | None = None
    ) -> None:
        """Take how long the port stays open once readiness is false, and how long answers may take after that.

        `second_port`: is listened on too, and is no different.
        """
        super().__init__(config)
        self._second_port = second_port
        self._drain_delay_s, self._shutdown_timeout_s = drain_delay_s, shutdown_timeout_s
        self._close_at: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the ports; raises SystemExit when one of them cannot be listened on."""
        await super().startup(sockets)
        if self._second_port is None or self.should_exit:
            return
        http_protocol: Any = self.config.http_protocol_class
        protocol = partial(
            http_protocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        try:
            second = await asyncio.get_running_loop().create_server(
                protocol, self.config.host, self._second_port, backlog=self.config.backlog
            )
        except OSError as error:
            logger.critical("the second port: %s", error)
            await self.shutdown()
            self.started = False
            sys.exit(STARTUP_FAILURE)
        self.servers.append(second)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """Hear a signal."""
        for stop in HANDLED_SIGNALS:
            signal.signal(stop, signal.SIG_DFL)
        self.drain()

    def drain(self) -> None:
        """Be ready no more, and close the port a little later."""
        self._close_at = time.monotonic() + self._drain_delay_s
        if self.started:
            self.lifespan.state["context"].engine.drain()
        else:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Tell, ten times a second, whether to close the port."""
        if self._close_at is not None and time.monotonic() >= self._close_at:
            self.should_exit = True
        return await super().on_tick(counter)

    def _log_started_message(self, listeners: Sequence[socket.SocketType]) -> None:
        """Say where; uvicorn would call it http, since it does not know of our TLS."""
        scheme = "https" if "tls" in self.lifespan.state else "http"
        host, port = listeners[0].getsockname()[:2]
        url = f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
        logger.info("listening", extra={"facts": {"url": url}})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the port, and end when all is answered: what takes too long with 503."""
        context = self.lifespan.state["context"]
        context.streams.close()
        asyncio.get_running_loop().call_later(self._shutdown_timeout_s, context.engine.give_up)
        await super().shutdown(sockets)


def create_server(settings: Settings, app: Any) -> HttpServer:
    """Return the server for an application."""
    limits = ConnectionLimits(
        receive_timeout_s=settings.receive_timeout_s,
        min_body_bytes_per_s=settings.min_body_bytes_per_s,
        max_header_bytes=settings.max_header_bytes,
        max_header_count=settings.max_header_count,
        max_connections=settings.max_connections,
        keep_alive_s=KEEP_ALIVE_S,
    )
    protocol = Handshake if settings.is_tls else HttpProtocol
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=partial(protocol, connections=Connections(limits)),  # type: ignore[arg-type]  # as good as a class
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.shutdown_timeout_s + SEND_S,  # type: ignore[arg-type]  # parts will do
    )
    return HttpServer(config, settings.drain_delay_s, settings.shutdown_timeout_s, settings.deepstack_port)
