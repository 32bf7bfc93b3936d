"""Results → the JSON of DeepStack and CodeProject.AI. The only module that knows x_min, y_min, x_max, y_max."""

import json
from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from handlers.decoding.decoder import Decoder
from handlers.encoding.lane_codec import Encoder
from handlers.encoding.metadata import DECIMALS
from models.letterbox import Size
from models.results import Detection, TextLine
from models.runtime.steps import Work

STAGES = ("look", "decode", "preprocess", "run", "postprocess", "then")
"""The stages that count as the work on a picture; a frame in which nothing has moved goes through the first only.

Those of chained models have their names after a colon.
"""


def encode_predictions(work: Work, _: Decoder) -> bytes:
    """Return the objects, most confident first, with corners in whole pixels of the picture.

    Boxes under one pixel are left out.
    """
    predictions = [entry for detection in work.results.detections if (entry := _prediction(detection, work.size_wh))]
    return _success({"predictions": predictions, "count": len(predictions)}, work)


def encode_plates(work: Work, _: Decoder) -> bytes:
    """Return the objects on which something was read, most confident object first."""
    predictions = [entry for detection in work.results.detections if (entry := _plate(detection, work.size_wh))]
    return _success({"predictions": predictions, "count": len(predictions)}, work)


def encode_scene(work: Work, _: Decoder) -> bytes:
    """Return the best label of the whole picture, empty if the model found none."""
    label, confidence = next(((best.label, best.confidence) for best in work.results.classifications), ("", 0))
    return _success({"label": label, "confidence": round(confidence, DECIMALS)}, work)


def _success(facts: dict[str, Any], work: Work) -> bytes:
    document = {
        "success": True,
        **facts,
        "inferenceMs": round(_took_ms(work, ("run", "then"))),
        "processMs": round(_took_ms(work, STAGES)),
        "moduleId": work.folder.name,
        "code": HTTPStatus.OK,
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


def _took_ms(work: Work, stages: Collection[str]) -> float:
    return sum(took_ms for stage, took_ms in work.stages_ms.items() if stage.partition(":")[0] in stages)


def _prediction(detection: Detection, size_wh: Size) -> dict[str, Any] | None:
    left, top, right, bottom = (
        round(edge * side) for edge, side in zip(detection.box_xyxy, (*size_wh, *size_wh), strict=True)
    )
    if left == right or top == bottom:
        return None
    corners = {"x_min": left, "y_min": top, "x_max": right, "y_max": bottom}
    return {"label": detection.label, "confidence": round(detection.confidence, DECIMALS), **corners}


def _plate(detection: Detection, size_wh: Size) -> dict[str, Any] | None:
    """Return a plate, without its small print; None if nothing was read on the object."""
    lines = [line for chained in detection.chained for line in chained.results.lines]
    least = max(map(_height, lines), default=0) / 2
    large = [line for line in lines if _height(line) >= least]
    plate = "".join(filter(str.isalnum, "".join(line.value for line in large)))
    entry = _prediction(detection, size_wh) if plate else None
    confidence = min((line.place.confidence for line in large), default=0)
    return entry and {
        **entry,
        "label": f"Plate: {plate}",
        "plate": plate,
        "confidence": round(confidence, DECIMALS),
    }


def _height(line: TextLine) -> float:
    _, top, _, bottom = line.place.box_xyxy
    return bottom - top


ENCODERS: dict[str, Encoder] = {
    "predictions": encode_predictions,
    "plates": encode_plates,
    "scene": encode_scene,
}
"""Name → encoder."""
