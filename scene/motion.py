"""Tells whether anything has moved since the last frame that was run.

A frame is compared with the last one that was run, not with the last one seen: so slow movement adds up until it shows.
What all pixels have in common, a change of light or exposure, is fitted and taken out; what single pixels may differ
by follows from the noise of the whole picture and from how steep the picture is there. Pixels that differ by more are
counted in cells of 4 x 4. A running median of the stream, the background, completes what has moved to whole objects.

The sources of the idea are Frigate's `motion/improved_motion.py` (background, boxes, 0.8 of the picture), the median of
McFarlane and Schofield (1995), and the usual robust fit by trimmed least squares.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scene.geometry import Polygon, mask

Luma: TypeAlias = NDArray[np.uint8]
"""[h, w], full or limited range: the whole picture, reduced to about 100 to 200 rows."""
Floats: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]
Cell: TypeAlias = tuple[int, int]
Sensitivity: TypeAlias = Literal["low", "medium", "high"]

CELL_PX = 4
SCENE_CHANGE = 0.8
"""The share of cells from which on another scene is assumed: camera turned, light switched, frame of another camera."""
DRIFT_PER_S = 4.0
"""Levels by which the background follows: what passes by leaves no trail, what stops is part of it in some seconds."""
FOREGROUND = 1.5
"""How much more than a change, in levels, foreground differs from the background."""
NOISE = 5.0
"""Standard deviations of the picture's noise by which a pixel may differ."""
STEEPNESS = 0.15
"""The share of the difference to its neighbours by which a pixel may differ: codecs change edges most."""
MASK_MARGIN_PX = 2
"""A codec's block spreads what changes under a mask so far beyond it, at a quarter of the size."""
MAX_GAIN, MAX_OFFSET = 1.5, 40.0
"""The strongest change of light that is taken out; beyond it is another scene, such as a covered lens."""
SAMPLE_PX = 4
"""Every fourth pixel of every fourth row is enough for the fit."""
MIN_VARIANCE = 4.0
"""Of luma: a flatter picture has no gain, only an offset."""
FIT_ROUNDS = 3
MEDIAN_TO_DEVIATION = 1.4826
"""Of Gaussian noise: its standard deviation over the median of its size."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """What counts as change: `levels` of luma, in at least `pixels` of one cell."""

    levels: float
    pixels: int


THRESHOLDS: dict[Sensitivity, Threshold] = {"low": Threshold(16, 4), "medium": Threshold(8, 2), "high": Threshold(4, 2)}


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """How one stream's motion is found. `mask`: what lies in these polygons never counts, such as an overlaid clock.

    `refresh_s`: a frame is due for a run so long after the last one, although nothing has moved.
    """

    sensitivity: Sensitivity = "medium"
    mask: tuple[Polygon, ...] = ()
    refresh_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Motion:
    """What was found in one frame.

    `changed`: something has moved since the last frame that was run. `due`: that frame is `refresh_s` or more ago.
    `boxes_xyxy`: float32 [N, 4], around what has moved, as shares of the picture; none unless changed.
    `changed_share`: of the cells outside the mask.
    """

    changed: bool
    due: bool
    boxes_xyxy: Floats
    changed_share: float


STILL = Motion(changed=False, due=False, boxes_xyxy=np.empty((0, 4), np.float32), changed_share=0.0)


@dataclass(frozen=True, slots=True)
class _Reference:
    """The last frame that was run. `steepness`: uint8 [h, w], of each pixel; `at_s`: when it was looked at."""

    luma: Luma
    steepness: Luma
    at_s: float


@dataclass(frozen=True, slots=True)
class _Light:
    """How the light of one picture becomes that of another, and the standard deviation of what is left."""

    gain: float = 1.0
    offset: float = 0.0
    noise: float = 0.0


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
            return Motion(changed=True, due=True, boxes_xyxy=_whole(), changed_share=1.0)
        due = now_s - self._reference.at_s >= self._settings.refresh_s
        differs = self._differs(luma, self._reference.luma, self._threshold.levels)
        cells = _count(differs) >= self._threshold.pixels
        share = float(cells.sum()) / max(1, self._view.cells)
        if share > SCENE_CHANGE:
            self._background = luma.astype(np.float32)
            return Motion(changed=True, due=due, boxes_xyxy=_whole(), changed_share=share)
        boxes_xyxy = self._boxes(luma, differs, cells) if share else np.empty((0, 4), np.float32)
        return Motion(changed=share > 0, due=due, boxes_xyxy=boxes_xyxy, changed_share=share)

    def ran(self) -> None:
        """Compare later frames with the one last looked at: it was run."""
        self._reference = _Reference(self._luma, _steepness(self._luma), self._now_s)

    def _learn(self, luma: Luma, now_s: float) -> None:
        """Remember the frame, and let the background follow it."""
        drift = np.float32(DRIFT_PER_S * max(0.0, now_s - self._now_s))
        self._background += np.clip(luma - self._background, -drift, drift)
        self._luma, self._now_s = luma.copy(), now_s

    def _differs(self, luma: Luma, before: Luma | Floats, levels: float) -> Flags:
        """Return bool [h, w]: which pixels differ by more than `levels` that the light does not explain.

        Light explains all between a pixel as it was and as the fit predicts it: where a colour is saturated, luma
        follows the light only in part.
        """
        was = before.astype(np.float32, copy=False)
        light = _fit(was.ravel()[self._view.samples], luma.ravel()[self._view.samples].astype(np.float32))
        predicted = was * np.float32(light.gain) + np.float32(light.offset)
        slack = np.float32(max(levels, NOISE * light.noise)) + self._slack()
        low, high = np.minimum(was, predicted) - slack, np.maximum(was, predicted) + slack
        differs: Flags = ((luma > high) | (luma < low)) & self._view.open
        return differs

    def _slack(self) -> Floats:
        steepness = self._reference.steepness if self._reference else np.zeros_like(self._luma)
        return np.float32(STEEPNESS) * steepness

    def _boxes(self, luma: Luma, differs: Flags, changed_cells: Flags) -> Floats:
        """Return float32 [N, 4] around what has changed, and around the foreground that it is joined to."""
        objects = differs | self._differs(luma, self._background, FOREGROUND * self._threshold.levels)
        cells = _count(objects) >= self._threshold.pixels
        groups = [group for group in _groups(cells) if any(changed_cells[cell] for cell in group)]
        return np.array([_box(objects, group) for group in groups], np.float32)


class _View:
    """What follows from the size of luma: which pixels count.

    `open`: bool [h, w], outside the mask. `cells`: how many have such pixels. `samples`: flat indices of those from
    which the light is estimated.
    """

    def __init__(self, polygons: tuple[Polygon, ...], shape: tuple[int, ...]) -> None:
        height, width = shape
        self.open = ~_grown(mask(polygons, (width, height)), MASK_MARGIN_PX)
        self.cells = int(_count(self.open).astype(np.bool_).sum())
        grid = np.zeros_like(self.open)
        grid[SAMPLE_PX // 2 :: SAMPLE_PX, SAMPLE_PX // 2 :: SAMPLE_PX] = True
        self.samples = np.flatnonzero(grid & self.open)


def _fit(before: Floats, after: Floats) -> _Light:
    """Return the light that explains most samples; none if that would take too strong a change, or without samples."""
    if not len(before):
        return _Light()
    gain, offset = 1.0, _median(after) - _median(before)
    for _ in range(FIT_ROUNDS):
        errors = np.abs(after - before * np.float32(gain) - np.float32(offset))
        trusted = errors <= 2.5 * _median(errors) + 0.5
        gain, offset = _line(before[trusted], after[trusted])
    if not 1 / MAX_GAIN <= gain <= MAX_GAIN or abs(offset) > MAX_OFFSET:
        return _Light()
    errors = np.abs(after - before * np.float32(gain) - np.float32(offset))
    return _Light(gain, offset, MEDIAN_TO_DEVIATION * _median(errors))


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Return slope and offset of the least squares; slope 1 if x is almost constant."""
    mean_x, mean_y = float(x.mean()), float(y.mean())
    centred = x - np.float32(mean_x)
    variance = float(centred @ centred) / len(x)
    slope = float(centred @ y) / len(x) / variance if variance > MIN_VARIANCE else 1.0
    return slope, mean_y - slope * mean_x


