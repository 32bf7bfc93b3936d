"""The operations on streams: which ones there are, the live view of posted frames with their results, and settings."""

import asyncio
import html
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias, get_args
from urllib.parse import quote

from connexion import request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from handlers import pages
from handlers.context import Context
from handlers.errors import BodyTooLargeError, InvalidStreamSettingsError, NoStreamSettingsError, UnknownStreamError
from handlers.http_frames import current_request
from handlers.live_view import LiveStream, LiveStreams, View
from handlers.parsing.queries import STREAM_NAME
from handlers.stream_settings import DEFAULT, MAX_SETTINGS_BYTES, checked_settings
from models.order import Outcome
from scene.settings import StreamSettings

RESULTS = "results"
"""What is drawn by default; the other choice is regions and motion as well."""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
BOUNDARY = b"--frame"
MIXED_REPLACE = "multipart/x-mixed-replace; boundary=frame"
"""Each part replaces the one before it: browsers show this as a moving picture."""
Watching: TypeAlias = Callable[[], AbstractContextManager[View]]


async def list_streams() -> JSONResponse:
    """List the streams, live and silent."""
    context: Context = request.state.context
    return JSONResponse({"streams": [_record(stream) for stream in context.streams.listed()]})


async def show_stream(stream: str, draw: str = RESULTS) -> HTMLResponse:
    """Return a page that shows a stream, and waits while it is not live. Raises UnknownStreamError for a wrong name."""
    if not STREAM_NAME.fullmatch(stream):
        raise UnknownStreamError
    depth = request.scope["raw_path"].count(b"/") - 1  # a name's slashes should be escaped, but need not
    checked = "" if draw.lower() == RESULTS else "checked"
    return pages.html(pages.STREAM.format(stream=html.escape(stream), root="../" * depth, checked=checked))


async def watch_stream(stream: str, frames: int | None = None, draw: str = RESULTS) -> Response:
    """Send the pictures of a stream as they are drawn. Raises UnknownStreamError and TooManyViewersError."""
    context: Context = request.state.context
    watching = partial(context.streams.watching, stream, draws_seen=draw.lower() != RESULTS)
    return _MovingPicture(context.streams, stream, watching, frames)


async def get_stream_settings(stream: str) -> JSONResponse:
    """Return the settings that apply to a stream. Raises NoStreamSettingsError."""
    context: Context = request.state.context
    known = context.dataplane.settings
    settings = known.of(stream)
    if settings is None:
        raise NoStreamSettingsError
    return _settings_answer(stream if stream in known else DEFAULT, settings)


async def put_stream_settings(stream: str) -> JSONResponse:
    """Set the settings of a stream. Raises InvalidStreamSettingsError and StreamSettingsLockedError."""
    context: Context = request.state.context
    settings = checked_settings(_parsed(await _read_settings()))
    await asyncio.to_thread(context.dataplane.settings.put, stream, settings)
    return _settings_answer(stream, settings)


async def delete_stream_settings(stream: str) -> Response:
    """Remove the settings of a stream. Raises NoStreamSettingsError and StreamSettingsLockedError."""
    context: Context = request.state.context
    await asyncio.to_thread(context.dataplane.settings.remove, stream)
    return Response(status_code=204)


class _MovingPicture(StreamingResponse):
    """Counts as a viewer while it is being sent; HEAD gets the header fields, and is no viewer."""

    def __init__(self, streams: LiveStreams, name: str, watching: Watching, frames: int | None) -> None:
        super().__init__(iter(()), media_type=MIXED_REPLACE)
        self._streams, self._name, self._watching, self._frames = streams, name, watching, frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection. Raises UnknownStreamError or TooManyViewersError before any byte is sent."""
        if scope["method"] == "HEAD":
            self._streams.find(self._name)
            self.body_iterator = _nothing()
            await super().__call__(scope, receive, send)
            return
        with self._watching() as view:
            self.body_iterator = _parts(self._streams.pictures(view), self._frames)
            await super().__call__(scope, receive, send)


async def _nothing() -> AsyncIterator[bytes]:
    for part in list[bytes]():
        yield part


async def _parts(pictures: AsyncIterator[bytes], most: int | None) -> AsyncIterator[bytes]:
    """Yield a multipart body. The boundary follows each part at once: browsers show a part when they see it."""
    yield BOUNDARY + b"\r\n"
    count = 0
    async for picture in pictures:
        head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
        count += 1
        if count == most:
            yield head + picture + b"\r\n"
            break
        yield head + picture + b"\r\n" + BOUNDARY + b"\r\n"
    yield BOUNDARY + b"--\r\n"


def _record(stream: LiveStream) -> dict[str, Any]:
    width, height = stream.size_wh
    return {
        "id": stream.name,
        "model": stream.model,
        "size": {"width": width, "height": height},
        "framesPerSecond": round(stream.frames_per_s, 2),
        "lastFrameAt": datetime.fromtimestamp(stream.seen_at_utc, UTC).isoformat(timespec="milliseconds"),
        "silentForS": round(max(stream.silent_for_s, 0), 1),
        "viewers": stream.viewers,
        "frames": {outcome: stream.frames[outcome] for outcome in OUTCOMES},
        "refused": stream.refused,
    }


def _settings_answer(stream: str, settings: StreamSettings) -> JSONResponse:
    name = stream.replace(".", "%2E") if stream in {".", ".."} else quote(stream, safe="")  # else another path
    location = f"/streams/{name}/settings"
    return JSONResponse(settings.as_document(), headers={"Content-Location": location})


async def _read_settings() -> bytes:
    """Return the body of the request at hand; raises BodyTooLargeError."""
    body = b""
    async for chunk in current_request().stream():
        body += chunk
        if len(body) > MAX_SETTINGS_BYTES:
            raise BodyTooLargeError(f"Settings of a stream have at most {MAX_SETTINGS_BYTES} bytes.")
    return body


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:
        raise InvalidStreamSettingsError("The body is not JSON in UTF-8.") from error


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a section; in YAML a repeated key is a fault, too."""
    section = dict(pairs)
    if len(section) < len(pairs):
        raise InvalidStreamSettingsError("A key is there twice; expected each key once in its section.")
    return section
