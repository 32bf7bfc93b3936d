"""Pure, vectorised box geometry. Boxes are float arrays [N, 4]; the convention is in every name."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]


def area_xyxy(boxes_xyxy: Floats) -> Floats:
    """Return the area [N] of boxes [N, 4]; 0 where a box is empty or turned inside out."""
    extent_wh = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0)
    return np.asarray(extent_wh[:, 0] * extent_wh[:, 1], np.float32)


def iou_xyxy(boxes_xyxy: Floats, others_xyxy: Floats) -> Floats:
    """Return the intersection over union [N, M] of boxes [N, 4] with others [M, 4]; 0 where the union is empty."""
    top_left = np.maximum(boxes_xyxy[:, None, :2], others_xyxy[None, :, :2])
    bottom_right = np.minimum(boxes_xyxy[:, None, 2:], others_xyxy[None, :, 2:])
    extent_wh = np.maximum(bottom_right - top_left, 0)
    intersection = extent_wh[..., 0] * extent_wh[..., 1]
    union = area_xyxy(boxes_xyxy)[:, None] + area_xyxy(others_xyxy)[None] - intersection
    iou: Floats = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return iou


def nms_per_class(boxes_xyxy: Floats, class_ids: NDArray[np.intp], iou_threshold: float, max_kept: int) -> list[int]:
    """Return the indices of the boxes that greedy non-maximum suppression keeps, at most `max_kept`, in their order.

    `boxes_xyxy` [N, 4] and `class_ids` [N] come most confident first. A box is dropped when it overlaps a kept box
    of its own class by more than `iou_threshold`. Empty input gives an empty list.
    """
    left = np.arange(len(boxes_xyxy))
    kept: list[int] = []
    while len(left) and len(kept) < max_kept:
        first, left = left[0], left[1:]
        kept.append(int(first))
        overlaps = iou_xyxy(boxes_xyxy[first][None], boxes_xyxy[left])[0] > iou_threshold
        left = left[~(overlaps & (class_ids[left] == class_ids[first]))]
    return kept
