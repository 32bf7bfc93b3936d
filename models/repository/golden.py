"""A model's golden picture: whether what model.yaml says of it was found."""

from collections.abc import Iterator

import numpy as np

from models.boxes import iou_xyxy
from models.errors import ModelConfigError
from models.repository.config import ExpectedResult, GoldenConfig
from models.repository.folder import CONFIG_FILE_NAME, ModelFolder
from models.results import Detection, Results

MIN_IOU = 0.9
MAX_CONFIDENCE_DIFFERENCE = 0.1
"""Quantised models answer a little differently on other processors."""
SHOWN = 5


def found_in(results: Results) -> Iterator[ExpectedResult]:
    """Yield what was found: what has a place, then what the whole picture shows, then lines of text, by their value."""
    for detection in results.detections:
        yield _placed(detection.label, detection)
    for whole in results.classifications:
        yield ExpectedResult(label=whole.label, confidence=whole.confidence)
    for line in results.lines:
        yield _placed(line.value, line.place)


def refuse_other_results(folder: ModelFolder, golden: GoldenConfig, results: Results) -> None:
    """Do nothing if all that is expected was found, each once; else raise ModelConfigError, which names the first."""
    got = list(found_in(results))
    left = list(got)
    for expected in golden.expect:
        match = next((found for found in left if _same(found, expected)), None)
        if match is None:
            alike = [found for found in got if found.label == expected.label] or got
            told = ", ".join(map(str, alike[:SHOWN])) or "nothing"
            raise ModelConfigError(
                f"{folder.path / CONFIG_FILE_NAME}: golden: model {folder.name}, {golden.picture}: "
                f"expected {expected}, got {told}; confidences may differ by "
                f"{MAX_CONFIDENCE_DIFFERENCE}, and boxes must overlap with an IoU of {MIN_IOU}."
            )
        left.remove(match)


def _placed(label: str, place: Detection) -> ExpectedResult:
    left, top, right, bottom = place.box_xyxy
    return ExpectedResult(label=label, confidence=place.confidence, box_ltwh=(left, top, right - left, bottom - top))


def _same(found: ExpectedResult, expected: ExpectedResult) -> bool:
    return (
        found.label == expected.label
        and abs(found.confidence - expected.confidence) <= MAX_CONFIDENCE_DIFFERENCE
        and (expected.box_ltwh is None or (found.box_ltwh is not None and _overlap(found.box_ltwh, expected.box_ltwh)))
    )


def _overlap(*boxes_ltwh: tuple[float, float, float, float]) -> bool:
    """Tell whether two boxes are about the same."""
    box_xyxy, other_xyxy = (
        np.array([[left, top, left + width, top + height]], np.float32) for left, top, width, height in boxes_ltwh
    )
    return bool(iou_xyxy(box_xyxy, other_xyxy)[0, 0] >= MIN_IOU)
