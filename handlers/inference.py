"""Frames in, inference metadata out."""

import asyncio
import time
from functools import partial

from connexion import request
from starlette.responses import Response

from handlers.context import Context, RequestRecord
from handlers.decoding import encoded
from handlers.encoding import metadata
from handlers.errors import BodyTimeoutError
from models.results import Results, Selection
from models.runtime.engine import class_ids_of


async def infer(
    confidence: float | None = None,
    object_: list[str] | None = None,
    max_detections: int | None = None,
) -> Response:
    """Infer with the default model."""
    return await _infer(None, confidence, object_, max_detections)


async def infer_model(
    model: str,
    confidence: float | None = None,
    object_: list[str] | None = None,
    max_detections: int | None = None,
) -> Response:
    """Infer with the model of that name."""
    return await _infer(model, confidence, object_, max_detections)


score = infer
"""Infer with the default model, under the path of published topologies."""


async def _infer(
    name: str | None, confidence: float | None, labels: list[str] | None, max_detections: int | None
) -> Response:
    context: Context = request.state.context
    record: RequestRecord = request.state.record
    model = context.engine.find(name)
    selection = Selection(confidence, class_ids_of(model, labels) if labels else None, max_detections)
    body = await _read_body(context, record)

    def encode(results: Results) -> bytes:
        record.facts |= {"model": model.name, "detections": len(results.detections), "dropped": results.dropped}
        return metadata.encode(results)

    decode = partial(encoded.decode, body, context.max_pixels)
    found = await asyncio.wrap_future(context.engine.infer(model, decode, encode, selection, record))
    return Response(found, media_type="application/json") if found else Response(status_code=204)


async def _read_body(context: Context, record: RequestRecord) -> bytes:
    """Return the whole body; raises BodyTimeoutError."""
    started_at = time.perf_counter()
    try:
        async with asyncio.timeout(context.body_timeout_s):
            body: bytes = await request.body()
    except TimeoutError as error:
        raise BodyTimeoutError(
            f"The frame did not arrive in full within {context.body_timeout_s:g} s; "
            "check the network between camera and server."
        ) from error
    record.observe("read", time.perf_counter() - started_at)
    record.facts["bodyBytes"] = len(body)
    return body
