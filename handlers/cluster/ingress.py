"""The web application as Ray calls it, instead of framehook's own HTTP server."""

import asyncio
import os
from contextlib import suppress
from typing import Any

from ray.exceptions import RayError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.cluster.arguments import ingress_settings
from handlers.cluster.remote import create_remote_engine
from handlers.server.access.proxies import TrustedProxies
from handlers.server.app import create_app
from handlers.server.middleware import logs
from handlers.server.middleware.browsers import ON_EVERY_ANSWER

FAILED = 1
DISCONNECT = {"type": "http.disconnect"}


class Ingress:
    """Does for each request what framehook's own server does: its state, the client's address, headers for browsers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._state: dict[str, Any] = {}
        self._working: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection. Ray cancels this when the client hangs up; the request is worked off then."""
        if scope["type"] == "lifespan":
            await self._app({**scope, "state": self._state}, receive, send)
            return
        proxies: TrustedProxies = self._state["proxies"]
        client = proxies.client_of(scope["client"] and tuple(scope["client"]), scope["headers"])
        caller = _Caller(receive, send)
        inner = {**scope, "client": client, "state": dict(self._state)}
        working = asyncio.ensure_future(self._app(inner, caller.receive, caller.send))
        self._working.add(working)
        working.add_done_callback(self._working.discard)
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            caller.hang_up()
            raise


class _Caller:
    """The two directions of one request, whose client may hang up."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._receiving: asyncio.Future[Message] | None = None
        self._is_gone = False

    async def receive(self) -> Message:
        """Return the next message; when the client is gone, that it is."""
        if self._is_gone:
            return DISCONNECT
        self._receiving = asyncio.ensure_future(self._receive())
        try:
            return await self._receiving
        except RayError:  # the proxy has given the request up
            self._is_gone = True
        except asyncio.CancelledError:
            if not self._is_gone:
                self._receiving.cancel()
                raise
        return DISCONNECT

    async def send(self, message: Message) -> None:
        """Pass a message on, with the headers that every answer has; drop it when the client is gone."""
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(dict(ON_EVERY_ANSWER))
        if not self._is_gone:
            with suppress(RuntimeError):  # Ray has closed the queue of answers
                await self._send(message)

    def hang_up(self) -> None:
        """Let what waits for the client know that it is gone."""
        self._is_gone = True
        if self._receiving:
            self._receiving.cancel()


def create_ingress(arguments: dict[str, Any], workers: Any) -> Ingress:
    """Return the application of one ingress replica. `workers`: the handle of their deployment."""
    settings = ingress_settings(arguments)
    logs.configure(settings.log_level)
    return Ingress(create_app(settings, _end_unless, create_remote_engine(settings, workers)))


def _end_unless(is_ready: bool) -> None:  # noqa: FBT001  # a callback
    """End the replica if a model cannot be served, as `framehook serve` ends; Ray starts another one."""
    if not is_ready:
        os._exit(FAILED)