def _median(samples: Floats) -> float:
    """Return the upper median; several times as fast as numpy's."""
    middle = len(samples) // 2
    return float(np.partition(samples, middle)[middle])


def _steepness(luma: Luma) -> Luma:
    """Return uint8 [h, w]: the largest difference of each pixel to its four neighbours."""
    down = np.maximum(luma[1:], luma[:-1]) - np.minimum(luma[1:], luma[:-1])
    right = np.maximum(luma[:, 1:], luma[:, :-1]) - np.minimum(luma[:, 1:], luma[:, :-1])
    steepness = np.zeros_like(luma)
    for part, steps in (
        (steepness[1:], down),
        (steepness[:-1], down),
        (steepness[:, 1:], right),
        (steepness[:, :-1], right),
    ):
        np.maximum(part, steps, out=part)
    return steepness


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


def _count(flags: Flags) -> NDArray[np.uint8]:
    """Return how many pixels of each cell are set: [rows, columns] of cells; the last ones may be cut off."""
    height, width = flags.shape
    rows, columns = -(-height // CELL_PX), -(-width // CELL_PX)
    padded = np.zeros((rows * CELL_PX, columns * CELL_PX), np.bool_)
    padded[:height, :width] = flags
    of_columns = padded.view(np.uint8).reshape(rows, CELL_PX, columns * CELL_PX).sum(axis=1, dtype=np.uint8)
    counts: Luma = of_columns.reshape(rows, columns, CELL_PX).sum(axis=2, dtype=np.uint8)
    return counts


def _groups(cells: Flags) -> Iterator[list[Cell]]:
    """Yield the cells that are set in groups that touch each other, by an edge or a corner."""
    left = {(row, column) for row, column in np.argwhere(cells).tolist()}
    while left:
        group = [left.pop()]
        for row, column in group:
            near = {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)} & left
            left -= near
            group.extend(near)
        yield group


def _box(flags: Flags, group: list[Cell]) -> tuple[float, float, float, float]:
    """Return the box around the pixels that are set in a group of cells, xyxy as shares."""
    height, width = flags.shape
    of_group = np.zeros_like(flags)
    for row, column in group:
        place = np.s_[row * CELL_PX : (row + 1) * CELL_PX, column * CELL_PX : (column + 1) * CELL_PX]
        of_group[place] = flags[place]
    rows, columns = np.flatnonzero(of_group.any(axis=1)), np.flatnonzero(of_group.any(axis=0))
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def _whole() -> Floats:
    return np.array([[0, 0, 1, 1]], np.float32)
