"""Frames that come over HTTP: their bodies, callers that hang up, and what the request's record says of them."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from connexion import request
from connexion.lifecycle import ConnexionRequest
from starlette.requests import ClientDisconnect

from handlers.context import Context, RequestRecord
from handlers.dataplane import DataPlane
from handlers.decoding import foreign
from handlers.decoding.description import describe, is_raw
from handlers.decoding.encoded import FORMAT_NAMES, UNKNOWN, format_of
from handlers.errors import UnsupportedMediaTypeError
from models.errors import TOO_LITTLE_MEMORY, FrameError, OverloadedError
from models.frame import RawLayout
from models.order import Answered, FrameOrder
from models.runtime.served import Model


def current_request() -> ConnexionRequest:
    """Return the request at hand."""
    frame_request: ConnexionRequest = request._get_current_object()  # noqa: SLF001  # the proxy makes one at every use
    return frame_request


async def answer(order: FrameOrder) -> bytes:
    """Return the encoded answer to an order whose frame is the body of the request at hand.

    Raises ModelsError and EdgeError, and ClientDisconnect when the caller hung up and nobody else needs the frame.
    """
    frame_request = current_request()
    context: Context = frame_request.state.context
    record: RequestRecord = frame_request.state.record
    order = _of_caller(frame_request, order)
    record.model = context.dataplane.find_model(order).name
    context.dataplane.refuse_unknown_labels(order)
    body = await read_body(frame_request)
    layout = _layout(frame_request, body, context.dataplane.find_model(order))  # another version may serve by now
    return await infer(frame_request, replace(order, body=body, layout=layout))


async def infer(frame_request: ConnexionRequest, order: FrameOrder) -> bytes:
    """Return the encoded answer to a complete order, and fill in the request's record.

    Raises ModelsError and EdgeError, and ClientDisconnect when the caller hung up and nobody else needs the frame.
    """
    context: Context = frame_request.state.context
    record: RequestRecord = frame_request.state.record
    order = _of_caller(frame_request, order)
    outcome, is_dropped = await (
        _outcome(context.dataplane, order, record)
        if order.stream
        else _awaited_outcome(context.dataplane, order, frame_request)
    )
    record.stages_ms.update(_stages_ms(outcome))
    if is_dropped:
        raise ClientDisconnect
    answered = outcome.result()
    record.detections, record.dropped = answered.results.count, answered.results.dropped
    record.outcome = answered.seen.outcome
    if order.stream:
        context.dataplane.show(order, answered)
    return answered.value


def _of_caller(frame_request: ConnexionRequest, order: FrameOrder) -> FrameOrder:
    """Return an order as one of the request's model, stream and caller, with what is set for that stream."""
    context: Context = frame_request.state.context
    model = context.engine.served.find(context.model_for(frame_request.scope)).name
    stream, caller = frame_request.state.stream, frame_request.state.caller
    return context.dataplane.with_settings(replace(order, model=model, stream=stream, caller=caller))


def _layout(frame_request: ConnexionRequest, body: bytes, model: Model) -> RawLayout | None:
    """Return how a raw frame lies in its body; None when it is not raw, by its Content-Type.

    Raises InvalidParameterError and RawFrameError when the layout is not known, and UnsupportedMediaTypeError when
    neither the Content-Type nor the bytes are those of a frame.
    """
    headers, record = frame_request.headers, frame_request.state.record
    content_type = headers.get("content-type", "")
    if not is_raw(content_type):
        record.frame_format = format_of(body)
        if record.frame_format == UNKNOWN and body and frame_request.state.is_unlisted_type:
            raise UnsupportedMediaTypeError(foreign.refusal(body, FORMAT_NAMES))
        return None
    record.frame_format = "raw"
    description = describe(frame_request.query_params, content_type, headers, model.folder.config.raw_frame)
    return description.layout(len(body))


async def _outcome(
    frames: DataPlane, order: FrameOrder, record: RequestRecord
) -> tuple[asyncio.Future[Answered], bool]:
    """Wait until the frame of a stream is answered or given up; return the outcome, and that it is of use.

    Some clients hang up once they have sent a frame; those who watch its stream, and its state, need it all the same.
    """
    record.queued_at = time.perf_counter()
    outcome = asyncio.wrap_future(frames.infer(order))
    await asyncio.wait([outcome])
    return outcome, False


async def _awaited_outcome(
    frames: DataPlane, order: FrameOrder, frame_request: ConnexionRequest
) -> tuple[asyncio.Future[Answered], bool]:
    """Wait until the frame of no stream is answered or given up; return the outcome, and whether its caller hung up.

    A frame whose caller hangs up before it runs is dropped; one that runs is finished, and its answer discarded.
    """
    hung_up = asyncio.ensure_future(_wait_for_hang_up(frame_request))
    try:
        await asyncio.sleep(0)  # the caller may have hung up already
        if hung_up.done():
            raise ClientDisconnect
        frame_request.state.record.queued_at = time.perf_counter()
        answered = frames.infer(order)
        hung_up.add_done_callback(lambda _: answered.cancel())
        outcome = asyncio.wrap_future(answered)
        await asyncio.wait([outcome])
        return outcome, hung_up.done()
    finally:
        hung_up.cancel()


async def _wait_for_hang_up(frame_request: ConnexionRequest) -> None:
    while (await frame_request.receive())["type"] != "http.disconnect":
        pass


def _stages_ms(outcome: asyncio.Future[Answered]) -> Mapping[str, float]:
    """Return the times of the stages that a frame went through, whatever became of it."""
    if outcome.cancelled():
        return {}
    error = outcome.exception()
    if error is None:
        return outcome.result().stages_ms
    return error.stages_ms if isinstance(error, FrameError) else {}


async def read_body(frame_request: ConnexionRequest) -> bytes:
    """Return the whole body; `server/wire/http_protocol.py` and the middleware raise what makes it incomplete."""
    record: RequestRecord = frame_request.state.record
    record.read_at = started_at = time.perf_counter()
    try:
        body: bytes = await frame_request.body()
    except MemoryError as error:
        raise OverloadedError(TOO_LITTLE_MEMORY, "memory") from error
    record.stages_ms["read"] = round((time.perf_counter() - started_at) * 1000, 3)
    record.body_bytes = len(body)
    return body
