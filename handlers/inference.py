"""Frames in, inference metadata out."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from connexion import request
from connexion.lifecycle import ConnexionRequest
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from handlers.context import Context, RequestRecord
from handlers.decoding.decoder import Decoder
from handlers.decoding.description import describe, is_raw
from handlers.decoding.encoded import format_of
from handlers.encoding import metadata
from models.frame import DecodeTarget, Frame
from models.results import Results
from models.runtime.repository import ModelConfig, RawFrameConfig

R = TypeVar("R")


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
    frame_request: ConnexionRequest = request._get_current_object()  # noqa: SLF001  # the proxy makes one at every use
    context: Context = frame_request.state.context
    record: RequestRecord = frame_request.state.record
    model = context.engine.find(name)
    record.model = model.name
    selection = model.folder.select(confidence, labels, max_detections)
    body = await _read_body(frame_request, record)
    decode = _decode(frame_request, body, context.decoder, model.folder.config.raw_frame)
    encode = partial(_encode, model.folder.config)
    answer = context.engine.infer(model, decode, encode, selection, record, record.stream)
    document, results = await _outcome(answer, frame_request)
    record.detections, record.dropped = results.count, results.dropped
    return Response(document, media_type="application/json") if document else Response(status_code=204)


def _decode(
    frame_request: ConnexionRequest, body: bytes, decoder: Decoder, raw_frame: RawFrameConfig
) -> Callable[[DecodeTarget], Frame]:
    """Return what decodes this body: as its Content-Type says if it is raw, else as its bytes say.

    Raises InvalidParameterError and RawFrameError when a raw frame's layout cannot be told.
    """
    headers, record = frame_request.headers, frame_request.state.record
    content_type = headers.get("content-type", "")
    if not is_raw(content_type):
        record.frame_format = format_of(body)
        return partial(decoder.encoded, body)
    record.frame_format = "raw"
    description = describe(frame_request.query_params, content_type, headers, raw_frame)
    return partial(decoder.raw, body, description.layout(len(body)))


def _encode(config: ModelConfig, results: Results) -> tuple[bytes, Results]:
    return metadata.encode(results, config.inference_types, config.output.subtype), results


async def _outcome(answer: Future[R], frame_request: ConnexionRequest) -> R:
    """Wait for what becomes of a frame; raises ClientDisconnect when nobody waits for it any more.

    A frame whose caller hangs up while it is queued is dropped; one that runs is finished, and goes nowhere.
    """
    outcome = asyncio.wrap_future(answer)
    hung_up = asyncio.ensure_future(_hang_up(frame_request))
    hung_up.add_done_callback(lambda _: answer.cancel())
    try:
        await asyncio.wait([outcome])
    finally:
        hung_up.cancel()
    if not hung_up.done():
        return outcome.result()
    if not outcome.cancelled():
        outcome.exception()  # asyncio would complain of one that nobody heard
    raise ClientDisconnect


async def _hang_up(frame_request: ConnexionRequest) -> None:
    """Return when the caller hangs up."""
    while (await frame_request.receive())["type"] != "http.disconnect":
        pass


async def _read_body(frame_request: ConnexionRequest, record: RequestRecord) -> bytes:
    """Return the whole body; `server/http_protocol.py` and the middleware raise what keeps it from being complete."""
    started_at = time.perf_counter()
    body: bytes = await frame_request.body()
    record.observe("read", time.perf_counter() - started_at)
    record.body_bytes = len(body)
    return body
