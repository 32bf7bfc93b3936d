"""Frames in, the same pictures out, with what was found drawn on them."""

from functools import partial

from connexion import request
from starlette.responses import Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from handlers.encoding import drawing
from handlers.frames import PostedFrame, Wanted, answer
from models.repository.config import ModelConfig
from models.results import Results


async def annotate(
    confidence: float | None = None,
    object_: list[str] | None = None,
    max_detections: int | None = None,
) -> Response:
    """Draw what the default model finds."""
    return await _annotate(Wanted(None, confidence, object_, max_detections))


async def annotate_model(
    model: str,
    confidence: float | None = None,
    object_: list[str] | None = None,
    max_detections: int | None = None,
) -> Response:
    """Draw what the model of that name finds."""
    return await _annotate(Wanted(model, confidence, object_, max_detections))


async def _annotate(wanted: Wanted) -> Response:
    media_type = preferred(request.headers.get("accept", ""))
    return Response(await answer(wanted, partial(_draw, media_type)), media_type=media_type)


def preferred(accept: str) -> str:
    """Return the media type that a header Accept likes best; JPEG where it does not care, or wants neither."""
    return parse_accept_header(accept, MIMEAccept).best_match(drawing.FORMATS, default="image/jpeg")


def _draw(media_type: str, posted: PostedFrame, _: ModelConfig, results: Results) -> bytes:
    return drawing.encode(drawing.annotate(posted.whole(), results), media_type)
