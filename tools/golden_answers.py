"""Makes tests/data/golden.json: the answers of the zoo's models to the test photos, without the service's code.

The code is plain, and the graphs run unoptimised, so that quantised arithmetic follows its definition and not a
processor's shortcuts. Run by hand from the repository's root: python tools/golden_answers.py
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parent.parent
ZOO = ROOT / "models" / "zoo"
DATA = ROOT / "tests" / "data"
PHOTOS = [ROOT / "examples" / "street.jpg", *sorted(DATA.glob("*.jpg"))]
SSD_SIZE_WH = (300, 300)
SSD_CONFIDENCE = SSD_IOU = 0.5
CLASSIFIER_SIZE_WH = (224, 224)
CROP_SHARE = 0.875
CLASSIFIER_MEAN, CLASSIFIER_SCALE = 127, 128
CLASSIFIER_CONFIDENCE = 0.2
FACES_SIDE = 256
FACES_CONFIDENCE, FACES_IOU = 0.72, 0.3
FACES_HALF_RANGE, FACES_CLIP = 127.5, 100
FACES_GRIDS = ((16, 2, "Identity:0", "Identity_2:0"), (8, 6, "Identity_1:0", "Identity_3:0"))
"""Cells per row, anchors per cell, and the outputs with their logits and boxes."""


def detect(session: onnxruntime.InferenceSession, labels: list[str], path: Path) -> list[dict[str, object]]:
    """Return label, confidence and l, t, w, h of every detection of a photo, most confident first."""
    picture = Image.open(path).convert("RGB").resize(SSD_SIZE_WH, Image.Resampling.BILINEAR)
    feeds = {"images_nhwc": np.asarray(picture)[None]}
    boxes, logits = (output[0] for output in session.run(["boxes", "logits"], feeds))
    scores = 1 / (1 + np.exp(-logits))
    detections = [
        {"label": label, "confidence": float(scores[anchor, class_id]), **_ltwh(boxes[anchor])}
        for class_id, label in enumerate(labels)
        for anchor in _suppress(boxes, scores[:, class_id], SSD_CONFIDENCE, SSD_IOU)
    ]
    return sorted(detections, key=lambda detection: -float(str(detection["confidence"])))


def _suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32], least: float, most_iou: float) -> list[int]:
    """Return the anchors of one class that greedy suppression keeps."""
    kept: list[int] = []
    for anchor in np.argsort(-scores, kind="stable"):
        if scores[anchor] < least:
            break
        if all(_iou(boxes[anchor], boxes[other]) <= most_iou for other in kept):
            kept.append(int(anchor))
    return kept


def _iou(box: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    intersection = max(width, 0) * max(height, 0)
    areas = (box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return float(intersection / (areas - intersection))


def _ltwh(box: NDArray[np.float32]) -> dict[str, float]:
    left, top, right, bottom = np.clip(box, 0, 1).tolist()
    return {"l": left, "t": top, "w": right - left, "h": bottom - top}


def classify(session: onnxruntime.InferenceSession, labels: list[str], path: Path) -> list[dict[str, object]]:
    """Return label and confidence of every class that is likely enough, most confident first."""
    photo = Image.open(path).convert("RGB")
    side = min(photo.size) * CROP_SHARE
    left, top = (photo.width - side) / 2, (photo.height - side) / 2
    centre = photo.resize(CLASSIFIER_SIZE_WH, Image.Resampling.BILINEAR, (left, top, left + side, top + side))
    pixels = (np.asarray(centre, np.float32) - CLASSIFIER_MEAN) / CLASSIFIER_SCALE
    [[probabilities]] = session.run(["probabilities"], {"images": pixels.transpose(2, 0, 1)[None]})
    likely = [class_id for class_id in np.argsort(-probabilities) if probabilities[class_id] >= CLASSIFIER_CONFIDENCE]
    return [{"label": labels[class_id], "confidence": float(probabilities[class_id])} for class_id in likely]


def find_faces(session: onnxruntime.InferenceSession, labels: list[str], path: Path) -> list[dict[str, object]]:
    """Return label, confidence and l, t, w, h of every face, most confident first."""
    photo = Image.open(path).convert("RGB")
    scale = FACES_SIDE / max(photo.size)
    width, height = round(photo.width * scale), round(photo.height * scale)
    left, top = (FACES_SIDE - width) // 2, (FACES_SIDE - height) // 2
    canvas = Image.new("RGB", (FACES_SIDE, FACES_SIDE))
    canvas.paste(photo.resize((width, height), Image.Resampling.BILINEAR), (left, top))
    feeds = {"input:0": (np.asarray(canvas, np.float32) / FACES_HALF_RANGE - 1)[None]}
    names = [output.name for output in session.get_outputs()]
    boxes_px, scores = _faces(dict(zip(names, session.run(names, feeds), strict=True)))
    boxes = (boxes_px - [left, top, left, top]) / [width, height, width, height]
    kept = _suppress(np.clip(boxes, 0, 1), scores, FACES_CONFIDENCE, FACES_IOU)
    return [{"label": labels[0], "confidence": float(scores[face]), **_ltwh(boxes[face])} for face in kept]


def _faces(outputs: dict[str, NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return corners [896, 4] in pixels of the canvas, and confidences [896]."""
    boxes, scores = [], []
    for cells, anchors, logits_name, boxes_name in FACES_GRIDS:
        for index, (logit, values) in enumerate(zip(outputs[logits_name][0], outputs[boxes_name][0], strict=True)):
            row, column = divmod(index // anchors, cells)
            x, y = values[0] + (column + 0.5) * FACES_SIDE / cells, values[1] + (row + 0.5) * FACES_SIDE / cells
            boxes.append([x - values[2] / 2, y - values[3] / 2, x + values[2] / 2, y + values[3] / 2])
            scores.append(1 / (1 + np.exp(-np.clip(float(logit[0]), -FACES_CLIP, FACES_CLIP))))
    return np.array(boxes, np.float32), np.array(scores, np.float32)


Finder = Callable[[onnxruntime.InferenceSession, list[str], Path], list[dict[str, object]]]
FINDERS: dict[str, Finder] = {
    "blazeface-back": find_faces,
    "efficientnet-lite0": classify,
    "ssdlite-mobilenet-v2": detect,
}


def answers(model: str, find: Finder) -> dict[str, list[dict[str, object]]]:
    """Return the answers of a model by photo name."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(ZOO / model / "model.onnx", options, providers=["CPUExecutionProvider"])
    labels = (ZOO / model / "labels.txt").read_text().splitlines()
    return {path.name: find(session, labels, path) for path in PHOTOS}


if __name__ == "__main__":
    golden = {model: answers(model, find) for model, find in FINDERS.items()}
    rounded = json.loads(json.dumps(golden), parse_float=lambda text: round(float(text), 4))
    (DATA / "golden.json").write_text(json.dumps(rounded, indent=1) + "\n")
