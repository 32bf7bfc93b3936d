"""Encodes given objects as the answers of a model of each family, as its exporter documents them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.boxes import BoxXyxy, Floats
from models.families import Outputs

LABELS = ("car", "person", "dog")
CANVAS_WH = (160, 96)
CANVAS_WHWH = np.array(CANVAS_WH * 2)
ROWS = 40
"""The number of candidates of heads without a grid."""
YOLOX_STRIDES = (8, 16, 32)
NOTHING = -100.0
"""The logit of an absent class; MediaPipe's score_clipping_thresh."""
BLAZEFACE_STRIDE = 300
"""BlazeFace's anchors between two objects, so that objects lie on all grids."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object on the canvas: its edges in pixels."""

    box_xyxy: BoxXyxy
    class_id: int = 0
    confidence: float = 0.8


def _centred(seen: Seen) -> list[float]:
    left, top, right, bottom = seen.box_xyxy
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def _one_hot(seen: Seen, value: float, others: float = 0) -> list[float]:
    return [value if class_id == seen.class_id else others for class_id in range(len(LABELS))]


def _objectness_and_classes(seen: Seen) -> list[float]:
    """Return factors of the confidence."""
    objectness = seen.confidence**0.25
    return [objectness, *_one_hot(seen, seen.confidence / objectness)]


def _logit(confidence: float) -> float:
    return math.log(confidence / (1 - confidence))


def _rows(objects: Sequence[Seen], values: Callable[[Seen], Sequence[float]], unused: Sequence[float]) -> Floats:
    """Return [1, rows, values]: a row for each object, the unused ones after them."""
    rows = np.tile(np.array(unused, np.float32), (max(ROWS, len(objects)), 1))
    if objects:
        rows_of = {seen: values(seen) for seen in set(objects)}  # a million objects may be equal
        rows[: len(objects)] = [rows_of[seen] for seen in objects]
    return rows[None]


def _corners_px(objects: Sequence[Seen]) -> Floats:
    return _rows(objects, lambda seen: seen.box_xyxy, (0, 0, 0, 0))


def _scores(objects: Sequence[Seen]) -> Floats:
    return _rows(objects, lambda seen: _one_hot(seen, seen.confidence), (0, 0, 0))


def _logits(objects: Sequence[Seen]) -> Floats:
    return _rows(objects, lambda seen: _one_hot(seen, _logit(seen.confidence), NOTHING), (NOTHING,) * len(LABELS))


def _shares(boxes_px: Floats) -> Floats:
    return np.asarray(boxes_px / CANVAS_WHWH, np.float32)


def ssd(objects: Sequence[Seen]) -> Outputs:
    """Write corners in shares of the canvas, and scores (TensorFlow's post-processing, anchors decoded)."""
    return {"boxes": _shares(_corners_px(objects)), "scores": _scores(objects)}


def ssd_logits(objects: Sequence[Seen]) -> Outputs:
    """Write the same as a prepared model does: the scores before the sigmoid."""
    return {"boxes": _shares(_corners_px(objects)), "logits": _logits(objects)}


def yolov5(objects: Sequence[Seen]) -> Outputs:
    """Write rows of cx, cy, w, h in pixels, objectness, classes (ultralytics/yolov5, export.py)."""
    return {"output0": _rows(objects, lambda seen: [*_centred(seen), *_objectness_and_classes(seen)], (0,) * 8)}


def yolov8(objects: Sequence[Seen]) -> Outputs:
    """Write columns of cx, cy, w, h in pixels, classes (docs.ultralytics.com: [N, nc + 4, anchors])."""
    rows = _rows(objects, lambda seen: [*_centred(seen), *_one_hot(seen, seen.confidence)], (0,) * 7)
    return {"output0": rows.transpose(0, 2, 1).copy()}


def yolov8_transposed(objects: Sequence[Seen]) -> Outputs:
    """Write the same with a row for each anchor (onnx2tf)."""
    return {"output0": yolov8(objects)["output0"].transpose(0, 2, 1).copy()}


def tensorflow(objects: Sequence[Seen]) -> Outputs:
    """Write the outputs of TensorFlow's Object Detection API: y1, x1, y2, x2 in shares; class ids from 1."""
    shares = _shares(_corners_px(objects))
    return {
        "num_detections": np.array([max(len(objects), 1)], np.float32),
        "detection_boxes": shares[..., [1, 0, 3, 2]],
        "detection_classes": _rows(objects, lambda seen: [seen.class_id + 1], [1])[..., 0],
        "detection_scores": _rows(objects, lambda seen: [seen.confidence], [0])[..., 0],
    }


def yolo_nas(objects: Sequence[Seen]) -> Outputs:
    """Write corners in pixels and scores by class (super-gradients, without NMS)."""
    return {"graph2_931": _corners_px(objects), "graph2_940": _scores(objects)}


def rtdetr(objects: Sequence[Seen]) -> Outputs:
    """Write cx, cy, w, h in shares and scores by class (Ultralytics' RT-DETR: [N, 300, 4 + nc])."""
    boxes = _shares(_rows(objects, _centred, (0,) * 4))
    return {"output0": np.concatenate([boxes, _scores(objects)], axis=2)}


