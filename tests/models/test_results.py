"""Results refuse values that no consumer could use."""

import math

import pytest

from models.results import Detection, Selection


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan, math.inf])
def test_a_confidence_is_a_share(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        Detection("car", 2, confidence, (0, 0, 1, 1))


@pytest.mark.parametrize(
    "box_xyxy",
    [
        pytest.param((-0.1, 0, 1, 1), id="left of the picture"),
        pytest.param((0, 0, 1.1, 1), id="right of the picture"),
        pytest.param((0.5, 0, 0.5, 1), id="no width"),
        pytest.param((0, 0.6, 1, 0.5), id="upside down"),
        pytest.param((0, 0, math.nan, 1), id="no number"),
    ],
)
def test_a_box_lies_in_the_picture_and_is_not_empty(box_xyxy: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Detection("car", 2, 0.5, box_xyxy)


@pytest.mark.parametrize(
    "selection", [{"confidence": math.nan}, {"confidence": 1.1}, {"max_detections": 0}, {"max_detections": 1001}]
)
def test_a_selection_asks_for_what_can_be(selection: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Selection(**selection)  # type: ignore[arg-type]
