"""What the tasks of Ultralytics' models add to a box: a mask, key points, or an angle.

After the classes (or, after NMS in the graph, after the class id) come: for `segment` 32 factors of the masks in a
second output [N, 32, height / 4, width / 4]; for `pose` each key point's x and y in pixels of the canvas and mostly its
confidence; for `obb` the angle in radians, clockwise, by which the box is turned around its centre.
Source: docs.ultralytics.com, "Instance Segmentation", "Pose Estimation", "Oriented Bounding Boxes"; ultralytics/utils/
ops.py, `process_mask` and `xywhr2xyxyxyxy`.

Results carry them as extensions: `mask`, a PNG as a data URL, white where the object is, to be stretched over the box;
`keypoints` and `corners`, points in shares of the picture, key points with their confidence.
"""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.boxes import Floats, xyxy_from_cxcywh
from models.errors import InferenceError, ModelConfigError
from models.families.candidates import Candidates, Describe
from models.families.signature import Outputs, Signature, Tensor, only_frame
from models.letterbox import Letterbox
from models.results import Extensions

TaskName: TypeAlias = Literal["detect", "segment", "pose", "obb"]
Cells: TypeAlias = NDArray[np.intp]
FACTORS = 32
PROTOTYPES = Tensor("float32", (None, FACTORS, None, None))
MAX_POINTS = 200
MAX_MASK_PIXELS = 2_000_000
"""Of all masks of a frame together, which bounds their time and their bytes: 78 masks of a canvas of 640 x 640."""
WITH_CONFIDENCE, WITHOUT_CONFIDENCE = 3, 2
"""Values of a key point."""


@dataclass(frozen=True, slots=True)
class Objects:
    """N selected objects: `found`, and as the output has them their boxes [N, 4] and their other values [N, width]."""

    found: Candidates
    boxes: Floats
    more: Floats
    outputs: Outputs
    letterbox: Letterbox


class Task(Protocol):
    """What is read of an object beside its classes."""

    @property
    def width(self) -> int | None:
        """Return how many values an object has beside its box and its classes; None: any number."""
        ...

    def boxes_xyxy(self, boxes: Floats, more: Floats) -> Floats:
        """Return the edges [N, 4] of objects in pixels of the canvas, from their values as the output has them."""
        ...

    def extensions(self, objects: Objects) -> Iterable[Extensions]:
        """Yield what else is known of each object; nothing where it is not finite."""
        ...


@dataclass(frozen=True, slots=True)
class Detect:
    """Boxes alone. `is_centred`: whether they come as centre and size, or as edges."""

    is_centred: bool
    width: int | None = 0

    def boxes_xyxy(self, boxes: Floats, more: Floats) -> Floats:  # noqa: ARG002  # there are none
        """Return the edges."""
        return xyxy_from_cxcywh(boxes) if self.is_centred else boxes

    def extensions(self, objects: Objects) -> Iterable[Extensions]:
        """Yield nothing for each."""
        return repeat((), len(objects.found.levels))


@dataclass(frozen=True, slots=True)
class Segment(Detect):
    """Boxes and masks. `masks`: name and layout of the output with the masks' prototypes."""

    masks: tuple[str, Tensor] = ("", PROTOTYPES)
    width: int | None = FACTORS

    def extensions(self, objects: Objects) -> Iterable[Extensions]:
        """Yield the mask of each, as far as MAX_MASK_PIXELS goes."""
        prototypes = np.ascontiguousarray(only_frame(objects.outputs, *self.masks).transpose(1, 2, 0))
        cells_a_pixel_xy = np.array(prototypes.shape[1::-1]) / np.array(objects.letterbox.canvas_wh)
        left = MAX_MASK_PIXELS
        for factors, box_xyxy in zip(objects.more, objects.found.boxes_xyxy, strict=True):
            corners_xy = objects.letterbox.to_canvas(box_xyxy.reshape(2, 2)) * cells_a_pixel_xy
            columns, rows = _cells_of(corners_xy, prototypes)
            left -= len(columns) * len(rows)
            yield _mask(prototypes, factors, columns, rows) if left >= 0 else ()


