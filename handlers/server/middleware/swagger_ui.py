"""Swagger UI: connexion's page, its files from memory."""

import mimetypes
from functools import lru_cache
from pathlib import Path
from typing import Any

from connexion.middleware.swagger_ui import SwaggerUIMiddleware
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

SWAGGER_UI = "/ui"
SWAGGER_UI_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; connect-src 'self'; form-action 'none'; base-uri 'none'"
)
"""Its page starts with a script of its own; nothing comes from, or goes to, other servers."""


class BundledSwaggerUIMiddleware(SwaggerUIMiddleware):  # type: ignore[misc]  # connexion is untyped
    """connexion's Swagger UI, whose page may only load content of this server.

    It opens no file for a request: a slow reader would keep it open.
    """

    def add_api(self, *arguments: Any, **options: Any) -> None:
        """Add the page of an API."""
        super().add_api(*arguments, **options)
        for api in self.router.routes:
            for route in api.app.routes:
                if isinstance(route, Mount) and isinstance(route.app, StaticFiles):
                    route.app = BundledFiles(Path(str(route.app.directory)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""

        async def send_restricted(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = SWAGGER_UI_POLICY
            await send(message)

        is_page = scope["type"] == "http" and scope["path"].startswith(SWAGGER_UI)
        await super().__call__(scope, receive, send_restricted if is_page else send)


class BundledFiles:
    """The files of a folder, which nobody changes: each is read when it is first asked for, and kept."""

    def __init__(self, folder: Path) -> None:
        self._paths = {path.name: path for path in folder.iterdir() if path.is_file()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; raises HTTPException for what is no file, or not asked for by GET or HEAD."""
        path = self._paths.get(scope["path"].removeprefix(scope["root_path"] + "/"))
        if path is None:
            raise HTTPException(404)
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        media_type, _ = mimetypes.guess_type(path.name)
        answer = Response(_content(path), media_type=media_type)
        await answer(scope, receive, send)


@lru_cache(maxsize=64)
def _content(path: Path) -> bytes:
    return path.read_bytes()
