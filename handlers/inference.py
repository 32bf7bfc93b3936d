"""Frames in, inference metadata out."""

from starlette.responses import Response

from handlers.http_frames import answer
from models.order import FrameOrder


async def infer(
    model: str | None = None,
    confidence: float | None = None,
    object_: list[str] | None = None,
    max_detections: int | None = None,
    exif: str = "ignore",
) -> Response:
    """Infer with the model that the path names, else with the default model."""
    order = FrameOrder(
        upright=exif.lower() == "apply",
        model=model,
        encoding="metadata",
        confidence=confidence,
        labels=object_,
        max_detections=max_detections,
    )
    document = await answer(order)
    return Response(document, media_type="application/json") if document else Response(status_code=204)


infer_model = score = infer
"""Under a path that names the model, and under the path of published topologies."""
