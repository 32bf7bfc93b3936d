"""Tells whether anything has moved since the last frame that was run, and where.

A frame is compared with the last one that was run, not with the last one seen: so slow movement adds up until it shows.
Pixels that differ by more than light and noise explain are counted in cells. A running median of the stream, the
background, completes what has moved to whole objects, and tells the places where something is from those it has left.

The sources of the idea are Frigate's `motion/improved_motion.py` (background, boxes, 0.8 of the picture), the median of
McFarlane and Schofield (1995), and the usual robust fit by trimmed least squares.
"""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from scene.cells import boxes_xyxy, count, groups
from scene.geometry import Polygon, mask
from scene.light import Flags, Floats, Luma, fit, steepness_of

Sensitivity: TypeAlias = Literal["low", "medium", "high"]

SCENE_CHANGE = 0.8
"""The share of cells from which on another scene is assumed: camera turned, light switched, frame of another camera."""
DRIFT_PER_S = 4.0
"""Levels by which the background follows: what passes by leaves no trail, what stops is part of it in some seconds."""
FOREGROUND = 1.5
"""How much more than a change, in levels, foreground differs from the background."""
MASK_MARGIN_PX = 2
"""A codec's block spreads what changes under a mask so far beyond it, at a quarter of the size."""
SAMPLE_PX = 4
"""Every fourth pixel of every fourth row is enough to estimate the light."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What counts as change: `levels` of luma, in at least `pixels` of one cell."""

    levels: float
    pixels: int


THRESHOLDS: dict[Sensitivity, Threshold] = {"low": Threshold(16, 4), "medium": Threshold(8, 2), "high": Threshold(4, 2)}


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """How one stream's motion is found. `mask`: what lies in these polygons never counts, such as an overlaid clock.

    `refresh_s`: a frame is due for a run so long after the last one, although nothing has moved; 0: each frame is.
    """

    sensitivity: Sensitivity = "medium"
    mask: tuple[Polygon, ...] = ()
    refresh_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Motion:
    """What was found in one frame.

    `changed`: something has moved since the last frame that was run. `due`: that frame is `refresh_s` or more ago.
    `boxes_xyxy`: float32 [N, 4], around what has moved and the places that it left, as shares of the picture; none
    unless changed. `present_xyxy`: float32 [P, 4], around what has moved, where it is now; none if it has left the
    picture. N and P are at most scene.cells.MAX_GROUPS. `changed_share`: of the cells outside the mask.
    """

    changed: bool
    due: bool
    boxes_xyxy: Floats
    present_xyxy: Floats
    changed_share: float


NO_BOXES: Floats = np.empty((0, 4), np.float32)
STILL = Motion(changed=False, due=False, boxes_xyxy=NO_BOXES, present_xyxy=NO_BOXES, changed_share=0.0)


@dataclass(frozen=True, slots=True)
class _Reference:
    """The last frame that was run. `steepness`: uint8 [h, w], of each pixel; `at_s`: when it was looked at."""

    luma: Luma
    steepness: Luma
    at_s: float


