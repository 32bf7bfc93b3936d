"""Results → inference metadata JSON. The only module that knows l, t, w, h."""

import json
from typing import Any

from models.results import Detection, Results

DECIMALS = 6
"""Of confidences and boxes: a hundredth of a pixel on the widest picture the protocol knows."""


def encode(results: Results) -> bytes:
    """Return the inference metadata document, or nothing when nothing was found.

    Strict JSON: finite numbers, every box within 0..1 of the picture as received, none of them empty.
    """
    inferences = [inference for detection in results.detections if (inference := _entity(detection))]
    if not inferences:
        return b""
    document = {"inferences": inferences}
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _entity(detection: Detection) -> dict[str, Any] | None:
    """Return one result, or None when its box is too thin to be told in DECIMALS decimals."""
    left, top, right, bottom = (round(edge, DECIMALS) + 0.0 for edge in detection.box_xyxy)
    width, height = round(right - left, DECIMALS), round(bottom - top, DECIMALS)
    if not (width > 0 and height > 0):
        return None
    return {
        "type": "entity",
        "entity": {
            "tag": {"value": detection.label, "confidence": round(detection.confidence, DECIMALS)},
            "box": {"l": left, "t": top, "w": width, "h": height},
        },
    }
