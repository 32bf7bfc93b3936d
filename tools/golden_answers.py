"""Makes tests/data/golden.json: what the default model finds in the test photos, computed without the service's code.

Everything is done the plain way, and the graph runs unoptimised, as its quantised arithmetic is defined rather than
as a processor's shortcuts have it. Run by hand from the repository's root: python tools/golden_answers.py
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parent.parent
MODEL = ROOT / "models" / "zoo" / "ssdlite-mobilenet-v2"
DATA = ROOT / "tests" / "data"
PHOTOS = [ROOT / "examples" / "street.jpg", *sorted(DATA.glob("*.jpg"))]
SIZE_WH = (300, 300)
CONFIDENCE = IOU = 0.5


def detect(session: onnxruntime.InferenceSession, labels: list[str], path: Path) -> list[dict[str, object]]:
    """Return label, confidence and l, t, w, h of every detection of a photo, by falling confidence."""
    picture = Image.open(path).convert("RGB").resize(SIZE_WH, Image.Resampling.BILINEAR)
    feeds = {"images_nhwc": np.asarray(picture)[None]}
    boxes, logits = (output[0] for output in session.run(["boxes", "logits"], feeds))
    scores = 1 / (1 + np.exp(-logits))
    detections = [
        {"label": label, "confidence": float(scores[anchor, class_id]), **_ltwh(boxes[anchor])}
        for class_id, label in enumerate(labels)
        for anchor in _suppress(boxes, scores[:, class_id])
    ]
    return sorted(detections, key=lambda detection: -float(str(detection["confidence"])))


def _suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> list[int]:
    """Return the anchors of one class that greedy suppression keeps."""
    kept: list[int] = []
    for anchor in np.argsort(-scores, kind="stable"):
        if scores[anchor] < CONFIDENCE:
            break
        if all(_iou(boxes[anchor], boxes[other]) <= IOU for other in kept):
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


if __name__ == "__main__":
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    model = onnxruntime.InferenceSession(MODEL / "model.onnx", options, providers=["CPUExecutionProvider"])
    names = (MODEL / "labels.txt").read_text().splitlines()
    golden = {path.name: detect(model, names, path) for path in PHOTOS}
    rounded = json.loads(json.dumps(golden), parse_float=lambda text: round(float(text), 4))
    (DATA / "golden.json").write_text(json.dumps(rounded, indent=1) + "\n")