@dataclass(frozen=True, slots=True)
class Pose(Detect):
    """Boxes and key points."""

    width: int | None = None

    def boxes_xyxy(self, boxes: Floats, more: Floats) -> Floats:
        """Return the edges; raises InferenceError for values that are no key points."""
        try:
            values_of_a_point(more.shape[1])
        except ModelConfigError as error:  # of a free axis
            raise InferenceError("The model's output is not laid out as its family reads it.") from error
        return super(Pose, self).boxes_xyxy(boxes, more)

    def extensions(self, objects: Objects) -> Iterable[Extensions]:
        """Yield the key points of each."""
        more = objects.more
        size = values_of_a_point(more.shape[1])
        points = more.reshape(len(more), more.shape[1] // size, size)
        places_xy = objects.letterbox.points_to_picture(points[..., :2])
        return [points_extension("keypoints", row) for row in np.concatenate([places_xy, points[..., 2:]], axis=2)]


@dataclass(frozen=True, slots=True)
class Obb:
    """Turned boxes, given by centre and size; the box of a result is the upright one around it."""

    width: int | None = 1

    def boxes_xyxy(self, boxes: Floats, more: Floats) -> Floats:
        """Return the edges of the upright boxes."""
        corners_xy = _corners_xy(boxes, more[:, 0])
        return np.concatenate([corners_xy.min(axis=1), corners_xy.max(axis=1)], axis=1)

    def extensions(self, objects: Objects) -> Iterable[Extensions]:
        """Yield the four corners of each."""
        corners_xy = _corners_xy(objects.boxes, objects.more[:, 0])
        return [points_extension("corners", row) for row in objects.letterbox.points_to_picture(corners_xy)]


def task_of(name: TaskName, signature: Signature, *, is_centred: bool) -> Task:
    """Return what a task adds; raises ModelConfigError if the file lacks an output for it.

    `is_centred`: whether the output has the centre and the size of boxes, or their edges.
    """
    match name:
        case "segment":
            return Segment(is_centred, masks=signature.expect_one_output(PROTOTYPES))
        case "pose":
            return Pose(is_centred)
        case "obb":
            return Obb()
        case _:
            return Detect(is_centred)


def described(task: Task, rows: tuple[Floats, Floats], outputs: Outputs, letterbox: Letterbox) -> Describe:
    """Return what yields the extensions. `rows`: the boxes [anchors, 4] and the other values [anchors, width]."""
    boxes, more = rows
    return lambda found, anchors: task.extensions(Objects(found, boxes[anchors], more[anchors], outputs, letterbox))


def values_of_a_point(width: int) -> int:
    """Return how many values a key point has, of `width` values in all; raises ModelConfigError if none fits."""
    sizes = (WITH_CONFIDENCE, WITHOUT_CONFIDENCE)
    fitting = [size for size in sizes if 0 < width <= MAX_POINTS * size and width % size == 0]
    if not fitting:
        raise ModelConfigError(f"task pose: expected key points of 3 or 2 values each, got {width} values.")
    return fitting[0]


def _cells_of(corners_xy: Floats, prototypes: Floats) -> tuple[Cells, Cells]:
    """Return the columns and the rows of the prototypes that a mask shows, one for each of its pixels.

    `corners_xy` [2, 2]: of the box, in cells of the prototypes [height, width, 32].
    """
    indices = []
    for side, (start, end) in zip(prototypes.shape[1::-1], corners_xy.T, strict=True):
        count = max(1, round(float(end - start)))
        places = start + (np.arange(count) + 0.5) * (end - start) / count
        indices.append(places.astype(np.intp).clip(0, side - 1))
    columns, rows = indices
    return columns, rows


def _mask(prototypes: Floats, factors: Floats, columns: Cells, rows: Cells) -> Extensions:
    """Return where an object is in its box, as a picture that is to be stretched over the box.

    `prototypes` [height, width, 32], `factors` [32], `columns` and `rows`: see `_cells_of`.
    """
    if not np.isfinite(factors).all():
        return ()
    part = prototypes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    with np.errstate(over="ignore", invalid="ignore"):
        levels = (part @ factors)[(rows - rows[0])[:, None], columns - columns[0]]
    encoded = io.BytesIO()
    Image.fromarray(levels > 0).save(encoded, "PNG", compress_level=1)
    return (("mask", f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode()}"),)


def _corners_xy(boxes: Floats, angles: Floats) -> Floats:
    """Return the corners [N, 4, 2] of boxes [N, 4], centre and size, turned by angles [N] in radians.

    Gives, without a warning, a NaN or an infinity where a value is none or overflows float32.
    """
    centres, halves = boxes[:, None, :2], boxes[:, 2:] / 2
    with np.errstate(over="ignore", invalid="ignore"):
        cosines, sines = np.cos(angles), np.sin(angles)
        across = np.stack([halves[:, 0] * cosines, halves[:, 0] * sines], axis=1)[:, None]
        down = np.stack([-halves[:, 1] * sines, halves[:, 1] * cosines], axis=1)[:, None]
        steps = np.concatenate([-across - down, across - down, across + down, down - across], axis=1)
        return np.asarray(centres + steps, np.float32)


def points_extension(name: str, points: Floats) -> Extensions:
    """Return points [n, 2 or 3]; nothing if one of them is not finite."""
    return ((name, tuple(map(tuple, points.tolist()))),) if np.isfinite(points).all() else ()
