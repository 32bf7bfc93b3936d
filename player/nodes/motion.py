"""Finds motion, and passes on the frames that show it.

Of a camera's frames, a few a second are looked at. Each is compared with the last one that showed motion, or with one
of ten seconds ago: so slow movement adds up until it shows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from player.flow import Finding, Frame, Inference, Item, Picture
from player.nodes.frame_rate import Rate
from player.nodes.protocol.boxes import box_of
from scene.geometry import BoxXyxy
from scene.light import Luma
from scene.motion import MotionGate, MotionSettings, Sensitivity

LOOKS_PER_S = 5.0
ROWS = 128
"""The height to which pictures are reduced."""
GAP_S = 10.0
"""After a longer time without a frame there is nothing to compare with: the light has changed, or the camera."""
ROUNDING_S = 1e-3
"""By so much, a window may be shorter: capture times are rounded."""
MAX_BOXES = 32
"""Of one event."""


@dataclass(frozen=True, slots=True)
class MotionRules:
    """How motion is found and reported.

    `has_boxes`: whether events say where. `window_s`: there is at most one event in so long; 0: one for each frame that
    is looked at and shows motion.
    """

    sensitivity: Sensitivity = "medium"
    has_boxes: bool = True
    window_s: float = 1.0


class MotionDetection:
    """Passes on the frames that show motion; some of them have it among their findings. `name`: of the node.

    A frame between two that are looked at goes on if the one before showed motion. The first frame shows none, nor does
    the first of another size, or after a gap. The first motion is reported at once; what moves in the window after it
    is merged into the next event, if motion lasts until then. Boxes that overlap are merged into one.
    """

    def __init__(self, name: str, rules: MotionRules | None = None) -> None:
        self._name, self._rules = name, rules or MotionRules()
        self._rate = Rate(LOOKS_PER_S)
        self._gate: MotionGate | None = None
        self._shape: tuple[int, ...] = ()
        self._looked_at_s = 0.0
        self._is_moving = False
        self._windows = _Windows(self._rules.window_s)

    def take(self, item: Item, port: int) -> Iterator[Item]:  # noqa: ARG002, a node has one input
        """Yield a frame that shows motion."""
        if not isinstance(item, Frame):
            yield item
            return
        if item.picture is not None and self._rate.is_due(item.at_s):
            boxes_xyxy = self._look(_reduced(item.picture), item.at_s)
            self._is_moving = bool(boxes_xyxy)
            reported = self._windows.report(boxes_xyxy, item.at_s)
            if reported:
                item = replace(item, findings=(*item.findings, Finding(self._name, self._inferences(reported))))
        if self._is_moving:
            yield item

    def _look(self, luma: Luma, at_s: float) -> list[BoxXyxy]:
        """Return the boxes around what moves; there are some if anything does."""
        is_first = self._gate is None or luma.shape != self._shape or at_s - self._looked_at_s > GAP_S
        if self._gate is None or is_first:
            self._gate = MotionGate(MotionSettings(self._rules.sensitivity))
        self._shape, self._looked_at_s = luma.shape, at_s
        motion = self._gate.look(luma, at_s)
        if motion.changed or motion.due:
            self._gate.ran()
        if is_first:
            return []
        boxes = motion.present_xyxy if len(motion.present_xyxy) else motion.boxes_xyxy
        return [(left, top, right, bottom) for left, top, right, bottom in boxes.tolist()]

    def _inferences(self, boxes_xyxy: list[BoxXyxy]) -> tuple[Inference, ...]:
        if not self._rules.has_boxes:
            return ({"type": "motion", "motion": {}},)
        boxes = filter(None, map(box_of, boxes_xyxy))
        return tuple({"type": "motion", "motion": {"box": box}} for box in boxes)


class _Windows:
    """Merges what moves within a window into one event."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._reported_at_s = float("-inf")
        self._pending: list[BoxXyxy] = []

    def report(self, boxes_xyxy: list[BoxXyxy], at_s: float) -> list[BoxXyxy]:
        """Return the boxes of an event that is due now; none if none is. `boxes_xyxy`: of what moves now."""
        if not boxes_xyxy:
            self._pending = []
            return []
        self._pending = _merged([*self._pending, *boxes_xyxy])
        if at_s - self._reported_at_s < self._window_s - ROUNDING_S:
            return []
        reported, self._pending = self._pending, []
        self._reported_at_s = at_s
        return reported


def _merged(boxes_xyxy: list[BoxXyxy]) -> list[BoxXyxy]:
    """Return boxes of which no two overlap, around all of these; one around everything if they are too many."""
    merged: list[BoxXyxy] = []
    for box in boxes_xyxy:
        joined, apart = box, merged
        while touching := [other for other in apart if _overlap(joined, other)]:
            apart = [other for other in apart if other not in touching]
            joined = _around([joined, *touching])
        merged = [*apart, joined]
    return merged if len(merged) <= MAX_BOXES else [_around(merged)]


def _overlap(one: BoxXyxy, other: BoxXyxy) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _around(boxes_xyxy: list[BoxXyxy]) -> BoxXyxy:
    lefts, tops, rights, bottoms = zip(*boxes_xyxy, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _reduced(picture: Picture) -> Luma:
    width, height = picture.size_wh
    rows = min(ROWS, height)
    return picture.luma((max(1, round(width * rows / height)), rows))
