"""The order for one frame, and the answer to it: plain data, so that a lane may be a thread or another process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from models.boxes import BoxXyxy
from models.frame import Body, RawLayout
from models.letterbox import Size
from models.results import Results
from scene.events import Scene
from scene.settings import StreamSettings

Outcome: TypeAlias = Literal["run", "regions", "repeated"]
"""How a frame was answered: by a run on the whole picture; by runs on regions of it; without a run, since nothing had
moved."""


@dataclass(frozen=True, slots=True)
class FrameOrder:
    """One frame and everything requested for it. Holds no callable.

    `body`: the bytes as received. `layout`: how the pixels of a raw frame lie in the body; None for encoded pictures.
    `upright`: turn an encoded picture as its EXIF orientation says; boxes then relate to the turned picture.
    `model`: its name; None for the default model. `encoding`: how to encode the answer, a row of the engine's encoders.
    `confidence`: lowest confidence reported, 0..1; `labels`: the only ones reported; `max_detections`: most results
    reported; None means: as the model is configured. `stream`: the name of the frame's stream, whose state it reaches
    in the order of arrival; empty for no stream. `settings`: those of that stream; None: it has none.
    `taken_at_s`: when the frame was taken, in seconds of the stream's clock. `begun_at_s`: what the stream remembers of
    frames taken before is forgotten. `caller`: whose turn the frame waits for.

    An order names no version of the model: nothing in it depends on one, so any version can answer it.
    """

    body: Body = b""
    layout: RawLayout | None = None
    upright: bool = False
    model: str | None = None
    encoding: str = "none"
    confidence: float | None = None
    labels: Sequence[str] | None = None
    max_detections: int | None = None
    stream: str = ""
    settings: StreamSettings | None = None
    taken_at_s: float = 0
    begun_at_s: float = 0
    caller: str = ""

    @property
    def remembers(self) -> bool:
        """Return whether the answer depends on earlier frames of the stream."""
        return bool(self.stream) and self.settings is not None and self.settings.remembers


@dataclass(frozen=True, slots=True)
class Seen:
    """What was looked at in a frame.

    `regions_xyxy`: the parts of the picture that were run, the whole picture being one. `moving_xyxy`: around what had
    moved since the last frame that was run. Both as shares of the picture.
    """

    outcome: Outcome = "run"
    regions_xyxy: tuple[BoxXyxy, ...] = ()
    moving_xyxy: tuple[BoxXyxy, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to one frame.

    `value`: the encoded answer; empty when nothing was found, or nothing was to be encoded. `model` and `version`: what
    answered. `size_wh`: (width, height) of the picture as received, or as turned for the order, in pixels.
    `stages_ms`: stage → wall time in milliseconds, in the order in which they ran. `seen`: what was looked at.
    `scene`: what is known of the stream's objects, and what has happened; None: they are not followed.
    """

    value: bytes
    results: Results
    model: str
    version: str
    size_wh: Size
    stages_ms: Mapping[str, float]
    seen: Seen = field(default_factory=Seen)
    scene: Scene | None = None
