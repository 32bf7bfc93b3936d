"""The operations on streams: which ones there are, what is remembered of them, and their live view."""

import html
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias, get_args

from connexion import request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from handlers import pages
from handlers.context import Context
from handlers.encoding import metadata
from handlers.errors import UnknownStreamError
from handlers.parsing.queries import STREAM_NAME
from handlers.streams.live_view import LiveStream, LiveStreams, View
from models.order import Outcome
from scene.events import Scene, SceneObject, inference_of

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


async def get_stream(stream: str) -> JSONResponse:
    """Return what is remembered of a stream, live or silent. Raises UnknownStreamError."""
    context: Context = request.state.context
    listed = context.streams.find(stream, even_silent=True)
    known = context.dataplane.scenes_of(stream)
    scenes = [_scene(model, scene) for model, scene in known.by_model.items()] if known else []
    events = [
        {"at": _time(reported.at_utc), "model": reported.model, "inference": inference_of(reported.event)}
        for reported in (known.events if known else ())
    ]
    return JSONResponse({"stream": _record(listed), "scenes": scenes, "events": events})


async def forget_stream(stream: str) -> Response:
    """Forget what is remembered of a stream, live or silent. Raises UnknownStreamError."""
    context: Context = request.state.context
    context.dataplane.forget(stream)
    return Response(status_code=204)


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
        "lastFrameAt": _time(stream.seen_at_utc),
        "silentForS": round(max(stream.silent_for_s, 0), 1),
        "viewers": stream.viewers,
        "frames": {outcome: stream.frames[outcome] for outcome in OUTCOMES},
        "refused": stream.refused,
    }


def _scene(model: str, scene: Scene) -> dict[str, Any]:
    return {
        "model": model,
        "objects": [record for followed in scene.objects for record in _objects(followed)],
        "lines": [
            {
                "name": line.name,
                "clockwiseTotal": line.clockwise,
                "counterclockwiseTotal": line.counterclockwise,
                "total": line.clockwise + line.counterclockwise,
            }
            for line in scene.lines
        ],
        "zones": [{"name": zone.name, "count": zone.count, "enteredTotal": zone.entered} for zone in scene.zones],
    }


def _objects(followed: SceneObject) -> Iterator[dict[str, Any]]:
    """Yield the record of an object, if its box is not empty."""
    box = metadata.box_of(followed.box_xyxy)
    if box:
        yield {
            "id": followed.track,
            "label": followed.label,
            "box": box,
            "seen": followed.is_seen,
            "presentForS": round(followed.present_for_s, 1),
        }


def _time(at_utc: float) -> str:
    return datetime.fromtimestamp(at_utc, UTC).isoformat(timespec="milliseconds")
