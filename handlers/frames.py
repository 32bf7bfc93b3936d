"""The way of one posted frame through the edge, whatever is to become of it."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

from connexion import request
from connexion.lifecycle import ConnexionRequest
from starlette.requests import ClientDisconnect

from handlers.context import WELL_FORMED_NAME, Context, RequestRecord
from handlers.decoding.decoder import Decoder
from handlers.decoding.description import describe, is_raw
from handlers.decoding.encoded import format_of
from handlers.decoding.raw import RawLayout
from handlers.encoding import drawing
from handlers.live_view import LiveStreams
from models.frame import DecodeTarget, Frame
from models.letterbox import Size
from models.repository.folder import ModelConfig, RawFrameConfig
from models.results import Results, Selection
from models.runtime.engine import Model

R = TypeVar("R")

SHOWN_SIDE_PX = 1280
"""The longest side of the pictures that viewers of a stream see."""
SHOWN_QUALITY = 75
"""Of their JPEGs: half the bytes of those that /annotate sends."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for; None means: as the model is configured, or the default model."""

    model: str | None
    confidence: float | None
    labels: list[str] | None
    max_detections: int | None


@dataclass(frozen=True, slots=True)
class PostedFrame:
    """The bytes of a frame, and how they are decoded: as `layout` says if it is raw, else as the bytes say."""

    body: bytes
    decoder: Decoder
    layout: RawLayout | None

    def decode(self, target: DecodeTarget) -> Frame:
        """Return the frame as a model wants it."""
        if self.layout is None:
            return self.decoder.encoded(self.body, target)
        return self.decoder.raw(self.body, self.layout, target)

    def whole(self) -> Frame:
        """Return the frame with all its pixels."""
        return self.decoder.whole(self.body, self.layout)


Encode: TypeAlias = Callable[[PostedFrame, ModelConfig, Results], bytes | None]
"""Makes the answer of a frame and its results; called on the lane."""


async def answer(wanted: Wanted, encode: Encode) -> bytes | None:
    """Return what `encode` makes of the frame that the request at hand brings.

    Raises ModelsError and EdgeError, and ClientDisconnect when the caller hung up.
    """
    frame_request: ConnexionRequest = request._get_current_object()  # noqa: SLF001  # the proxy makes one at every use
    context: Context = frame_request.state.context
    record: RequestRecord = frame_request.state.record
    model = context.engine.find(wanted.model)
    record.model = model.name
    config = model.folder.config
    selection = model.folder.select(wanted.confidence, wanted.labels, wanted.max_detections)
    body = await read_body(frame_request, record)
    posted = PostedFrame(body, context.decoder, _layout(frame_request, body, config.raw_frame))
    return await infer(frame_request, model, selection, posted, partial(encode, posted, config))


async def infer(
    frame_request: ConnexionRequest,
    model: Model,
    selection: Selection,
    posted: PostedFrame,
    encode: Callable[[Results], bytes | None],
) -> bytes | None:
    """Return what `encode` makes of the results of one frame, and note in the request's record what they are.

    It is called on the lane, when the record knows the picture's size. Raises ModelsError and EdgeError, and
    ClientDisconnect when the caller hung up.
    """
    context: Context = frame_request.state.context
    record: RequestRecord = frame_request.state.record

    def encode_and_keep(results: Results) -> tuple[bytes | None, Results]:
        return encode(results), results

    def decode_and_measure(target: DecodeTarget) -> Frame:
        frame = posted.decode(target)
        record.size_wh = frame.source_size_wh
        return frame

    outcome = context.engine.infer(model, decode_and_measure, encode_and_keep, selection, record, record.stream)
    document, results = await _outcome(outcome, frame_request)
    record.detections, record.dropped = results.count, results.dropped
    _show(context.streams, record, posted, results)
    return document


def _show(streams: LiveStreams, record: RequestRecord, posted: PostedFrame, results: Results) -> None:
    """Let those who watch the frame's stream see it; frames without a name of their own are of no stream."""
    if WELL_FORMED_NAME.fullmatch(record.stream):
        watched = streams.record_frame(record.stream, str(record.model), record.size_wh)
        if watched:
            streams.queue_render(watched, partial(_drawn, posted, record.size_wh, results), len(posted.body))


def _drawn(posted: PostedFrame, source_size_wh: Size, results: Results) -> bytes:
    """Return the picture that viewers see."""
    size_wh = drawing.canvas_size(source_size_wh, SHOWN_SIDE_PX)
    picture = drawing.annotate(posted.decode(DecodeTarget(size_wh)), results, size_wh)
    return drawing.encode(picture, "image/jpeg", SHOWN_QUALITY)


def _layout(frame_request: ConnexionRequest, body: bytes, raw_frame: RawFrameConfig) -> RawLayout | None:
    """Return how a raw frame lies in memory; None when it is not raw, by its Content-Type.

    Raises InvalidParameterError and RawFrameError when the layout cannot be told.
    """
    headers, record = frame_request.headers, frame_request.state.record
    content_type = headers.get("content-type", "")
    if not is_raw(content_type):
        record.frame_format = format_of(body)
        return None
    record.frame_format = "raw"
    return describe(frame_request.query_params, content_type, headers, raw_frame).layout(len(body))


async def _outcome(answered: Future[R], frame_request: ConnexionRequest) -> R:
    """Wait for what becomes of a frame; raises ClientDisconnect when nobody waits for it any more.

    A frame whose caller hangs up while it is queued is dropped; one that runs is finished, and goes nowhere.
    """
    outcome = asyncio.wrap_future(answered)
    hung_up = asyncio.ensure_future(_hang_up(frame_request))
    hung_up.add_done_callback(lambda _: answered.cancel())
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


async def read_body(frame_request: ConnexionRequest, record: RequestRecord) -> bytes:
    """Return the whole body; `server/http_protocol.py` and the middleware raise what keeps it from being complete."""
    started_at = time.perf_counter()
    body: bytes = await frame_request.body()
    record.observe("read", time.perf_counter() - started_at)
    record.body_bytes = len(body)
    return body
