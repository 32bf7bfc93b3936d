"""The order for one frame, and the answer to it: plain data, so that a lane may be a thread or another process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.frame import Body, RawLayout
from models.letterbox import Size
from models.results import Results


@dataclass(frozen=True, slots=True)
class FrameOrder:
    """One frame and everything requested for it. Holds no callable.

    `body`: the bytes as received. `layout`: how the pixels of a raw frame lie in the body; None for encoded pictures.
    `model`: its name; None for the default model. `encoding`: how to encode the answer, a row of the engine's encoders.
    `confidence`: lowest confidence reported, 0..1; `labels`: the only ones reported; `max_detections`: most results
    reported; None means: as the model is configured. `stream`: the name of the frame's stream, whose state it reaches
    in the order of arrival; empty for no stream. `caller`: whose turn the frame waits for.

    An order names no version of the model: nothing in it depends on one, so any version can answer it.
    """

    body: Body = b""
    layout: RawLayout | None = None
    model: str | None = None
    encoding: str = "none"
    confidence: float | None = None
    labels: Sequence[str] | None = None
    max_detections: int | None = None
    stream: str = ""
    caller: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to one frame.

    `value`: the encoded answer; empty when nothing was found, or nothing was to be encoded. `model` and `version`: what
    answered. `size_wh`: (width, height) of the picture as received, in pixels. `stages_ms`: stage → wall time in
    milliseconds, in the order in which they ran.
    """

    value: bytes
    results: Results
    model: str
    version: str
    size_wh: Size
    stages_ms: Mapping[str, float]
