"""The parts of a picture that a model sees one by one, and one list of objects from all of them.

Small objects are lost when a whole picture is reduced to a model's input. Boxes and regions are float64 [N, 4]:
left, top, right, bottom as shares 0..1 of the whole picture; N may be 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Ids: TypeAlias = NDArray[np.intp]
Notes: TypeAlias = NDArray[np.object_]
Index: TypeAlias = NDArray[np.intp] | Flags

WHOLE: Floats = np.array([[0.0, 0.0, 1.0, 1.0]])
"""The region that is the whole picture."""
NO_BOXES: Floats = np.empty((0, 4))

MARGIN = 0.1
"""Left free around a box inside its region, as a share of the box's longer side: motion shows less than the object."""
SIDE_PX = 312
"""The side of a square region, in pixels of the source, unless settings say otherwise."""

TINY = 1e-9
"""Keeps a mean defined where all confidences are 0."""
CUT_WITHIN = 0.01
"""A box that ends this near to its region's edge, as a share of the region's side, may go on behind it."""
HELD_WITHIN = 3 * CUT_WITHIN
"""A box that ends nearer to its region's edge may be found cut, since boxes of one object differ from run to run."""
SAME_IOU = 0.4
"""Two boxes with more than this intersection over union are of one object."""


@dataclass(frozen=True, slots=True)
class Found:
    """N objects. `boxes_xyxy` [N, 4]: shares of the whole picture. `class_ids` [N]; `confidences` [N]: 0..1.

    `notes` [N]: what else is known of each, kept with it; None: nothing.
    """

    boxes_xyxy: Floats
    class_ids: Ids
    confidences: Floats
    notes: Notes | None = None

    def at(self, index: Index) -> "Found":
        """Return the objects with these indices, or those where the mask is True."""
        return Found(self.boxes_xyxy[index], self.class_ids[index], self.confidences[index], self.each_note[index])

    @property
    def each_note(self) -> Notes:
        """Return the notes, None for each where there are none."""
        return np.full(len(self.class_ids), None, object) if self.notes is None else self.notes


NOTHING = Found(NO_BOXES, np.empty(0, np.intp), np.empty(0))


def joined(founds: Sequence[Found]) -> Found:
    """Return all objects of several finds, in order."""
    all_of = (NOTHING, *founds)
    return Found(
        np.concatenate([found.boxes_xyxy for found in all_of]),
        np.concatenate([found.class_ids for found in all_of]),
        np.concatenate([found.confidences for found in all_of]),
        np.concatenate([found.each_note for found in all_of]),
    )


def grid(columns: int, rows: int, overlap: float) -> Floats:
    """Return equal tiles [columns * rows, 4] that cover the picture, row by row.

    `overlap`: the share 0..1 of a tile's side that it has in common with its neighbour; below 1.
    """
    xs, ys = _spans(columns, overlap), _spans(rows, overlap)
    return np.array([(left, top, right, bottom) for top, bottom in ys for left, right in xs])


def _spans(count: int, overlap: float) -> list[tuple[float, float]]:
    side = 1 / (count - (count - 1) * overlap)
    starts = [number * side * (1 - overlap) for number in range(count)]
    return [(start, min(start + side, 1.0)) for start in starts]


def around(boxes_xyxy: Floats, source_wh: tuple[int, int], side_px: int, at_most: int) -> Floats:
    """Return at most `at_most` square regions [R, 4], of whole pixels, that hold the boxes uncut, each with a margin.

    A greedy cover: the region that holds most boxes comes first. A region is narrower only where the picture is.
    Boxes too large for a region, and those left over, get the whole picture, as the first region. No boxes: none.
    """
    size_wh = np.array(source_wh)
    inside_px = np.clip(boxes_xyxy, 0, 1) * np.tile(size_wh, 2)
    lengths = (inside_px[:, 2:] - inside_px[:, :2]).max(axis=1, initial=0)
    margins = np.maximum(MARGIN * lengths, HELD_WITHIN * side_px)[:, None]
    starts = np.floor(np.maximum(inside_px[:, :2] - margins, 0))
    ends = np.ceil(np.minimum(inside_px[:, 2:] + margins, size_wh))
    left_px = np.concatenate([starts, ends], axis=1)[(ends - starts <= side_px).all(axis=1)]
    is_whole_needed = len(left_px) < len(boxes_xyxy)
    regions_px: list[Floats] = []
    while len(left_px) and len(regions_px) < at_most:
        region_px, held = _fullest(left_px, np.minimum(side_px, size_wh), size_wh)
        regions_px.append(region_px)
        left_px = left_px[~held]
    regions: Floats = np.array(regions_px).reshape(-1, 4) / np.tile(size_wh, 2)
    if is_whole_needed or len(left_px):
        regions = np.concatenate([WHOLE, regions[: at_most - 1]])
    return regions


