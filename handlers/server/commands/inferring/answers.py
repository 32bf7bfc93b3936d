"""Frames → answers, in the order of the frames, as many at once as there are lanes."""

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from handlers.dataplane import DataPlane
from handlers.errors import ConfigurationError, EdgeError
from handlers.server.commands.inferring.annotated import Annotated
from handlers.server.commands.inferring.sources import Shot, Source
from models.errors import InferenceError, ModelsError
from models.order import Answered, FrameOrder

ERRORS = (OSError, EdgeError, ModelsError, ConfigurationError)
"""What goes wrong with one file and leaves the others alone."""
TIME_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """A frame, what was ordered for it, and the answer to come; of a shot with an error, that error."""

    shot: Shot
    order: FrameOrder
    answered: Future[Answered]


def answer_in_order(dataplane: DataPlane, order: FrameOrder, shots: Iterable[Shot]) -> Iterator[Outcome]:
    """Yield the outcome of each frame, answered. Holds one frame per lane, and one more."""
    lanes = dataplane.find_model(order).lanes.count
    in_flight: deque[Outcome] = deque()
    for shot in shots:
        if len(in_flight) == lanes:
            yield in_flight.popleft()
        its_order = _order_for(order, shot)
        in_flight.append(Outcome(shot, its_order, _failed(shot.error) if shot.error else dataplane.infer(its_order)))
    yield from in_flight


def _failed(error: Exception) -> Future[Answered]:
    future: Future[Answered] = Future()
    future.set_exception(error)
    return future


def _order_for(order: FrameOrder, shot: Shot) -> FrameOrder:
    """Return the order for one frame. With stream settings, a video is a stream, and a picture is a frame of none."""
    is_stream = order.settings is not None and shot.time_s is not None
    stream = f"{id(shot.source)}" if is_stream else ""  # a file that is named twice is two streams
    return replace(order, body=shot.body, layout=shot.layout, stream=stream, taken_at_s=shot.time_s or 0)


def record_of(outcome: Outcome, annotated: Annotated | None) -> dict[str, Any]:
    """Wait for the answer, draw it if it is to be drawn, and return what is to be reported."""
    shot = outcome.shot
    place: dict[str, Any] = {"file": str(shot.source)}
    if shot.time_s is not None:
        place |= {"frame": shot.number, "time": round(shot.time_s, TIME_DECIMALS)}
    try:
        return place | _answer(outcome, annotated)
    except ERRORS as error:
        if isinstance(error, InferenceError):
            print(f"framehook: {shot.source}: {error.__cause__}", file=sys.stderr)
        return place | {"error": _sentence(error)}


def _answer(outcome: Outcome, annotated: Annotated | None) -> dict[str, Any]:
    answered = outcome.answered.result()
    answer: dict[str, Any] = json.loads(answered.value or b'{"inferences": []}')
    if outcome.order.settings:
        answer = {"outcome": answered.seen.outcome, **answer}
    path = annotated.add(outcome.order, answered, outcome.shot.time_s) if annotated else None
    return {**answer, "annotated": path} if path else answer


def fault_at_the_end(annotated: Annotated, source: Source) -> dict[str, Any] | None:
    """End what was drawn of a source; return what is to be reported if that fails."""
    try:
        annotated.close()
    except OSError as error:
        return {"file": str(source), "error": _sentence(error)}
    return None


def _sentence(error: Exception) -> str:
    """Return what is wrong, for a person."""
    if isinstance(error, OSError):
        return f"The file cannot be read or written: {error.strerror or error}."
    return str(error)