def end_to_end(objects: Sequence[Seen]) -> Outputs:
    """Write rows of x1, y1, x2, y2 in pixels, confidence, class id (docs.ultralytics.com: [N, 300, 6])."""
    return {"output0": _rows(objects, lambda seen: [*seen.box_xyxy, seen.confidence, seen.class_id], (0,) * 6)}


def yolox(objects: Sequence[Seen]) -> Outputs:
    """Write the training target (YOLOX, get_l1_target in yolo_head.py): centre / stride - cell, log(size / stride).

    Objects alternate between the grids and fill their cells row by row; any cell can encode any box.
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
    indices = [(0, seen.class_id, place) for place, seen in enumerate(objects)]
    return {
        "boxes": _corners_px(objects)[..., [1, 0, 3, 2]],
        "scores": _scores(objects).transpose(0, 2, 1).copy(),
        "indices": np.array(indices, np.int32).reshape(-1, 3),
    }


def detr(objects: Sequence[Seen]) -> Outputs:
    """Write cx, cy, w, h in shares of the canvas, and logits for a sigmoid (Deformable DETR)."""
    return {"pred_boxes": _shares(_rows(objects, _centred, (0,) * 4)), "logits": _logits(objects)}


def detr_softmax(objects: Sequence[Seen]) -> Outputs:
    """Write the same with logits for a softmax, "no object" last (DETR)."""
    nothing = (*[NOTHING] * len(LABELS), 0)
    logits = _rows(
        objects,
        lambda seen: [*_one_hot(seen, math.log(seen.confidence), NOTHING), math.log(1 - seen.confidence)],
        nothing,
    )
    return {"pred_boxes": _shares(_rows(objects, _centred, (0,) * 4)), "logits": logits}


def detr_scores(objects: Sequence[Seen]) -> Outputs:
    """Write one class, one score, and corners in pixels of the canvas for each query (RT-DETR's postprocessor)."""
    return {
        "labels": _rows(objects, lambda seen: [seen.class_id], [0])[..., 0].astype(np.int64),
        "boxes": _corners_px(objects),
        "scores": _rows(objects, lambda seen: [seen.confidence], [0])[..., 0],
    }


def mediapipe_anchors() -> NDArray[np.float64]:
    """Return the centres in shares in SsdAnchorsCalculator's order: layer groups, rows, columns, anchors."""
    rows = []
    for cells, layers in ((16, 1), (8, 3)):
        rows += [
            ((x + 0.5) / cells, (y + 0.5) / cells)
            for y in range(cells)
            for x in range(cells)
            for _ in range(2 * layers)
        ]
    return np.array(rows)


def blazeface_joined(objects: Sequence[Seen]) -> Outputs:
    """Write offsets from the anchor's centre and sizes, in pixels, and logits (TfLiteTensorsToDetectionsCalculator)."""
    anchors = mediapipe_anchors()
    logits, values = np.full((1, len(anchors), 1), NOTHING, np.float32), np.zeros((1, len(anchors), 16), np.float32)
    for number, seen in enumerate(objects):
        anchor = number * BLAZEFACE_STRIDE % len(anchors)
        values[0, anchor, :4] = _centred(seen) - np.array([*anchors[anchor] * CANVAS_WH, 0, 0])
        logits[0, anchor] = _logit(seen.confidence)
    return {"regressors": values, "classificators": logits}


def blazeface(objects: Sequence[Seen]) -> Outputs:
    """Write the same with separate outputs for the two grids."""
    values, logits = blazeface_joined(objects).values()
    return {"a": logits[:, :512], "b": logits[:, 512:], "c": values[:, :512], "d": values[:, 512:]}


def classifier(objects: Sequence[Seen]) -> Outputs:
    """Write the confidence of the objects' classes."""
    return _of_classes(objects, lambda confidence: confidence, 0)


def classifier_sigmoid(objects: Sequence[Seen]) -> Outputs:
    """Write logits for a sigmoid."""
    return _of_classes(objects, _logit, NOTHING)


def classifier_softmax(objects: Sequence[Seen]) -> Outputs:
    """Write logits for a softmax; it scales confidences that do not add up to 1."""
    return _of_classes(objects, math.log, NOTHING)


def _of_classes(objects: Sequence[Seen], value: Callable[[float], float], others: float) -> Outputs:
    probabilities = np.full((1, len(LABELS)), others, np.float32)
    for seen in objects:
        probabilities[0, seen.class_id] = value(seen.confidence)
    return {"probabilities": probabilities}


def ppocr(objects: Sequence[Seen]) -> Outputs:
    """Write each object as a line that reads as its label."""
    corners = np.array([seen.box_xyxy for seen in objects], np.float32).reshape(-1, 4)
    return {
        "quads": corners[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2),
        "confidences": np.array([seen.confidence for seen in objects], np.float32),
        "values": np.array([LABELS[seen.class_id] for seen in objects], np.str_),
    }
