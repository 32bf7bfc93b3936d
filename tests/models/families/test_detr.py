"""The detr family: both layouts, of good outputs and of bad ones.

Heads are encoded as the models' authors document them: boxes as centre and size in shares of the canvas, and logits of
which the sigmoid (Deformable DETR) or the softmax (DETR) is the confidence; or as the postprocessor of RT-DETR gives
them, corners times the sizes that it was told.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import ModelConfigError
from models.families import InputConfig, OutputConfig, Outputs, Signature, Spec, Tensor
from models.families.detr import Detr, DetrConfig
from models.frame import Frame
from models.letterbox import Letterbox, ResizeMode
from models.repository.folder import read_folder
from models.results import Results, Selection
from models.runtime.loading import load_model
from tests.support.drawn import (
    DRAWN,
    FIXED_CANVAS_MODES,
    assert_found_where_drawn,
    fed,
    frame_with_box,
    seen_cxcywh,
)
from tests.support.queries import CANVAS_WH, write_deploy_model

LABELS = ("car", "person")
WIDTH, HEIGHT = 160, 96
PLACED = Letterbox((WIDTH, HEIGHT), (WIDTH, HEIGHT))
INPUT = Tensor("float32", ("N", 3, HEIGHT, WIDTH))
SIZES = Tensor("int64", ("N", 2))
WHOLE = [0.5, 0.5, 1.0, 1.0]
NO_OBJECT = len(LABELS)


def floats(*shape: int | str) -> Tensor:
    return Tensor("float32", shape)


RAW = {"logits": floats("N", 300, 2), "pred_boxes": floats("N", 300, 4)}
DECODED = {"labels": Tensor("int64", ("N", 300)), "boxes": floats("N", 300, 4), "scores": floats("N", 300)}
DECODED_INPUTS = {"images": INPUT, "orig_target_sizes": SIZES}


def detr(
    outputs: dict[str, Tensor],
    inputs: dict[str, Tensor] | None = None,
    activation: str = "sigmoid",
    **given: Any,
) -> Detr:
    config = InputConfig.model_validate({**DetrConfig.input_defaults, "size_wh": (WIDTH, HEIGHT), **given})
    output = OutputConfig.model_validate(DetrConfig.output_defaults)
    family = DetrConfig.model_validate({"name": "detr", "activation": activation})
    return Detr(Spec(family, config, output, LABELS, Signature(inputs or {"images": INPUT}, outputs)))


def raw(boxes_cxcywh: list[list[float]], logits: list[list[float]]) -> Outputs:
    return {"pred_boxes": np.array([boxes_cxcywh], np.float32), "logits": np.array([logits], np.float32)}


def decoded(queries: list[tuple[int, list[float], float]]) -> Outputs:
    labels, boxes_px, scores = zip(*queries, strict=True)
    return {
        "labels": np.array([labels], np.int64),
        "boxes": np.array([boxes_px], np.float32),
        "scores": np.array([scores], np.float32),
    }


def read(outputs: Outputs, selection: Selection | None = None, activation: str = "sigmoid") -> Results:
    if "scores" in outputs:
        return detr(DECODED, DECODED_INPUTS).postprocess(outputs, PLACED, selection or Selection())
    classes = outputs["logits"].shape[-1]
    family = detr(RAW | {"logits": floats("N", 300, classes)}, activation=activation)
    return family.postprocess(outputs, PLACED, selection or Selection())


def told(results: Results) -> list[tuple[str, float]]:
    return [(found.label, round(found.confidence, 3)) for found in results.detections]


def odds(confidence: float) -> float:
    return math.log(confidence / (1 - confidence))


def test_sigmoids_are_told_by_falling_confidence() -> None:
    boxes = [[0.25, 0.5, 0.5, 0.25], [0.75, 0.5, 0.25, 1]]
    results = read(raw(boxes, [[odds(0.6), -9], [odds(0.7), odds(0.9)]]))
    assert told(results) == [("person", 0.9), ("car", 0.7), ("car", 0.6)]
    assert results.detections[0].box_xyxy == pytest.approx((0.625, 0, 0.875, 1))
    assert results.detections[2].box_xyxy == pytest.approx((0, 0.375, 0.5, 0.625))


def test_the_softmax_tells_one_class_a_query_and_not_that_there_is_none() -> None:
    shares = [[0.2, 0.7, 0.1], [0.05, 0.05, 0.9], [0.45, 0.35, 0.2]]
    logits = [[math.log(share) + 50 for share in row] for row in shares]
    outputs = raw([[0.2, 0.5, 0.1, 0.1], [0.5, 0.5, 0.1, 0.1], [0.8, 0.5, 0.1, 0.1]], logits)
    assert told(read(outputs, activation="softmax")) == [("person", 0.7)]
    assert told(read(outputs, Selection(0.3), "softmax")) == [("person", 0.7), ("car", 0.45)]


def test_scores_are_told_as_they_are() -> None:
    left_half = [0.0, 0.0, WIDTH / 2, HEIGHT]
    results = read(decoded([(1, left_half, 0.8), (0, [0, 0, WIDTH, HEIGHT / 4], 0.9), (0, left_half, 0.4)]))
    assert told(results) == [("car", 0.9), ("person", 0.8)]
    assert results.detections[0].box_xyxy == pytest.approx((0, 0, 1, 0.25))
    assert results.detections[1].box_xyxy == pytest.approx((0, 0, 0.5, 1))


def test_what_overlaps_is_left_to_the_model() -> None:
    assert len(read(raw([WHOLE, WHOLE], [[3, -9], [2, -9]])).detections) == 2


@pytest.mark.parametrize(("logits", "boxes"), [("pred_logits", "pred_boxes"), ("labels", "dets"), ("logits", "boxes")])
def test_outputs_are_known_by_their_documented_names(logits: str, boxes: str) -> None:
    outputs = raw([WHOLE], [[3, -9]])
    named = {logits: outputs["logits"], boxes: outputs["pred_boxes"], "last_hidden_state": outputs["logits"]}
    family = detr({logits: RAW["logits"], boxes: RAW["pred_boxes"], "last_hidden_state": floats("N", 300, 256)})
    assert told(family.postprocess(named, PLACED, Selection())) == [("car", 0.953)]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        pytest.param(Selection(), ["car", "person"], id="as configured"),
        pytest.param(Selection(confidence=0.85), ["car"], id="a higher confidence"),
        pytest.param(Selection(confidence=0.2), ["car", "person", "car"], id="a lower confidence"),
        pytest.param(Selection(class_ids=frozenset([1])), ["person"], id="one class"),
        pytest.param(Selection(class_ids=frozenset()), [], id="no class"),
        pytest.param(Selection(max_detections=1), ["car"], id="only one"),
    ],
)
def test_the_model_configures_and_the_selection_overrides(selection: Selection, expected: list[str]) -> None:
    rows = [(0, 0.9), (1, 0.8), (0, 0.3)]
    confidences = [[odds(confidence) if label == place else -9 for place in (0, 1)] for label, confidence in rows]
    softmax = [
        [math.log(confidence) if label == place else -50 for place in (0, 1)] + [math.log(1 - confidence)]
        for label, confidence in rows
    ]
    corners = [0.0, 0.0, WIDTH, HEIGHT]
    for results in (
        read(raw([WHOLE] * 3, confidences), selection),
        read(raw([WHOLE] * 3, softmax), selection, "softmax"),
        read(decoded([(label, corners, confidence) for label, confidence in rows]), selection),
    ):
        assert [found.label for found in results.detections] == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers_are_dropped_and_counted(value: float) -> None:
    broken = [0.5, value, 1.0, 1.0]
    results = read(raw([WHOLE, broken], [[3, value], [4, 4]]))
    assert (told(results), results.dropped) == ([("car", 0.953)], 3)
    results = read(raw([WHOLE, WHOLE, broken], [[3, -9, -9], [4, -9, value], [4, -9, -9]]), activation="softmax")
    assert (told(results), results.dropped) == ([("car", 1.0)], 2)
    corners = [0.0, 0, 9, 9]
    results = read(decoded([(0, corners, 0.9), (0, corners, value), (0, [0, 0, value, 9], 0.9)]))
    assert (told(results), results.dropped) == ([("car", 0.9)], 2)


def test_a_model_that_is_all_broken_finds_nothing() -> None:
    results = read(raw([WHOLE], [[math.nan] * 3]), Selection(0), "softmax")
    assert results == Results(dropped=1)


@pytest.mark.parametrize("class_id", [-1, 2, 2**40])
def test_a_class_without_a_label_is_dropped_and_counted(class_id: int) -> None:
    corners = [0.0, 0, 9, 9]
    results = read(decoded([(class_id, corners, 0.9), (1, corners, 0.8)]))
    assert (told(results), results.dropped) == ([("person", 0.8)], 1)


@pytest.mark.parametrize(
    ("box_cxcywh", "expected"),
    [
        pytest.param([0.0, 0.0, 1.0, 1.0], (0, 0, 0.5, 0.5), id="over the corner"),
        pytest.param([0.5, 0.5, 0.0, 1.0], None, id="no width"),
        pytest.param([0.5, 0.5, -0.2, 1.0], None, id="inside out"),
        pytest.param([1.5, 0.5, 0.5, 0.5], None, id="outside"),
    ],
)
def test_boxes_are_clipped_and_empty_ones_dropped(box_cxcywh: list[float], expected: tuple[float, ...] | None) -> None:
    found = read(raw([box_cxcywh], [[3, -9]])).detections
    assert [detection.box_xyxy for detection in found] == ([pytest.approx(expected)] if expected else [])


def test_the_picture_is_stretched_and_divided_by_255_and_the_canvas_told() -> None:
    feeds, letterbox = detr(DECODED, DECODED_INPUTS).picture.preprocess(
        Frame(np.full((9, 9, 3), 51, np.uint8), "rgb", (9, 9))
    )
    assert letterbox == PLACED
    np.testing.assert_allclose(feeds["images"], np.full((1, 3, HEIGHT, WIDTH), 0.2), rtol=1e-6)
    np.testing.assert_array_equal(feeds["orig_target_sizes"], np.array([[WIDTH, HEIGHT]]))


def test_the_picture_is_normalised_as_configured() -> None:
    family = detr(RAW, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    images, _ = fed(family, Frame(np.full((9, 9, 3), 255, np.uint8), "rgb", (9, 9)))
    assert images[0, :, 0, 0].tolist() == pytest.approx([2.2489, 2.4286, 2.64], rel=1e-4)


@pytest.mark.parametrize("mode", FIXED_CANVAS_MODES)
@pytest.mark.parametrize(("size_wh", "box_xyxy"), DRAWN)
@pytest.mark.parametrize("scores", [False, True], ids=["logits", "scores"])
def test_a_box_is_found_where_it_was_drawn(
    mode: ResizeMode, size_wh: tuple[int, int], box_xyxy: tuple[int, int, int, int], *, scores: bool
) -> None:
    family = detr(DECODED, DECODED_INPUTS, resize=mode) if scores else detr(RAW, resize=mode, padding=0)
    images, letterbox = fed(family, frame_with_box(size_wh, box_xyxy))
    x, y, width, height = seen_cxcywh(images).tolist()
    outputs = (
        decoded([(1, [x - width / 2, y - height / 2, x + width / 2, y + height / 2], 0.9)])
        if scores
        else raw([[x / WIDTH, y / HEIGHT, width / WIDTH, height / HEIGHT]], [[-9, 3]])
    )
    assert_found_where_drawn(family.postprocess(outputs, letterbox, Selection()), letterbox, size_wh, box_xyxy)


def test_a_deploy_export_answers_in_shares_of_the_picture(tmp_path: Path) -> None:
    shares = np.array([[0.25, 0, 0.5, 0.5], [0, 0, 1, 1]], np.float32)
    model = load_model(
        read_folder(write_deploy_model(tmp_path, np.array([1, 0]), shares, np.array([0.9, 0.2], np.float32)))
    )
    feeds, letterbox = model.family.picture.preprocess(Frame(np.zeros((320, 320, 3), np.uint8), "rgb", (320, 320)))
    [found] = model.family.postprocess(model.session.run(feeds), letterbox, Selection()).detections
    assert (letterbox.size_wh, letterbox.offset_xy) == ((32, 32), (16, 0))  # the middle of a canvas of 64 by 32
    assert (found.label, letterbox.canvas_wh) == ("person", CANVAS_WH)
    assert found.box_xyxy == pytest.approx((0, 0, 0.5, 0.5))


@pytest.mark.parametrize(
    ("inputs", "outputs", "activation", "message"),
    [
        pytest.param({}, {}, "sigmoid", r"output logits to be float32 \[any, any, 2\], got none", id="none"),
        pytest.param({}, RAW | {"logits": floats(1, 300, 80)}, "sigmoid", r"got float32 \[1, 300, 80\]", id="classes"),
        pytest.param({}, RAW, "softmax", r"logits to be float32 \[any, any, 3\], got", id="no object missing"),
        pytest.param({}, {"logits": RAW["logits"]}, "sigmoid", "output pred_boxes to be .*, got none", id="no boxes"),
        pytest.param({}, RAW | {"pred_boxes": floats(1, 4, 300)}, "sigmoid", r"got float32 \[1, 4, 300\]", id="turned"),
        pytest.param({"pixel_mask": SIZES}, RAW, "sigmoid", "expected one input, got images, pixel_mask", id="mask"),
        pytest.param({}, DECODED, "sigmoid", "expected one input beside orig_target_sizes, got images", id="no sizes"),
        pytest.param(
            {"orig_target_sizes": floats(1, 2)}, DECODED, "sigmoid", r"int64 \[any, 2\], got float32", id="float sizes"
        ),
        pytest.param(
            DECODED_INPUTS, DECODED | {"labels": floats(1, 300)}, "sigmoid", "labels to be int64", id="float labels"
        ),
        pytest.param(
            DECODED_INPUTS, DECODED | {"scores": floats(1, 300, 2)}, "sigmoid", "scores to be float32", id="all scores"
        ),
    ],
)
def test_another_layout_is_found_at_load(
    inputs: dict[str, Tensor], outputs: dict[str, Tensor], activation: str, message: str
) -> None:
    with pytest.raises(ModelConfigError, match=message):
        detr(outputs, {"images": INPUT, **inputs}, activation)
