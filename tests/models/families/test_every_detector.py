"""Common to all families of detectors: order, overlaps, clipping, limits, and boxes mapped back to the picture."""

import math

import numpy as np
import pytest

from models.boxes import BoxXyxy
from models.errors import InferenceError
from models.families import FAMILY_CONFIGS, Tensor
from models.letterbox import Letterbox, ResizeMode
from models.results import MAX_DETECTIONS, Results, Selection
from tests.support.cost import costs_at_most
from tests.support.models.drawn import (
    DRAWN,
    FIXED_CANVAS_MODES,
    assert_found_where_drawn,
    fed,
    frame_with_box,
    seen_cxcywh,
)
from tests.support.models.encoders import CANVAS_WH, CANVAS_WHWH, LABELS, Seen
from tests.support.models.heads import DETECTORS, HEADS, SEVERAL_LABELS, built, family_of, spec_of

WHOLE_CANVAS = Letterbox(CANVAS_WH, CANVAS_WH)
CAR, PERSON = Seen((16, 24, 80, 72), 0, 0.9), Seen((100, 10, 140, 90), 1, 0.7)
every_detector = pytest.mark.parametrize("name", DETECTORS)
IN_PIXELS = ("yolov3", "yolov5", "yolov8", "end_to_end", "detr scores", "yolo_nas")
"""Heads that do not need to know the size of the canvas."""


def read(name: str, seen: list[Seen], selection: Selection | None = None) -> Results:
    return family_of(name).postprocess(HEADS[name].encode(seen), WHOLE_CANVAS, selection or Selection())


@every_detector
def test_objects_come_by_falling_confidence(name: str) -> None:
    results = read(name, [PERSON, CAR])
    classes = [(label, HEADS[name].labels.index(label)) for label in map(HEADS[name].name_of, (CAR, PERSON))]
    assert [(found.label, found.class_id) for found in results.detections] == classes
    assert [found.confidence for found in results.detections] == pytest.approx([0.9, 0.7])
    assert results.detections[0].box_xyxy == pytest.approx((0.1, 0.25, 0.5, 0.75), abs=1e-6)
    assert results.detections[1].box_xyxy == pytest.approx((100 / 160, 10 / 96, 140 / 160, 90 / 96), abs=1e-6)
    assert results.dropped == 0


@pytest.mark.parametrize("name", [name for name in DETECTORS if name in SEVERAL_LABELS])
def test_what_overlaps_is_suppressed_unless_the_model_itself_does_that(name: str) -> None:
    twice = [CAR, Seen((17, 24, 80, 72), 0, 0.8), Seen((17, 24, 80, 72), 2, 0.8)]
    head = HEADS[name]
    does_that = FAMILY_CONFIGS[head.family].defaults_for(head.section)[1].get("iou_threshold", 0.5) is None
    assert does_that == (name != "yolo_nas" and head.family in {"yolov3", "end_to_end", "detr", "postprocessed"})
    assert len(read(name, twice).detections) == (3 if does_that else 2)
    configured = family_of(name, output={"iou_threshold": 0.5 if does_that else None})
    results = configured.postprocess(HEADS[name].encode(twice), WHOLE_CANVAS, Selection())
    assert len(results.detections) == (2 if does_that else 3)


CLIPPED: list[tuple[BoxXyxy, BoxXyxy | None]] = [
    ((-50, -9, 80, 300), (0, 0, 0.5, 1)),  # over three edges
    ((-80, -48, 80, 48), (0, 0, 0.5, 0.5)),  # over the top left corner
    ((80, 48, 240, 672), (0.5, 0.5, 1, 1)),  # over the bottom right corner
    ((-0.0, 1e-43, 160, 96), (0, 0, 1, 1)),  # minus zero and a denormal
    ((200, 0, 300, 50), None),  # wholly outside
    ((-300, 30, -280, 50), None),  # outside on the left
    ((80, 48, 80, 86), None),  # no width
    ((144, 10, 16, 86), None),  # inside out
]


@pytest.mark.parametrize(
    ("name", "box_xyxy", "expected"),
    [
        (name, box_xyxy, expected)
        for box_xyxy, expected in CLIPPED
        for name in DETECTORS
        if name != "yolox" or box_xyxy[0] < box_xyxy[2]  # other widths have no logarithm
    ],
)
def test_boxes_are_clipped_and_empty_ones_dropped_and_counted(
    name: str, box_xyxy: BoxXyxy, expected: BoxXyxy | None
) -> None:
    results = read(name, [Seen(box_xyxy)])
    found = [detection.box_xyxy for detection in results.detections]
    assert found == ([pytest.approx(expected, abs=1e-5)] if expected else [])
    assert results.dropped == (0 if expected else 1)


