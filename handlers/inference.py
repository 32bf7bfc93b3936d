"""Frames in, inference metadata out."""

from starlette.responses import Response

from handlers.encoding import metadata
from handlers.frames import PostedFrame, Wanted, answer
from models.repository.config import ModelConfig
from models.results import Results


async def infer(
    confidence: float | None = None,
    object_: list[str] | None = None,
    max_detections: int | None = None,
) -> Response:
    """Infer with the default model."""
    return await _infer(Wanted(None, confidence, object_, max_detections))


async def infer_model(
    model: str,
    confidence: float | None = None,
    object_: list[str] | None = None,
    max_detections: int | None = None,
) -> Response:
    """Infer with the model of that name."""
    return await _infer(Wanted(model, confidence, object_, max_detections))


score = infer
"""Infer with the default model, under the path of published topologies."""


async def _infer(wanted: Wanted) -> Response:
    document = await answer(wanted, _encode)
    return Response(document, media_type="application/json") if document else Response(status_code=204)


def _encode(_: PostedFrame, config: ModelConfig, results: Results) -> bytes:
    return metadata.encode(results, config.inference_types, config.output.subtype)
