"""Pure, vectorised box geometry. Boxes are float arrays [N, 4]; the convention is in every name."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

BoxXyxy: TypeAlias = tuple[float, float, float, float]
"""One box: its left, top, right and bottom edge."""

NMS_BLOCK = 256
"""How many boxes are compared with each other at once: all of them at common thresholds, and little memory."""


def xyxy_from_cxcywh(boxes_cxcywh: Floats) -> Floats:
    """Convert boxes [N, 4] from centre, width and height to edges, in the same unit; N may be 0.

    Gives, without a warning, a NaN or an infinity where the input has one, or where an edge overflows float32.
    """
    centres, sizes = boxes_cxcywh[:, :2], boxes_cxcywh[:, 2:]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)


def area_xyxy(boxes_xyxy: Floats) -> Floats:
    """Return the area [N] of boxes [N, 4]; 0 where a box is empty or its edges are swapped."""
    left, top, right, bottom = boxes_xyxy.T
    area: Floats = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    return area


def iou_xyxy(boxes_xyxy: Floats, others_xyxy: Floats) -> Floats:
    """Return the intersection over union [N, M], 0..1, of boxes [N, 4] with others [M, 4]; 0 if the union is empty."""
    (left, top, right, bottom), (left2, top2, right2, bottom2) = boxes_xyxy.T[..., None], others_xyxy.T
    width = np.maximum(np.minimum(right, right2) - np.maximum(left, left2), 0)
    height = np.maximum(np.minimum(bottom, bottom2) - np.maximum(top, top2), 0)
    intersection = width * height
    union = area_xyxy(boxes_xyxy)[:, None] + area_xyxy(others_xyxy) - intersection
    iou: Floats = np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)
    return iou


def nms_per_class(boxes_xyxy: Floats, class_ids: NDArray[np.intp], iou_threshold: float, max_kept: int) -> list[int]:
    """Return the indices of the boxes that greedy non-maximum suppression keeps, at most `max_kept`, ascending.

    `boxes_xyxy` [N, 4] and `class_ids` [N] are sorted, most confident first. A box is dropped if it overlaps a kept box
    of its own class by more than `iou_threshold`. Empty input gives an empty list.
    """
    kept = np.empty(0, np.intp)
    for start in range(0, len(boxes_xyxy), NMS_BLOCK):
        block = np.arange(start, min(start + NMS_BLOCK, len(boxes_xyxy)))
        rivals = np.concatenate([kept, block])  # those kept earlier come first, and so stay
        rows, classes = boxes_xyxy[rivals], class_ids[rivals]
        overlaps = (iou_xyxy(rows, rows) > iou_threshold) & (classes[:, None] == classes)
        kept = rivals[_greedily_kept(overlaps, max_kept)]
        if len(kept) == max_kept:
            break
    return kept.tolist()


def _greedily_kept(overlaps: NDArray[np.bool_], max_kept: int) -> list[int]:
    """Return, ascending, at most `max_kept` rows of `overlaps` [N, N] that overlap no kept row before them."""
    dropped = np.zeros(len(overlaps), np.bool_)
    kept: list[int] = []
    for index, overlapped in enumerate(overlaps):
        if len(kept) == max_kept:
            break
        if not dropped[index]:
            kept.append(index)
            dropped |= overlapped
    return kept
