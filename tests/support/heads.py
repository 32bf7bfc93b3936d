"""What detectors of each family answer when they see given objects, as their exporters document it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.families import (
    FAMILIES,
    FAMILY_CONFIGS,
    Family,
    FamilySection,
    InputConfig,
    OutputConfig,
    Outputs,
    Signature,
    Spec,
    Tensor,
)

LABELS = ("car", "person", "dog")
CANVAS_WH = (160, 96)
ROWS = 40
"""Places that the heads without a grid have for objects."""
YOLOX_STRIDES = (8, 16, 32)

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Seen:
    """An object on the canvas: its edges in pixels."""

    box_xyxy: tuple[float, float, float, float]
    class_id: int = 0
    confidence: float = 0.8


def _centred(seen: Seen) -> list[float]:
    left, top, right, bottom = seen.box_xyxy
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def _objectness_and_classes(seen: Seen) -> list[float]:
    """Return factors of the confidence."""
    objectness = seen.confidence**0.25
    return [objectness, *np.eye(len(LABELS))[seen.class_id] * (seen.confidence / objectness)]


def yolov5(objects: Sequence[Seen]) -> Outputs:
    """Write rows of cx, cy, w, h in pixels, objectness, classes (ultralytics/yolov5, export.py)."""
    rows = np.zeros((1, max(ROWS, len(objects)), 5 + len(LABELS)), np.float32)
    for row, seen in zip(rows[0], objects, strict=False):
        row[:] = [*_centred(seen), *_objectness_and_classes(seen)]
    return {"output0": rows}


def yolov8(objects: Sequence[Seen]) -> Outputs:
    """Write columns of cx, cy, w, h in pixels, classes (docs.ultralytics.com: [N, nc + 4, anchors])."""
    rows = np.zeros((1, max(ROWS, len(objects)), 4 + len(LABELS)), np.float32)
    for row, seen in zip(rows[0], objects, strict=False):
        row[:] = [*_centred(seen), *np.eye(len(LABELS))[seen.class_id] * seen.confidence]
    return {"output0": rows.transpose(0, 2, 1).copy()}


def end_to_end(objects: Sequence[Seen]) -> Outputs:
    """Write rows of x1, y1, x2, y2 in pixels, confidence, class id (docs.ultralytics.com: [N, 300, 6])."""
    rows = np.zeros((1, max(ROWS, len(objects)), 6), np.float32)
    for row, seen in zip(rows[0], objects, strict=False):
        row[:] = [*seen.box_xyxy, seen.confidence, seen.class_id]
    return {"output0": rows}


def yolox(objects: Sequence[Seen]) -> Outputs:
    """Write what training aims at (YOLOX, get_l1_target in yolo_head.py): centre / stride - cell, log(size / stride).

    Objects take turns with the grids and go to their cells row by row; any cell can say any box.
    """
    columns = {stride: CANVAS_WH[0] // stride for stride in YOLOX_STRIDES}
    counts = [columns[stride] * (CANVAS_WH[1] // stride) for stride in YOLOX_STRIDES]
    rows = np.zeros((1, sum(counts), 5 + len(LABELS)), np.float32)
    for number, seen in enumerate(objects):
        cell, level = divmod(number, len(YOLOX_STRIDES))
        stride = YOLOX_STRIDES[level]
        x, y, width, height = _centred(seen)
        rows[0, sum(counts[:level]) + cell] = [
            x / stride - cell % columns[stride],
            y / stride - cell // columns[stride],
            np.log(width / stride),
            np.log(height / stride),
            *_objectness_and_classes(seen),
        ]
    return {"output0": rows}


def yolov3(objects: Sequence[Seen]) -> Outputs:
    """Write boxes as y1, x1, y2, x2, scores by class, and the indices that NMS kept (onnx/models, yolov3)."""
    count = max(ROWS, len(objects))
    boxes, scores = np.zeros((1, count, 4), np.float32), np.zeros((1, len(LABELS), count), np.float32)
    for place, seen in enumerate(objects):
        left, top, right, bottom = seen.box_xyxy
        boxes[0, place] = top, left, bottom, right
        scores[0, seen.class_id, place] = seen.confidence
    indices = [(0, seen.class_id, place) for place, seen in enumerate(objects)]
    return {"boxes": boxes, "scores": scores, "indices": np.array(indices, np.int32).reshape(-1, 3)}


HEADS: dict[str, Callable[[Sequence[Seen]], Outputs]] = {
    "yolov3": yolov3,
    "yolov5": yolov5,
    "yolov8": yolov8,
    "yolox": yolox,
    "end_to_end": end_to_end,
}


def spec_of(
    name: str,
    outputs: dict[str, Tensor] | None = None,
    inputs: dict[str, Tensor] | None = None,
    given: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
) -> Spec[FamilySection]:
    """Return the spec of a model of that family, with its defaults, and with a file laid out as its head."""
    config = FAMILY_CONFIGS[name]
    laid_out = {key: Tensor(value.dtype.name, value.shape) for key, value in HEADS[name]([]).items()}
    if name == "yolov3":
        laid_out["indices"] = Tensor("int32", ("selected", 3))
    return Spec(
        config.model_validate({"name": name}),
        InputConfig.model_validate({"size_wh": CANVAS_WH, **config.input_defaults, **(given or {})}),
        OutputConfig.model_validate({**config.output_defaults, **(output or {})}),
        LABELS,
        Signature(inputs or inputs_of(name), laid_out if outputs is None else outputs),
    )


def inputs_of(name: str) -> dict[str, Tensor]:
    """Return the inputs of the file: a picture of any size, and what else the family feeds."""
    others = {"image_shape": Tensor("float32", ("N", 2))} if name == "yolov3" else {}
    return {"images": Tensor("float32", ("N", 3, "height", "width")), **others}


def family_of(name: str, given: dict[str, Any] | None = None, output: dict[str, Any] | None = None) -> Family:
    """Return the family, made for a file that is laid out as its head."""
    return FAMILIES[name](spec_of(name, given=given, output=output))
