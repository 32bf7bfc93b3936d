"""The SSD family: what it makes of good outputs, and of bad ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.errors import ModelConfigError
from models.families import InputConfig, OutputConfig, Signature, Spec, Tensor
from models.families.candidates import sigmoid
from models.families.ssd import Ssd, SsdConfig
from models.frame import Frame
from models.letterbox import Letterbox
from models.results import MAX_DETECTIONS, Results, Selection

LABELS = ("car", "person")
PLACED = Letterbox((6, 4), (6, 4))
INPUT = Tensor("float32", ("N", 3, 4, 6))
PREPARED_INPUT = Tensor("uint8", ("N", 4, 6, 3))


def ssd(anchors: int = 1, labels: tuple[str, ...] = LABELS) -> Ssd:
    outputs = {"boxes": floats("N", anchors, 4), "scores": floats("N", anchors, len(labels))}
    return Ssd(spec(labels, Signature({"images": INPUT}, outputs)))


def spec(labels: tuple[str, ...], signature: Signature) -> Spec[SsdConfig]:
    return Spec(SsdConfig(name="ssd"), InputConfig(size_wh=(6, 4)), OutputConfig(), labels, signature)


def floats(*shape: int | str) -> Tensor:
    return Tensor("float32", shape)


def read(boxes: list[list[float]], scores: list[list[float]], selection: Selection | None = None) -> Results:
    outputs = {"boxes": np.array([boxes], np.float32), "scores": np.array([scores], np.float32)}
    return ssd(len(boxes)).postprocess(outputs, PLACED, selection or Selection())


def prepared(anchors: int = 1) -> Ssd:
    outputs = {"boxes": floats("N", anchors, 4), "logits": floats("N", anchors, len(LABELS))}
    return Ssd(spec(LABELS, Signature({"pixels": PREPARED_INPUT}, outputs)))


def read_logits(boxes: list[list[float]], logits: list[list[float]], selection: Selection | None = None) -> Results:
    outputs = {"boxes": np.array([boxes], np.float32), "logits": np.array([logits], np.float32)}
    return prepared(len(boxes)).postprocess(outputs, PLACED, selection or Selection())


def test_a_prepared_model_gets_the_pixels_as_they_are() -> None:
    pixels = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    feeds, letterbox = prepared().picture.preprocess(Frame(pixels, "rgb", (6, 4)))
    [(name, images)] = feeds.items()
    assert letterbox == PLACED
    assert name == "pixels"
    assert np.shares_memory(images, pixels)
    np.testing.assert_array_equal(images, pixels[None])
    feeds, letterbox = prepared().picture.preprocess(Frame(np.full((8, 12, 3), 9, np.uint8), "rgb", (12, 8)))
    [stretched] = feeds.values()
    assert letterbox == PLACED
    np.testing.assert_array_equal(stretched, np.full((1, 4, 6, 3), 9, np.uint8))


def test_preprocessing_stretches_and_puts_channels_first() -> None:
    pixels = np.zeros((8, 12, 3), np.uint8)
    pixels[..., 0] = 255
    [(name, images)] = ssd().picture.preprocess(Frame(pixels, "rgb", (12, 8)))[0].items()
    assert name == "images"
    assert images.shape == (1, 3, 4, 6)
    assert images.dtype == np.float32
    assert images.flags.c_contiguous
    assert (images[0, 0] == 255).all()
    assert (images[0, 1:] == 0).all()


def test_results_come_by_falling_confidence() -> None:
    results = read([[0, 0, 0.2, 0.2], [0.5, 0.5, 1, 1]], [[0.6, 0], [0, 0.9]])
    assert [(found.label, round(found.confidence, 3)) for found in results.detections] == [
        ("person", 0.9),
        ("car", 0.6),
    ]


def test_equal_confidences_keep_one_order() -> None:
    rows = [[0, 0, 0.2, 0.2], [0.5, 0.5, 1, 1], [0.3, 0, 0.4, 0.1]]
    found = read(rows, [[0.7, 0], [0.7, 0], [0.7, 0]])
    assert [round(detection.box_xyxy[0], 3) for detection in found.detections] == [0, 0.5, 0.3]


def test_one_anchor_may_hold_two_classes() -> None:
    assert len(read([[0, 0, 1, 1]], [[0.9, 0.8]]).detections) == 2


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param([-0.5, -0.5, 0.5, 0.5], (0, 0, 0.5, 0.5), id="over the top left corner"),
        pytest.param([0.5, 0.5, 1.5, 7], (0.5, 0.5, 1, 1), id="over the bottom right corner"),
        pytest.param([1.1, 0, 1.2, 1], None, id="wholly outside"),
        pytest.param([0.5, 0.5, 0.5, 0.9], None, id="no width"),
        pytest.param([0.9, 0.1, 0.1, 0.9], None, id="inside out"),
        pytest.param([-0.0, 1e-45, 1, 1], (0, 1e-45, 1, 1), id="minus zero and a denormal"),
    ],
)
def test_boxes_are_clipped_and_empty_ones_dropped(box: list[float], expected: tuple[float, ...] | None) -> None:
    found = read([box], [[0.9, 0]]).detections
    assert [detection.box_xyxy for detection in found] == ([pytest.approx(expected)] if expected else [])


def test_a_confidence_above_one_counts_as_one() -> None:
    assert read([[0, 0, 1, 1]], [[1.0000001, 0]]).detections[0].confidence == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers_are_dropped_and_counted(value: float) -> None:
    good: list[float] = [0, 0, 1, 1]
    bad = [0, 0, value, 1]
    assert read([good], [[value, 0.9]]).dropped == 1
    results = read([bad, good], [[0.9, 0], [0.8, 0]])
    assert results.dropped == 2
    assert [round(found.confidence, 3) for found in results.detections] == [0.8]


def test_the_model_configures_and_the_selection_overrides() -> None:
    rows: list[list[float]] = [[0, 0, 0.2, 0.2], [0.5, 0.5, 1, 1]]
    scores = [[0.6, 0], [0, 0.3]]
    assert len(read(rows, scores).detections) == 1
    assert len(read(rows, scores, Selection(confidence=0.3)).detections) == 2
    assert not read(rows, scores, Selection(confidence=0.7)).detections
    assert not read(rows, scores, Selection(class_ids=frozenset([1]))).detections
    assert len(read(rows, scores, Selection(0.1, frozenset([0, 1]), 1)).detections) == 1
    assert not read(rows, scores, Selection(class_ids=frozenset())).detections


def test_a_million_candidates_are_capped() -> None:
    anchors = 500_000
    rng = np.random.default_rng(7)
    corners: NDArray[np.float32] = rng.random((1, anchors, 2), np.float32) * np.float32(0.9)
    boxes = np.concatenate([corners, corners + np.float32(0.01)], axis=2)
    scores = np.ones((1, anchors, 2), np.float32)
    outputs, family = {"boxes": boxes, "scores": scores}, ssd(anchors)
    assert len(family.postprocess(outputs, PLACED, Selection()).detections) == OutputConfig().max_detections
    everything = Selection(max_detections=MAX_DETECTIONS)
    assert len(family.postprocess(outputs, PLACED, everything).detections) <= MAX_DETECTIONS


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"a": INPUT, "b": INPUT}, {}, "expected one input, got a, b"),
        ({"a": floats(1, 6, 4, 3)}, {}, r"uint8 \[any, 4, 6, 3\], got float32 \[1, 6, 4, 3\]"),
        ({"a": Tensor("float64", (1, 3, 4, 6))}, {}, r"float32 \[any, 3, 4, 6\] or .*, got float64 \["),
        (
            {"a": PREPARED_INPUT},
            {"boxes": floats(1, 9, 4), "logits": floats(1, 9, 80)},
            "logits to be float32",
        ),
        ({"a": INPUT}, {"boxes": floats(1, 9, 4)}, r"output scores to be float32 \[any, any, 2\], got none"),
        (
            {"a": INPUT},
            {"boxes": floats(1, 84, 8400), "scores": floats(1, 9, 2)},
            r"boxes to be float32 \[any, any, 4\]",
        ),
        ({"a": INPUT}, {"boxes": floats(1, 9, 4), "scores": floats(1, 9, 80)}, r"got float32 \[1, 9, 80\]"),
        ({"a": INPUT}, {"boxes": floats(1, 9, 4), "scores": Tensor("float64", (1, 9, 2))}, "got float64"),
    ],
)
def test_another_layout_is_found_at_load(inputs: dict[str, Tensor], outputs: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ModelConfigError, match=message):
        Ssd(spec(LABELS, Signature(inputs, outputs)))


def test_what_lies_outside_the_picture_does_not_compete() -> None:
    inside, mostly_outside = [0.0, 0, 0.5, 0.5], [-9.0, -9, 0.5, 0.5]
    assert len(read([inside, mostly_outside], [[0.9, 0], [0.8, 0]]).detections) == 1
    assert len(read([inside, [3e38, 3e38, 3.1e38, 3.1e38]], [[0.8, 0], [0.9, 0]]).detections) == 1


def test_empty_boxes_take_no_ones_place() -> None:
    empties: list[list[float]] = [[0.5, 0.5, 0.5, 0.9]] * MAX_DETECTIONS
    found = read([*empties, [0, 0, 1, 1]], [*([[0.9, 0.0]] * MAX_DETECTIONS), [0.6, 0]]).detections
    assert len(found) == 1


@pytest.mark.parametrize("threshold", [0, 1e-9, 1e-7, 0.3, 0.5, 0.999, 1 - 2**-24, 1])
def test_logits_are_read_like_their_scores(threshold: float) -> None:
    logits = np.array([-200, -88, -17, -1e-3, 0, 1e-3, 0.7, 15.9, 16.7, 17.5, 200], np.float32)
    boxes: list[list[float]] = [[index / 20, 0, (index + 1) / 20, 1] for index in range(len(logits))]
    scores = sigmoid(logits)
    found = read_logits(boxes, [[level, -300] for level in logits.tolist()], Selection(threshold))
    expected = read(boxes, [[score, 0] for score in scores.tolist()], Selection(threshold))
    assert found == expected
    assert all(detection.confidence >= np.float32(threshold) for detection in found.detections)


@given(st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=40), st.floats(0, 1, width=32))
def test_any_logits_are_read_like_their_scores(logits: list[float], threshold: float) -> None:
    rows = np.array(logits * 2, np.float32).reshape(-1, 2)
    rng = np.random.default_rng(len(logits))
    boxes = np.sort(rng.random((len(rows), 2, 2), np.float32), axis=1).reshape(-1, 4).tolist()
    expected = read(boxes, sigmoid(rows).tolist(), Selection(threshold))
    assert read_logits(boxes, rows.tolist(), Selection(threshold)) == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_dropped_and_counted(value: float) -> None:
    good: list[float] = [0, 0, 1, 1]
    results = read_logits([good, [0, 0, value, 1]], [[value, 3], [4, 0]], Selection(0))
    assert results.dropped == 3
    assert [found.label for found in results.detections] == ["person"]


def test_the_most_confident_are_kept_when_there_are_too_many() -> None:
    count = MAX_DETECTIONS + 500
    boxes = [[index / count, 0, (index + 1) / count, 1] for index in range(count)]
    scores = [[0.5 + (index % 2) / 4, 0] for index in range(count)]
    found = read(boxes, scores, Selection(max_detections=MAX_DETECTIONS)).detections
    assert [round(detection.confidence, 2) for detection in found] == [0.75] * (count // 2) + [0.5] * 250
    assert found[count // 2].box_xyxy[0] == 0
