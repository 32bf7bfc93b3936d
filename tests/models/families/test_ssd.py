"""The SSD family: what is particular to it. test_every_family.py and test_every_detector.py have the rest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.families import InputConfig, OutputConfig, Signature, Spec, Tensor
from models.families.candidates import sigmoid
from models.families.ssd import Ssd, SsdConfig
from models.frame import Frame
from models.letterbox import Letterbox
from models.results import MAX_DETECTIONS, Results, Selection

LABELS = ("car", "person")
WHOLE_CANVAS = Letterbox((6, 4), (6, 4))
INPUT = Tensor("float32", ("N", 3, 4, 6))
PREPARED_INPUT = Tensor("uint8", ("N", 4, 6, 3))


def floats(*shape: int | str) -> Tensor:
    return Tensor("float32", shape)


def ssd(anchors: int = 1, levels_name: str = "scores", picture: Tensor = INPUT) -> Ssd:
    outputs = {"boxes": floats("N", anchors, 4), levels_name: floats("N", anchors, len(LABELS))}
    signature = Signature({"images": picture}, outputs)
    return Ssd(Spec(SsdConfig(name="ssd"), InputConfig(size_wh=(6, 4)), OutputConfig(), LABELS, signature))


def read(
    boxes: list[list[float]],
    levels: list[list[float]],
    selection: Selection | None = None,
    levels_name: str = "scores",
) -> Results:
    outputs = {"boxes": np.array([boxes], np.float32), levels_name: np.array([levels], np.float32)}
    return ssd(len(boxes), levels_name).postprocess(outputs, WHOLE_CANVAS, selection or Selection())


def test_a_prepared_model_gets_the_pixels_as_they_are() -> None:
    pixels = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    feeds, letterbox = ssd(picture=PREPARED_INPUT).picture.preprocess(Frame(pixels, "rgb", (6, 4)))
    [(name, images)] = feeds.items()
    assert letterbox == WHOLE_CANVAS
    assert name == "images"
    assert np.shares_memory(images, pixels)
    np.testing.assert_array_equal(images, pixels[None])
    feeds, letterbox = ssd(picture=PREPARED_INPUT).picture.preprocess(
        Frame(np.full((8, 12, 3), 9, np.uint8), "rgb", (12, 8))
    )
    [stretched] = feeds.values()
    assert letterbox == WHOLE_CANVAS
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


def test_equal_confidences_keep_one_order() -> None:
    rows = [[0, 0, 0.2, 0.2], [0.5, 0.5, 1, 1], [0.3, 0, 0.4, 0.1]]
    found = read(rows, [[0.7, 0], [0.7, 0], [0.7, 0]])
    assert [round(detection.box_xyxy[0], 3) for detection in found.detections] == [0, 0.5, 0.3]


def test_one_anchor_may_hold_two_classes() -> None:
    assert len(read([[0, 0, 1, 1]], [[0.9, 0.8]]).detections) == 2


def test_a_million_candidates_are_capped() -> None:
    anchors = 500_000
    rng = np.random.default_rng(7)
    corners: NDArray[np.float32] = rng.random((1, anchors, 2), np.float32) * np.float32(0.9)
    boxes = np.concatenate([corners, corners + np.float32(0.01)], axis=2)
    scores = np.ones((1, anchors, 2), np.float32)
    outputs, family = {"boxes": boxes, "scores": scores}, ssd(anchors)
    assert len(family.postprocess(outputs, WHOLE_CANVAS, Selection()).detections) == OutputConfig().max_detections
    everything = Selection(max_detections=MAX_DETECTIONS)
    assert len(family.postprocess(outputs, WHOLE_CANVAS, everything).detections) <= MAX_DETECTIONS


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
    found = read(boxes, [[level, -300] for level in logits.tolist()], Selection(threshold), "logits")
    expected = read(boxes, [[score, 0] for score in scores.tolist()], Selection(threshold))
    assert found == expected
    assert all(detection.confidence >= np.float32(threshold) for detection in found.detections)


@given(st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=40), st.floats(0, 1, width=32))
def test_any_logits_are_read_like_their_scores(logits: list[float], threshold: float) -> None:
    rows = np.array(logits * 2, np.float32).reshape(-1, 2)
    rng = np.random.default_rng(len(logits))
    boxes = np.sort(rng.random((len(rows), 2, 2), np.float32), axis=1).reshape(-1, 4).tolist()
    expected = read(boxes, sigmoid(rows).tolist(), Selection(threshold))
    assert read(boxes, rows.tolist(), Selection(threshold), "logits") == expected


def test_the_most_confident_are_kept_when_there_are_too_many() -> None:
    count = MAX_DETECTIONS + 500
    boxes = [[index / count, 0, (index + 1) / count, 1] for index in range(count)]
    scores = [[0.5 + (index % 2) / 4, 0] for index in range(count)]
    found = read(boxes, scores, Selection(max_detections=MAX_DETECTIONS)).detections
    assert [round(detection.confidence, 2) for detection in found] == [0.75] * (count // 2) + [0.5] * 250
    assert found[count // 2].box_xyxy[0] == 0
