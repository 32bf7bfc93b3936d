"""Swagger UI: its files from memory, and a page that shows this service's contract."""

import mimetypes
from functools import lru_cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from swagger_ui_bundle import swagger_ui_path

SWAGGER_UI = "/ui"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; connect-src 'self'; form-action 'none'; base-uri 'none'"
)
"""Nothing comes from, or goes to, other servers. Swagger UI sets styles of its own."""
PAGE = "index.html"
OWN_FILES = {PAGE: "swagger_ui.html", "start.js": "swagger_ui.js"}
"""Name below /ui/ → name beside this module."""


class SwaggerUIMiddleware:
    """Serves Swagger UI below /ui; anybody may load it.

    Each file is read when it is first asked for, and kept: a slow reader keeps no file open.
    """

    def __init__(self, next_app: ASGIApp) -> None:
        self._next_app = next_app
        bundled = {path.name: path for path in Path(swagger_ui_path).iterdir() if path.is_file()}
        self._paths = bundled | {name: Path(__file__).with_name(own) for name, own in OWN_FILES.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; raises HTTPException for what is no file, or not asked for by GET or HEAD."""
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(f"{SWAGGER_UI}/"):
            await self._next_app(scope, receive, send)
            return
        name = scope["path"].removeprefix(SWAGGER_UI)
        path = self._paths.get(name.removeprefix("/") or PAGE)
        if path is None:
            raise HTTPException(404)
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        media_type, _ = mimetypes.guess_type(path.name)
        headers = {"Content-Security-Policy": POLICY}
        page = Response(_content(path), media_type=media_type, headers=headers)
        answer = page if name else RedirectResponse("ui/", headers=headers)  # a proxy may have a prefix before it
        await answer(scope, receive, send)


@lru_cache(maxsize=64)
def _content(path: Path) -> bytes:
    return path.read_bytes()
