"""What every peer does with a frame, written the way users write it: Pillow, one resize, the model, plain numpy.

Peers know nothing of framehook: they run in an environment of their own (.peers), with the model and the labels that
PEER_MODEL and PEER_LABELS name: float32 [1, 3, 300, 300] in, `boxes` and `scores` out.

On x86 processors without VNNI, peers with a default session detect nothing in int8 (docs/maintainers/adr/0003).
They keep their documented defaults, and only their speed counts. With PEER_EXACT_INT8 in the environment they are as
exact as the service, and do the same work.
"""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

INPUT_WH = (300, 300)
CONFIDENCE_THRESHOLD, IOU_THRESHOLD = 0.5, 0.5


def load(options: Any = None) -> Any:
    """Return a session with these options, or with onnxruntime's defaults."""
    options = options or onnxruntime.SessionOptions()
    if "PEER_EXACT_INT8" in os.environ:
        options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(os.environ["PEER_MODEL"], options, providers=["CPUExecutionProvider"])


def load_labels() -> list[str]:
    """Return the labels by class id."""
    return Path(os.environ["PEER_LABELS"]).read_text(encoding="utf-8").split("\n")


def infer(session: Any, labels: list[str], body: bytes) -> dict[str, Any]:
    """Return the inference metadata of one picture."""
    picture = Image.open(io.BytesIO(body)).convert("RGB").resize(INPUT_WH, Image.Resampling.BILINEAR)
    images = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1)[None]
    boxes, scores = session.run(["boxes", "scores"], {"images": images})
    return {"inferences": _entities(boxes[0], scores[0], labels)}


def _entities(boxes: NDArray[np.float32], scores: NDArray[np.float32], labels: list[str]) -> list[dict[str, Any]]:
    """Turn corners [anchors, 4] and scores [anchors, classes] into entities, most confident first."""
    class_ids = scores.argmax(axis=1)
    confidences = scores.max(axis=1)
    candidates = np.flatnonzero(confidences >= CONFIDENCE_THRESHOLD)
    kept: list[int] = []
    for index in candidates[np.argsort(-confidences[candidates])]:
        rivals = [other for other in kept if class_ids[other] == class_ids[index]]
        if all(_iou(boxes[index], boxes[other]) <= IOU_THRESHOLD for other in rivals):
            kept.append(int(index))
    return [_entity(boxes[index], labels[class_ids[index]], float(confidences[index])) for index in kept]


def _iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    intersection = max(width, 0) * max(height, 0)
    areas = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return float(intersection / (areas - intersection))


def _entity(box: NDArray[np.float32], label: str, confidence: float) -> dict[str, Any]:
    left, top, right, bottom = box.tolist()
    return {
        "type": "entity",
        "entity": {
            "tag": {"value": label, "confidence": confidence},
            "box": {"l": left, "t": top, "w": right - left, "h": bottom - top},
        },
    }