class MotionGate:
    """Remembers one stream, for one model. Not for two threads at once.

    Call `look` for each frame, in order, and `ran` if that frame was then run with success: later frames are compared
    with it. Holds about ten bytes for each pixel of luma.
    """

    def __init__(self, settings: MotionSettings) -> None:
        self._settings = settings
        self._threshold = THRESHOLDS[settings.sensitivity]
        self._view = _View((), (0, 0))
        self._luma: Luma = np.empty((0, 0), np.uint8)
        self._now_s = 0.0
        self._reference: _Reference | None = None
        self._background = self._luma.astype(np.float32)

    def look(self, luma: Luma, now_s: float) -> Motion:
        """Return what has moved in a frame. `now_s`: on any clock that does not run backwards.

        The first frame, one of another size and another scene count as changed, with a box around the whole picture.
        """
        if luma.shape != self._luma.shape:
            self._view = _View(self._settings.mask, luma.shape)
            self._reference = None
            self._background = luma.astype(np.float32)
        self._learn(luma, now_s)
        if self._reference is None:
            return _everywhere(due=True, share=1.0)
        reference, levels = self._reference, self._threshold.levels
        due = max(0.0, now_s - reference.at_s) >= self._settings.refresh_s
        if self._is_like(reference):
            return replace(STILL, due=due)
        differs = self._differs(reference.luma, reference.steepness, levels)
        changed = self._cells(differs)
        share = int(np.count_nonzero(changed)) / max(1, self._view.cells)
        if not share:
            return replace(STILL, due=due)
        if share > SCENE_CHANGE:
            self._background = luma.astype(np.float32)
            return _everywhere(due=due, share=share)
        foreground = self._differs(self._background, reference.steepness, FOREGROUND * levels)
        boxes, present = self._boxes(differs | foreground, changed), self._boxes(foreground, changed)
        return Motion(changed=True, due=due, boxes_xyxy=boxes, present_xyxy=present, changed_share=share)

    def ran(self) -> None:
        """Compare later frames with the one last looked at: it was run."""
        self._reference = _Reference(self._luma, steepness_of(self._luma), self._now_s)

    def _learn(self, luma: Luma, now_s: float) -> None:
        """Remember the frame, and let the background follow it."""
        drift = np.float32(DRIFT_PER_S * max(0.0, now_s - self._now_s))
        self._background += np.clip(luma - self._background, -drift, drift)
        self._luma, self._now_s = luma.copy(), now_s

    def _is_like(self, reference: _Reference) -> bool:
        """Return whether no cell can have changed, for any change of light. True for most still frames, and cheap."""
        apart = np.maximum(self._luma, reference.luma) - np.minimum(self._luma, reference.luma)
        return int(np.count_nonzero(apart > self._threshold.levels)) < self._threshold.pixels

    def _differs(self, before: Luma | Floats, steepness: Luma, levels: float) -> Flags:
        """Return bool [h, w]: which pixels of the frame differ by more than light explains, outside the mask."""
        was, samples = before.astype(np.float32, copy=False), self._view.samples
        light = fit(was.ravel()[samples], self._luma.ravel()[samples].astype(np.float32))
        return light.leaves(was, self._luma, steepness, levels) & self._view.open

    def _cells(self, flags: Flags) -> Flags:
        """Return the cells in which enough pixels are set."""
        return count(flags) >= self._threshold.pixels

    def _boxes(self, flags: Flags, changed: Flags) -> Floats:
        """Return the boxes [N, 4] around the groups of cells in which something has changed."""
        labels = groups(self._cells(flags))
        return boxes_xyxy(flags, labels * np.isin(labels, labels[changed]))


class _View:
    """What follows from the size of luma: which pixels count.

    `open`: bool [h, w], outside the mask. `cells`: how many have such pixels. `samples`: flat indices of those from
    which the light is estimated.
    """

    def __init__(self, polygons: tuple[Polygon, ...], shape: tuple[int, ...]) -> None:
        height, width = shape
        self.open = ~_grown(mask(polygons, (width, height)), MASK_MARGIN_PX)
        self.cells = int(np.count_nonzero(count(self.open)))
        grid = np.zeros_like(self.open)
        grid[SAMPLE_PX // 2 :: SAMPLE_PX, SAMPLE_PX // 2 :: SAMPLE_PX] = True
        self.samples = np.flatnonzero(grid & self.open)


def _grown(flags: Flags, margin: int) -> Flags:
    """Return the flags with a margin in pixels around those that are set."""
    tall = flags.copy()
    for shift in range(1, margin + 1):
        tall[shift:] |= flags[:-shift]
        tall[:-shift] |= flags[shift:]
    grown = tall.copy()
    for shift in range(1, margin + 1):
        grown[:, shift:] |= tall[:, :-shift]
        grown[:, :-shift] |= tall[:, shift:]
    return grown


def _everywhere(*, due: bool, share: float) -> Motion:
    """Return what is said of a first frame, or of another scene."""
    whole: Floats = np.array([[0, 0, 1, 1]], np.float32)
    return Motion(changed=True, due=due, boxes_xyxy=whole, present_xyxy=whole, changed_share=share)
