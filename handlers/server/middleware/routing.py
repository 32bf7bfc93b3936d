"""Routing by the paths of the contract; slashes too many count for nothing."""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from connexion.middleware.routing import RoutingMiddleware
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.server.middleware.swagger_ui import SWAGGER_UI

STATE_METHODS = ("DELETE", "GET", "HEAD")
"""Of the path of a stream's state."""
DOUBLED = re.compile(rb"//+")
FOLDER = f"{SWAGGER_UI}/".encode()
"""The one path that ends with a slash: its page links to files beside it."""


class PlainPathMiddleware:
    """Serves a path with doubled slashes, or with one at its end, as the path without them.

    Clients join addresses carelessly, and DeepStack's own paths end with a slash. All layers behind this one, access
    included, see the plain path; the log shows what was sent. Slashes that are escaped belong to a name.
    """

    def __init__(self, next_app: ASGIApp) -> None:
        self._next_app = next_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "http":
            sent, plain = scope["raw_path"], plain_path(scope["raw_path"])
            scope = scope if plain == sent else {**scope, "path": unquote(plain.decode())}
        await self._next_app(scope, receive, send)


def plain_path(sent: bytes) -> bytes:
    """Return a path, as sent, without doubled slashes and without one at its end."""
    path = DOUBLED.sub(b"/", sent)
    return path if path == FOLDER else path.rstrip(b"/") or b"/"


class ExactRoutingMiddleware(RoutingMiddleware):  # type: ignore[misc]  # connexion is untyped
    """connexion's routing, without redirects for an extra slash, and with one answer to unknown paths."""

    def add_api(self, *arguments: Any, **options: Any) -> None:
        """Add the contract's paths."""
        super().add_api(*arguments, **options)
        self.router.default = _refuse  # paths with a line feed reach no mount
        for mount in self.router.routes:
            mount.app.routes.sort(key=_ends_open)  # a stream's name may have slashes, so its own path fits longer ones
            mount.app.redirect_slashes = False
            mount.app.default = _refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; raises HTTPException for a path or a method that the contract does not have.

        The router's own refusal of a method knows only those of one operation of the path.
        """
        if scope["type"] == "http" and _escapes_settings(scope):
            self._refuse_state(scope["method"])
        try:
            await super().__call__(scope, receive, send)
        except HTTPException as error:
            if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                error.headers = {"Allow": ", ".join(sorted(self._methods(scope)))}
            raise

    @staticmethod
    def _refuse_state(method: str) -> None:
        """Raise HTTPException as the path of the state of a stream that nobody knows does."""
        if method not in STATE_METHODS:
            raise HTTPException(405, headers={"Allow": ", ".join(STATE_METHODS)})
        raise HTTPException(404)

    def _methods(self, scope: Scope) -> set[str]:
        """Return the methods of a path."""
        routes = [route for mount in self.router.routes for route in mount.app.routes]
        return {method for route in routes if route.matches(scope)[0] is not Match.NONE for method in route.methods}


def _escapes_settings(scope: Scope) -> bool:
    """Return whether a path names a stream `NAME/settings`, which must not be taken for the settings of NAME."""
    last = unquote(plain_path(scope["raw_path"]).rpartition(b"/")[2].decode("latin-1"))
    path: str = scope["path"]
    return path.startswith("/streams/") and path.endswith("/settings") and last != "settings"


def _ends_open(route: Any) -> bool:
    """Return whether the path of a route ends with a parameter."""
    return bool(route.path.endswith("}"))


async def _refuse(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise HTTPException(404)