@every_detector
@pytest.mark.parametrize("value", [math.nan, math.inf, 3e38, -3e38, 89.0])
def test_a_head_of_rubbish_is_survived(name: str, value: float) -> None:
    outputs = HEADS[name].encode([CAR, PERSON])
    for output in outputs.values():
        if output.dtype == np.float32:
            output[:] = value
    for found in family_of(name).postprocess(outputs, WHOLE_CANVAS, Selection(confidence=0)).detections:
        assert found.confidence == 1


@every_detector
def test_more_objects_than_may_be_reported_are_capped(name: str) -> None:
    several = [Seen((index * 5, 2, index * 5 + 4, 90), 0, 0.5 + index / 100) for index in range(30)]
    found = read(name, several, Selection(max_detections=7)).detections
    assert [detection.confidence for detection in found] == pytest.approx([0.79 - index / 100 for index in range(7)])


@pytest.mark.parametrize("name", ["yolov3", "yolov5", "yolov8", "end_to_end"])
def test_a_million_candidates_cost_little(name: str) -> None:
    outputs = HEADS[name].encode([Seen((0, 0, 9, 9), 0, 0.01)] * 400_000)
    if name == "yolov3":
        outputs["indices"] = outputs["indices"][:100]
    family = family_of(name)
    with costs_at_most(2):
        assert not family.postprocess(outputs, WHOLE_CANVAS, Selection()).detections


@pytest.mark.parametrize("name", ["yolov3", "yolov5", "yolov8", "end_to_end"])
def test_a_million_sure_candidates_are_capped(name: str) -> None:
    outputs = HEADS[name].encode([Seen((0, 0, 9, 9))] * 400_000)
    results = family_of(name, output={"iou_threshold": None}).postprocess(
        outputs, WHOLE_CANVAS, Selection(max_detections=MAX_DETECTIONS)
    )
    assert len(results.detections) == MAX_DETECTIONS


@every_detector
def test_every_place_of_a_head_gives_its_own_box(name: str) -> None:
    """With as many objects as YOLOX has cells of 32 pixels, in all rows and columns of its grids."""
    several = [Seen((index * 3, index, index * 3 + 2, 90), 0, 0.95 - index / 100) for index in range(45)]
    found = read(name, several, Selection(confidence=0.5)).detections
    expected = np.array([seen.box_xyxy for seen in several]) / CANVAS_WHWH
    np.testing.assert_allclose([detection.box_xyxy for detection in found], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["yolov5", "yolov8", "yolox", "end_to_end"])
def test_what_the_file_leaves_free_is_checked_when_it_answers(name: str) -> None:
    family = built(name, spec_of(name, {"output0": Tensor("float32", ("N", "a", "b"))}))
    assert family.postprocess(HEADS[name].encode([CAR]), WHOLE_CANVAS, Selection()).detections
    with pytest.raises(InferenceError) as refused:
        family.postprocess({"output0": np.zeros((1, 9, 9), np.float32)}, WHOLE_CANVAS, Selection())
    assert "got float32 [1, 9, 9]" in str(refused.value.__cause__)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *((name, mode) for name in DETECTORS for mode in FIXED_CANVAS_MODES),
        *((name, "within") for name in IN_PIXELS),
    ],
)
@pytest.mark.parametrize(("size_wh", "box_xyxy"), [*DRAWN, ((160, 96), (40, 30, 120, 60))])
def test_a_box_is_found_where_it_was_drawn(
    name: str, mode: ResizeMode, size_wh: tuple[int, int], box_xyxy: tuple[int, int, int, int]
) -> None:
    """Onto the canvas, through the head, and back; the detector is the white pixels of the canvas."""
    family = family_of(name, {"resize": mode, "padding": 0})
    images, letterbox = fed(family, frame_with_box(size_wh, box_xyxy))
    x, y, width, height = seen_cxcywh(images).tolist()
    dog = Seen((x - width / 2, y - height / 2, x + width / 2, y + height / 2), LABELS.index("dog"))
    results = family.postprocess(HEADS[name].encode([dog]), letterbox, Selection())
    assert [found.label for found in results.detections] == [HEADS[name].name_of(dog)]
    assert_found_where_drawn(results, letterbox, size_wh, box_xyxy)
