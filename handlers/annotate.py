"""Frames in, the same pictures out, with the results drawn on them."""

from connexion import request
from starlette.responses import Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from handlers.encoding import drawing
from handlers.http_frames import answer
from models.order import FrameOrder


async def annotate(
    model: str | None = None,
    confidence: float | None = None,
    object_: list[str] | None = None,
    max_detections: int | None = None,
) -> Response:
    """Draw the results of the model that the path names, else of the default model."""
    media_type = preferred(request.headers.get("accept", ""))
    order = FrameOrder(
        model=model, encoding=media_type, confidence=confidence, labels=object_, max_detections=max_detections
    )
    return Response(await answer(order), media_type=media_type)


annotate_model = annotate
"""Under a path that names the model."""


def preferred(accept: str) -> str:
    """Return the media type that a header Accept prefers; JPEG where it has no preference, or wants neither."""
    return parse_accept_header(accept, MIMEAccept).best_match(drawing.FORMATS, default="image/jpeg")
