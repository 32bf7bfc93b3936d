"""The steps of a frame on its lane: decode → preprocess → run → postprocess → encode. One loop runs and times them.

See docs/maintainers/adr/0013.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from models.backends.runnable import Runnable
from models.errors import TOO_LITTLE_MEMORY, FrameError, OverloadedError
from models.families import Family, Feeds, Outputs
from models.frame import DecodeTarget, Frame, Pixels
from models.letterbox import Letterbox, Size
from models.order import Answered, FrameOrder, Seen
from models.repository.folder import ModelFolder
from models.results import Chained, Detection, Results, Selection
from models.scheduling.deadlines import Limit
from scene.events import Scene


@dataclass(slots=True)
class Work:
    """One frame on its lane, and its values so far; each step fills in its own.

    `is_alone`: whether no other frame is waiting or running, so that this one may use all cores. `selection`: of
    the results that postprocessing gives. `deadline`: of all that is run for the frame; None: it may take any time.
    `chained`: what chained models have said of objects; None: nothing, or they were not run. `size_wh`: of the picture
    as received, in pixels.
    """

    order: FrameOrder
    folder: ModelFolder
    is_alone: Callable[[], bool] = lambda: False
    selection: Selection | None = None
    deadline: Limit | None = None
    chained: dict[tuple[str, Detection], Chained | None] = field(default_factory=dict)
    stages_ms: dict[str, float] = field(default_factory=dict)
    frame: Frame = field(init=False)
    whole: Frame | None = None
    feeds: Feeds = field(init=False)
    letterbox: Letterbox = field(init=False)
    outputs: Outputs = field(init=False)
    results: Results = field(init=False)
    size_wh: Size = (0, 0)
    seen: Seen = field(default_factory=Seen)
    scene: Scene | None = None
    value: bytes = b""

    def run(self, steps: Sequence["Step"]) -> None:
        """Run the steps in order on the calling thread, and time each.

        Raises what they raise, and OverloadedError when memory does not suffice; a FrameError carries the times.
        """
        try:
            for step in steps:
                self._run(step)
        except FrameError as error:
            error.stages_ms = self.stages_ms
            raise

    def _run(self, step: "Step") -> None:
        started_at = time.perf_counter()
        try:
            step(self)
        except MemoryError as error:
            raise OverloadedError(TOO_LITTLE_MEMORY, "memory") from error
        finally:
            before_ms = self.stages_ms.get(step.name, 0.0)
            self.stages_ms[step.name] = round(before_ms + milliseconds_since(started_at), 3)

    def answered(self) -> Answered:
        """Return the answer, once all steps have run."""
        name, version = self.folder.name, self.folder.version
        return Answered(self.value, self.results, name, version, self.size_wh, self.stages_ms, self.seen, self.scene)


class Step(Protocol):
    """One step of the work on a frame. Thread-safe: all lanes run the same object."""

    @property
    def name(self) -> str:
        """Return the name of the stage in logs and metrics."""
        ...

    def __call__(self, work: Work) -> None:
        """Read the values of earlier steps, and add to them."""
        ...


class FrameCodec(Protocol):
    """Both ends of the steps: from the order's bytes to pixels, and from results to bytes. The caller brings it."""

    def decode(self, order: FrameOrder, target: DecodeTarget) -> Frame:
        """Return the order's frame, as the model wants it."""
        ...

    def whole(self, order: FrameOrder) -> Frame:
        """Return the order's frame with all its pixels."""
        ...

    def scaled(self, frame: Frame, target: DecodeTarget) -> Frame:
        """Return a frame that has all its pixels as the model wants it."""
        ...

    def luma(self, order: FrameOrder) -> tuple[Pixels, Size]:
        """Return the order's frame in grey and reduced, uint8 [h, w], and its size as received, in pixels."""
        ...

    def encode(self, work: Work) -> bytes:
        """Return the answer in the encoding that the order names."""
        ...


@dataclass(frozen=True, slots=True)
class Decode(Step):
    """From bytes to pixels."""

    name: ClassVar[str] = "decode"

    codec: FrameCodec
    target: DecodeTarget

    def __call__(self, work: Work) -> None:
        """Fill in the frame; raises what the codec raises."""
        work.frame = self.codec.decode(work.order, self.target)
        work.whole = work.frame if work.frame.is_whole else None
        work.size_wh = work.frame.source_size_wh


@dataclass(frozen=True, slots=True)
class Preprocess(Step):
    """From pixels to the model's inputs."""

    name: ClassVar[str] = "preprocess"

    family: Family

    def __call__(self, work: Work) -> None:
        """Fill in the feeds, and where the picture lies on the model's canvas."""
        work.feeds, work.letterbox = self.family.picture.preprocess(work.frame)


@dataclass(frozen=True, slots=True)
class Run(Step):
    """From the model's inputs to its outputs. `wide`: the same weights with all cores, for a frame that is alone."""

    name: ClassVar[str] = "run"

    session: Runnable
    wide: Runnable | None = None

    def __call__(self, work: Work) -> None:
        """Fill in the outputs; raises InferenceError and InferenceTimeoutError."""
        session = self.wide if self.wide and work.is_alone() else self.session
        work.outputs = session.run(work.feeds, work.deadline)


@dataclass(frozen=True, slots=True)
class Postprocess(Step):
    """From the model's outputs to the selected results: those that the order asks for, unless the work says others."""

    name: ClassVar[str] = "postprocess"

    family: Family

    def __call__(self, work: Work) -> None:
        """Fill in the results; raises UnknownLabelError."""
        order = work.order
        selection = work.selection or work.folder.select(order.confidence, order.labels, order.max_detections)
        work.results = self.family.postprocess(work.outputs, work.letterbox, selection)


@dataclass(frozen=True, slots=True)
class Encode(Step):
    """From results to the bytes of the answer."""

    name: ClassVar[str] = "encode"

    codec: FrameCodec

    def __call__(self, work: Work) -> None:
        """Fill in the encoded answer; raises what the codec raises."""
        work.value = self.codec.encode(work)


def milliseconds_since(started_at: float) -> float:
    """Return the wall time since a reading of time.perf_counter, to the microsecond."""
    return round((time.perf_counter() - started_at) * 1000, 3)
