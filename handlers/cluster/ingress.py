"""The web application as Ray's proxy calls it."""

import os
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.cluster.arguments import ingress_settings
from handlers.cluster.remote import create_remote_engine
from handlers.server.app import create_app
from handlers.server.middleware import logs
from handlers.server.middleware.browsers import ON_EVERY_ANSWER

FAILED = 1


class Ingress:
    """Gives each request the state of the application, and each answer its headers, as framehook's own server does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._state: dict[str, Any] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._app({**scope, "state": self._state}, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(dict(ON_EVERY_ANSWER))
            await send(message)

        await self._app({**scope, "state": dict(self._state)}, receive, send_with_headers)


def create_ingress(arguments: dict[str, Any], workers: Any) -> Ingress:
    """Return the application of one ingress replica. `workers`: the handle of their deployment."""
    settings = ingress_settings(arguments)
    logs.configure(settings.log_level)
    return Ingress(create_app(settings, _end_unless, create_remote_engine(settings, workers)))


def _end_unless(is_ready: bool) -> None:  # noqa: FBT001  # a callback
    """End the replica if a model cannot be served, as `framehook serve` ends; Ray starts another one."""
    if not is_ready:
        os._exit(FAILED)
