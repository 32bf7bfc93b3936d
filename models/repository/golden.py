"""A model's golden picture: whether the results that model.yaml expects were found."""

from collections.abc import Iterator

import numpy as np

from models.boxes import iou_xyxy
from models.errors import ModelConfigError
from models.repository.config import ExpectedResult, GoldenConfig
from models.repository.folder import CONFIG_FILE_NAME, ModelFolder
from models.results import Detection, Results

MIN_IOU = 0.9
MAX_CONFIDENCE_DIFFERENCE = 0.1
"""The results of quantised models differ slightly between processors."""
MAX_SHOWN = 5
"""Most results that a message lists."""


def found_in(results: Results) -> Iterator[ExpectedResult]:
    """Yield the results as model.yaml would expect them: objects, then classes of the whole picture, then lines."""
    for detection in results.detections:
        yield _with_box(detection.label, detection)
    for classification in results.classifications:
        yield ExpectedResult(label=classification.label, confidence=classification.confidence)
    for line in results.lines:
        yield _with_box(line.value, line.place)


def refuse_other_results(folder: ModelFolder, golden: GoldenConfig, results: Results) -> None:
    """Raise ModelConfigError, which names the first one missing, unless each expected result was found once."""
    found = list(found_in(results))
    unmatched = list(found)
    for expected in golden.expect:
        match = next((result for result in unmatched if _is_same(result, expected)), None)
        if match is None:
            similar = [result for result in found if result.label == expected.label] or found
            listed = ", ".join(map(str, similar[:MAX_SHOWN])) or "nothing"
            raise ModelConfigError(
                f"{folder.path / CONFIG_FILE_NAME}: golden: model {folder.name}, {golden.picture}: "
                f"expected {expected}, got {listed}; confidences may differ by "
                f"{MAX_CONFIDENCE_DIFFERENCE}, and boxes must overlap with an IoU of {MIN_IOU}."
            )
        unmatched.remove(match)


def _with_box(label: str, place: Detection) -> ExpectedResult:
    left, top, right, bottom = place.box_xyxy
    return ExpectedResult(label=label, confidence=place.confidence, box_ltwh=(left, top, right - left, bottom - top))


def iou_of(result: ExpectedResult, expected: ExpectedResult) -> float | None:
    """Return the intersection over union of the boxes, 0..1; None where any box will do, or there is none."""
    if expected.box_ltwh is None:
        return None
    if result.box_ltwh is None:
        return 0.0
    box_xyxy, other_xyxy = (
        np.array([[left, top, left + width, top + height]], np.float32)
        for left, top, width, height in (result.box_ltwh, expected.box_ltwh)
    )
    return float(iou_xyxy(box_xyxy, other_xyxy)[0, 0])


def _is_same(result: ExpectedResult, expected: ExpectedResult) -> bool:
    overlap = iou_of(result, expected)
    return (
        result.label == expected.label
        and abs(result.confidence - expected.confidence) <= MAX_CONFIDENCE_DIFFERENCE
        and (overlap is None or overlap >= MIN_IOU)
    )
