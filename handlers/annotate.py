"""Frames in, the same pictures out, with the results drawn on them."""

from connexion import request
from starlette.responses import Response

from handlers.encoding import drawing
from handlers.http_frames import answer
from handlers.parsing.numbers import read_number
from models.order import FrameOrder

MAX_ACCEPT_LENGTH = 1024
"""Of the header Accept; browsers send some 100 characters, and ranges beyond this are ignored."""


async def annotate(
    model: str | None = None,
    confidence: float | None = None,
    object_: list[str] | None = None,
    max_detections: int | None = None,
) -> Response:
    """Draw the results of the model that the path names, else of the default model, on the upright picture."""
    media_type = preferred(request.headers.get("accept", ""))
    order = FrameOrder(
        upright=True,
        model=model,
        encoding=media_type,
        confidence=confidence,
        labels=object_,
        max_detections=max_detections,
    )
    return Response(await answer(order), media_type=media_type)


annotate_model = annotate
"""Under a path that names the model."""


def preferred(accept: str) -> str:
    """Return the media type that a header Accept prefers; JPEG where it has no preference, or wants neither."""
    ranges = dict(map(_range, accept[:MAX_ACCEPT_LENGTH].split(",")))

    def rank(media_type: str) -> tuple[float, int]:
        """Return the quality of the most specific range that includes a type, and how specific that is."""
        specific = next((place for place in (media_type, "image/*", "*/*") if place in ranges), "")
        return ranges.get(specific, 0), -specific.count("*")

    best = max(drawing.FORMATS, key=rank)
    return best if rank(best) > (0, 0) else "image/jpeg"


def _range(written: str) -> tuple[str, float]:
    """Return a media range in lower case, and its quality."""
    media_range, *parameters = (part.strip() for part in written.lower().split(";"))
    quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    return media_range, read_number(quality) or 0
