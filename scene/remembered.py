"""Which regions of a stream's next picture to look at, and the objects that stand still outside of them."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from scene.regions import (
    HELD_WITHIN,
    NOTHING,
    SIDE_PX,
    WHOLE,
    Flags,
    Floats,
    Found,
    area_xyxy,
    around,
    cut_by,
    grid,
    merge,
    shared_area,
)

Boxes: TypeAlias = Floats | NDArray[np.float32]

TOUCHED = 0.1
"""An object moves if more than this share of it, or of the motion, is common to both."""
SURE = 0.5
"""The lowest confidence, 0..1, of an object that gets a region although nothing moves there."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a stream's regions are chosen.

    `side_px`: of a square region, in pixels of the source. `at_most`: regions of one picture. `refresh_s`: the whole
    picture is looked at at least this often.
    """

    side_px: int = SIDE_PX
    at_most: int = 6
    refresh_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to look at in one picture.

    `regions_xyxy` [R, 4]: shares of the picture; R is 0 if nothing moves. `moving_xyxy` [M, 4]: what moves.
    `is_refresh`: whether all objects are judged anew.
    """

    regions_xyxy: Floats
    moving_xyxy: Floats
    is_refresh: bool


class Remembered:
    """The objects of one stream. Not thread-safe; the caller brings the times, in seconds of one clock."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._refreshed_at_s: float | None = None
        self.found = NOTHING

    def plan(self, moving_xyxy: Boxes, present_xyxy: Boxes, source_wh: tuple[int, int], now_s: float) -> Plan:
        """Return what to look at, given what moves [M, 4]; changes nothing.

        `present_xyxy` [P, 4]: where that is now, without the places that it left. `source_wh`: in pixels.
        Known objects with motion in them are held whole: one may have left, another stands still behind it. A refresh
        looks at the whole picture, and closer at all known objects.
        """
        rules, known = self._rules, self.found
        moving_xyxy = np.asarray(moving_xyxy, np.float64)
        is_refresh = self._refreshed_at_s is None or now_s - self._refreshed_at_s >= rules.refresh_s
        asked = (known.confidences >= SURE) & (is_refresh | moves(known.boxes_xyxy, moving_xyxy))
        targets = np.concatenate([np.asarray(present_xyxy, np.float64), known.boxes_xyxy[asked]])
        regions = around(targets, source_wh, rules.side_px, rules.at_most - is_refresh)
        if is_refresh and not (len(regions) and (regions[0] == WHOLE).all()):
            regions = np.concatenate([WHOLE, regions])
        return Plan(regions, moving_xyxy, is_refresh)

    def update(self, plan: Plan, founds: list[Found], now_s: float) -> Found:
        """Return the objects of the picture, most confident first, and remember them.

        `founds`: what was found in each region of the plan. Objects that stand still stay if no region held them.
        """
        still = NOTHING if plan.is_refresh else self.found.at(~_judged(self.found.boxes_xyxy, plan))
        self.found = merge([*founds, still], np.concatenate([plan.regions_xyxy, WHOLE]))
        if plan.is_refresh:
            self._refreshed_at_s = now_s
        return self.found


class Grid:
    """Looks at the whole picture and at tiles that cover it, in every picture; so it remembers nothing."""

    def __init__(self, columns: int, rows: int, overlap: float) -> None:
        tiles_xyxy = grid(columns, rows, overlap)
        self._regions_xyxy = np.concatenate([WHOLE, tiles_xyxy]) if len(tiles_xyxy) > 1 else WHOLE

    def plan(self, moving_xyxy: Boxes, *_: object) -> Plan:
        """Return the same tiles for every picture."""
        return Plan(self._regions_xyxy, np.asarray(moving_xyxy, np.float64), is_refresh=True)

    def update(self, plan: Plan, founds: list[Found], now_s: float) -> Found:  # noqa: ARG002
        """Return the objects of the picture, most confident first."""
        return merge(founds, plan.regions_xyxy)


def moves(boxes_xyxy: Floats, moving_xyxy: Floats) -> Flags:
    """Return [N] which boxes have motion [M, 4] in them."""
    smaller = np.minimum(area_xyxy(boxes_xyxy)[:, None], area_xyxy(moving_xyxy))
    touched: Flags = np.any(shared_area(boxes_xyxy, moving_xyxy) > TOUCHED * smaller, axis=1)
    return touched


def _judged(boxes_xyxy: Floats, plan: Plan) -> Flags:
    """Return [N] which objects this picture's regions say anew: those that move, and those held by a square region.

    The whole picture may be too coarse for one that stands still. Near a square's edge it may be found cut, and so not
    count.
    """
    judged = moves(boxes_xyxy, plan.moving_xyxy)
    for region_xyxy in plan.regions_xyxy:
        if not (region_xyxy == WHOLE).all():
            judged |= ~cut_by(region_xyxy, boxes_xyxy, HELD_WITHIN)
    return judged
