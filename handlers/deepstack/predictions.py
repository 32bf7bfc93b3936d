"""Results → the JSON of DeepStack and CodeProject.AI. The only module that knows x_min, y_min, x_max, y_max."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from handlers.decoding.decoder import Decoder
from handlers.encoding.lane_codec import Encoder
from handlers.encoding.metadata import DECIMALS
from models.letterbox import Size
from models.results import Detection, Results
from models.runtime.steps import Work

STAGES = ("decode", "preprocess", "run", "postprocess")
"""The stages that count as the work on a picture."""


def encode_predictions(results: Results, size_wh: Size, model: str, stages_ms: Mapping[str, float]) -> bytes:
    """Return the objects, most confident first, with corners in whole pixels of the picture.

    Boxes under one pixel are left out. `size_wh`: of the picture, in pixels.
    """
    predictions = [prediction for detection in results.detections if (prediction := _prediction(detection, size_wh))]
    return _success({"predictions": predictions, "count": len(predictions)}, model, stages_ms)


def encode_scene(results: Results, _: Size, model: str, stages_ms: Mapping[str, float]) -> bytes:
    """Return the best label of the whole picture, empty if the model found none."""
    label, confidence = next(((best.label, best.confidence) for best in results.classifications), ("", 0))
    return _success({"label": label, "confidence": round(confidence, DECIMALS)}, model, stages_ms)


def _success(facts: dict[str, Any], model: str, stages_ms: Mapping[str, float]) -> bytes:
    document = {
        "success": True,
        **facts,
        "inferenceMs": round(stages_ms["run"]),
        "processMs": round(sum(stages_ms[stage] for stage in STAGES)),
        "moduleId": model,
        "code": HTTPStatus.OK,
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


def _prediction(detection: Detection, size_wh: Size) -> dict[str, Any] | None:
    left, top, right, bottom = (
        round(edge * side) for edge, side in zip(detection.box_xyxy, (*size_wh, *size_wh), strict=True)
    )
    if left == right or top == bottom:
        return None
    corners = {"x_min": left, "y_min": top, "x_max": right, "y_max": bottom}
    return {"label": detection.label, "confidence": round(detection.confidence, DECIMALS), **corners}


def _encode_predictions(work: Work, _: Decoder) -> bytes:
    return encode_predictions(work.results, work.frame.source_size_wh, work.folder.name, work.stages_ms)


def _encode_scene(work: Work, _: Decoder) -> bytes:
    return encode_scene(work.results, work.frame.source_size_wh, work.folder.name, work.stages_ms)


ENCODERS: dict[str, Encoder] = {"predictions": _encode_predictions, "scene": _encode_scene}
"""Name → encoder."""
