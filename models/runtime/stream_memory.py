"""What is remembered of streams between frames.

It is bounded, and forgotten when no frame has come for a while, as soon as another stream's frame comes. The frames of
a stream reach its memory one at a time and in the order of their arrival, because lanes run them so: `Lanes.submit`
with a `sequence`.
"""

import threading
import time
from collections.abc import Callable, Sequence
from random import Random

from models.boxes import BoxXyxy
from models.letterbox import WHOLE, Size
from models.order import FrameOrder, Seen
from models.results import Chained, Detection, Results
from scene.followed import Followed
from scene.light import Luma
from scene.motion import STILL, Motion, MotionGate
from scene.regions import NOTHING, Floats
from scene.settings import StreamSettings

MAX_STREAMS = 256
"""Above this number, the stream with the oldest last frame is forgotten."""
EXPIRY_S = 60.0
"""After its last frame, a stream is forgotten."""
CHANCE = Random()  # noqa: S311  # names objects and keeps no secrets


class StreamMemory:
    """What is remembered of one stream, for one model.

    `gate`: finds motion, and `motion` is the last it found; none without a gate. `objects`: chooses regions, and
    remembers what is outside of them; None: the whole picture is run. `kept`: the last results, before any request's
    selection; None before the first. `chained`: what chained models said of objects among them; None: nothing.
    `floor`: less confident results were not kept. `followed`: the objects that are followed; None: none are.
    `begun_at_s`: when its first frame was taken.

    `labels`: of the model; None: for a frame of no stream, in which nobody is followed.
    """

    def __init__(self, settings: StreamSettings, labels: Sequence[str] | None = None, begun_at_s: float = 0) -> None:
        self.begun_at_s = begun_at_s
        self.settings = settings
        self.gate = MotionGate(settings.motion_rules)
        self.motion = STILL
        self._size_wh = 0, 0
        self.objects = settings.regions_chooser()
        self.kept: Results | None = None
        self.chained: dict[tuple[str, Detection], Chained | None] = {}
        self.floor = 1.0
        is_followed = settings.follows and labels is not None
        self.followed = Followed(settings.follow_rules, labels or (), _new_id) if is_followed else None

    @property
    def restless_xyxy(self) -> Floats:
        """Return [R, 4]: where objects are that are followed and must be looked at, in shares of the picture."""
        return NOTHING.boxes_xyxy if self.followed is None else self.followed.restless_xyxy

    @property
    def needs_run(self) -> bool:
        """Return whether a frame must be run even if nothing has moved, for the objects that are followed.

        Those that one frame alone has shown need another, unless regions remember them: a square may miss what the
        whole picture shows.
        """
        if self.followed is None:
            return False
        return len(self.followed.restless_xyxy) > 0 or (self.objects is None and not self.followed.is_confirmed)

    def look(self, luma: Luma, size_wh: Size, now_s: float) -> Motion:
        """Return what has moved in a frame. Pictures of two sizes may have luma of one: they are not compared."""
        if size_wh != self._size_wh:
            self.gate, self._size_wh = MotionGate(self.settings.motion_rules), size_wh
        self.motion = self.gate.look(luma, now_s)
        return self.motion

    def lower_floor(self, confidence: float) -> None:
        """Keep results of this confidence from now on, too; if they were not kept so far, the next frame is run."""
        if confidence < self.floor:
            self.floor, self.kept = confidence, None
            self.objects = self.settings.regions_chooser()

    def keep(self, results: Results, seen: Seen) -> None:
        """Keep all results of a frame that was run; of what chained models said, that of objects not looked at."""
        regions_xyxy = (WHOLE,) if seen.outcome == "run" else seen.regions_xyxy
        unseen = {each for each in results.detections if not any(_overlap(each.box_xyxy, one) for one in regions_xyxy)}
        self.chained = {key: chained for key, chained in self.chained.items() if key[1] in unseen}
        self.kept = results
        if self.settings.looks:
            self.gate.ran()


class StreamMemories:
    """What is remembered of one model's streams, oldest last frame first. Thread-safe.

    `clock`: monotonic seconds.
    """

    def __init__(
        self,
        max_streams: int = MAX_STREAMS,
        expiry_s: float = EXPIRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_streams, self._expiry_s, self._clock = max_streams, expiry_s, clock
        self._memories: dict[str, tuple[StreamMemory, float]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many streams are remembered."""
        return len(self._memories)

    def of(self, order: FrameOrder, settings: StreamSettings, labels: Sequence[str]) -> StreamMemory:
        """Return the memory of a stream whose frame is being processed.

        A new one when its settings have changed, or when it was to be forgotten. `labels`: of the model.
        """
        stream = order.stream
        now = self._clock()
        with self._lock:
            self._forget_expired(now)
            memory, _ = self._memories.pop(stream, (None, 0.0))
            if memory is None or memory.settings != settings or memory.begun_at_s < order.begun_at_s:
                memory = StreamMemory(settings, labels, order.taken_at_s)
            if len(self._memories) >= self._max_streams:
                del self._memories[next(iter(self._memories))]
            self._memories[stream] = memory, now
        return memory

    def _forget_expired(self, now: float) -> None:
        while self._memories:
            oldest, (_, seen_at) = next(iter(self._memories.items()))
            if now - seen_at < self._expiry_s:
                return
            del self._memories[oldest]


def _new_id() -> str:
    """Return an identifier: unique, but no secret."""
    return f"{CHANCE.getrandbits(128):032x}"


def _overlap(box_xyxy: BoxXyxy, other_xyxy: BoxXyxy) -> bool:
    left, top, right, bottom = box_xyxy
    return left < other_xyxy[2] and other_xyxy[0] < right and top < other_xyxy[3] and other_xyxy[1] < bottom