def _fullest(boxes_px: Floats, side_wh: NDArray[np.intp], size_wh: NDArray[np.intp]) -> tuple[Floats, Flags]:
    """Return the region that holds most of the boxes, in pixels, and which ones [N] it holds. Each box fits into one.

    A region can be moved until its left and its top edge meet boxes that it holds: only those places are tried.
    """
    start_xy = np.minimum(boxes_px[:, :2], size_wh - side_wh)
    in_columns = _between(boxes_px[:, [0, 2]], start_xy[:, 0], side_wh[0])
    in_rows = _between(boxes_px[:, [1, 3]], start_xy[:, 1], side_wh[1])
    counts = in_columns.astype(np.intp) @ in_rows.T.astype(np.intp)
    column, row = np.unravel_index(counts.argmax(), counts.shape)
    held = in_columns[column] & in_rows[row]
    return _centred(boxes_px[held], side_wh, size_wh), held


def _between(spans: Floats, starts: Floats, side: float) -> Flags:
    """Return [starts, spans]: whether the span lies in start..start + side."""
    return (spans[:, 0] >= starts[:, None]) & (spans[:, 1] <= starts[:, None] + side)


def _centred(boxes_px: Floats, side_wh: NDArray[np.intp], size_wh: NDArray[np.intp]) -> Floats:
    """Return the region with the boxes in its middle, moved into the picture."""
    starts, ends = boxes_px[:, :2].min(axis=0), boxes_px[:, 2:].max(axis=0)
    start_xy = np.clip(np.floor((starts + ends - side_wh) / 2), 0, size_wh - side_wh)
    return np.concatenate([start_xy, start_xy + side_wh])


def merge(founds: Sequence[Found], regions_xyxy: Floats) -> Found:
    """Return each object once, most confident first, from what was found in each of the regions [R, 4].

    An object that a region's edge cuts counts only in another region, which holds it uncut; the whole picture is one.
    """
    uncut = [
        found.at(~cut_by(region_xyxy, found.boxes_xyxy))
        for found, region_xyxy in zip(founds, regions_xyxy, strict=True)
    ]
    areas = (regions_xyxy[:, 2:] - regions_xyxy[:, :2]).prod(axis=1)
    sharpness = np.repeat(1 / areas, [len(found.class_ids) for found in uncut])
    found = joined(uncut)
    order = np.argsort(-found.confidences, kind="stable")
    return _each_once(found.at(order), sharpness[order])


def cut_by(region_xyxy: Floats, boxes_xyxy: Floats, within: float = CUT_WITHIN) -> Flags:
    """Return [N] whether a box found in the region may go on behind its edge. The picture's own edges cut nothing.

    `within`: how near to the edge, as a share of the region's side.
    """
    sides = np.tile(region_xyxy[2:] - region_xyxy[:2], 2)
    inwards = (boxes_xyxy - region_xyxy) * (1, 1, -1, -1)
    is_inner = ~np.isclose(region_xyxy, WHOLE[0])
    is_cut: Flags = ((inwards < within * sides) & is_inner).any(axis=1)
    return is_cut


def _each_once(found: Found, sharpness: Floats) -> Found:
    """Return sorted objects, each once: with its highest confidence and the notes of that, in the mean of its boxes.

    `sharpness` [N]: how sharp the picture was in which the box was found; it and the confidence weigh the mean.
    """
    same = iou_xyxy(found.boxes_xyxy, found.boxes_xyxy) > SAME_IOU
    same &= found.class_ids[:, None] == found.class_ids
    np.fill_diagonal(same, val=True)  # a box without area, too
    weights = (found.confidences + TINY) * sharpness
    boxes_xyxy, left, firsts = found.boxes_xyxy.copy(), np.ones(len(weights), np.bool_), []
    for index in range(len(weights)):
        if left[index]:
            group = np.flatnonzero(same[index] & left)
            boxes_xyxy[index] = np.average(found.boxes_xyxy[group], axis=0, weights=weights[group])
            left[group] = False
            firsts.append(index)
    return replace(found, boxes_xyxy=boxes_xyxy).at(np.array(firsts, np.intp))


def iou_xyxy(boxes_xyxy: Floats, others_xyxy: Floats) -> Floats:
    """Return the intersection over union [N, M] of boxes [N, 4] with others [M, 4]; 0 where the union is empty."""
    shared = shared_area(boxes_xyxy, others_xyxy)
    union = area_xyxy(boxes_xyxy)[:, None] + area_xyxy(others_xyxy) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def shared_area(boxes_xyxy: Floats, others_xyxy: Floats) -> Floats:
    """Return the area [N, M] that boxes [N, 4] have in common with others [M, 4]."""
    starts = np.maximum(boxes_xyxy[:, None, :2], others_xyxy[:, :2])
    ends = np.minimum(boxes_xyxy[:, None, 2:], others_xyxy[:, 2:])
    area: Floats = np.maximum(ends - starts, 0).prod(axis=2)
    return area


def area_xyxy(boxes_xyxy: Floats) -> Floats:
    """Return the areas [N] of boxes [N, 4]."""
    area: Floats = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    return area
