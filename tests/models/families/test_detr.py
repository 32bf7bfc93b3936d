"""The detr family: what is particular to its layouts. test_every_family.py and test_every_detector.py have the rest.

Heads are encoded as the models' authors document them: boxes as centre and size in shares of the canvas, and logits of
which the sigmoid (Deformable DETR) or the softmax (DETR) is the confidence; or as the postprocessor of RT-DETR gives
them, corners times the sizes that it was fed.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.families import InputConfig, OutputConfig, Outputs, Signature, Spec, Tensor
from models.families.detr import Detr, DetrConfig
from models.frame import Frame
from models.letterbox import Letterbox
from models.repository.folder import read_folder
from models.results import Results, Selection
from models.runtime.loading import load_model
from tests.support.models.drawn import fed
from tests.support.queries import CANVAS_WH, write_deploy_model

LABELS = ("car", "person")
WIDTH, HEIGHT = 160, 96
WHOLE_CANVAS = Letterbox((WIDTH, HEIGHT), (WIDTH, HEIGHT))
INPUT = Tensor("float32", ("N", 3, HEIGHT, WIDTH))
SIZES = Tensor("int64", ("N", 2))
WHOLE = [0.5, 0.5, 1.0, 1.0]


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
        return detr(DECODED, DECODED_INPUTS).postprocess(outputs, WHOLE_CANVAS, selection or Selection())
    classes = outputs["logits"].shape[-1]
    family = detr(RAW | {"logits": floats("N", 300, classes)}, activation=activation)
    return family.postprocess(outputs, WHOLE_CANVAS, selection or Selection())


def reported(results: Results) -> list[tuple[str, float]]:
    return [(found.label, round(found.confidence, 3)) for found in results.detections]


def odds(confidence: float) -> float:
    return math.log(confidence / (1 - confidence))


def test_sigmoids_come_by_falling_confidence() -> None:
    boxes = [[0.25, 0.5, 0.5, 0.25], [0.75, 0.5, 0.25, 1]]
    results = read(raw(boxes, [[odds(0.6), -9], [odds(0.7), odds(0.9)]]))
    assert reported(results) == [("person", 0.9), ("car", 0.7), ("car", 0.6)]
    assert results.detections[0].box_xyxy == pytest.approx((0.625, 0, 0.875, 1))
    assert results.detections[2].box_xyxy == pytest.approx((0, 0.375, 0.5, 0.625))


def test_the_softmax_gives_one_class_a_query_and_no_result_for_no_object() -> None:
    shares = [[0.2, 0.7, 0.1], [0.05, 0.05, 0.9], [0.45, 0.35, 0.2]]
    logits = [[math.log(share) + 50 for share in row] for row in shares]
    outputs = raw([[0.2, 0.5, 0.1, 0.1], [0.5, 0.5, 0.1, 0.1], [0.8, 0.5, 0.1, 0.1]], logits)
    assert reported(read(outputs, activation="softmax")) == [("person", 0.7)]
    assert reported(read(outputs, Selection(0.3), "softmax")) == [("person", 0.7), ("car", 0.45)]


def test_scores_are_reported_as_they_are() -> None:
    left_half = [0.0, 0.0, WIDTH / 2, HEIGHT]
    results = read(decoded([(1, left_half, 0.8), (0, [0, 0, WIDTH, HEIGHT / 4], 0.9), (0, left_half, 0.4)]))
    assert reported(results) == [("car", 0.9), ("person", 0.8)]
    assert results.detections[0].box_xyxy == pytest.approx((0, 0, 1, 0.25))
    assert results.detections[1].box_xyxy == pytest.approx((0, 0, 0.5, 1))


def test_what_overlaps_is_left_to_the_model() -> None:
    assert len(read(raw([WHOLE, WHOLE], [[3, -9], [2, -9]])).detections) == 2


@pytest.mark.parametrize(("logits", "boxes"), [("pred_logits", "pred_boxes"), ("labels", "dets"), ("logits", "boxes")])
def test_outputs_are_known_by_their_documented_names(logits: str, boxes: str) -> None:
    outputs = raw([WHOLE], [[3, -9]])
    named = {logits: outputs["logits"], boxes: outputs["pred_boxes"], "last_hidden_state": outputs["logits"]}
    family = detr({logits: RAW["logits"], boxes: RAW["pred_boxes"], "last_hidden_state": floats("N", 300, 256)})
    assert reported(family.postprocess(named, WHOLE_CANVAS, Selection())) == [("car", 0.953)]


@pytest.mark.parametrize("class_id", [-1, 2, 2**40])
def test_a_class_without_a_label_is_dropped_and_counted(class_id: int) -> None:
    corners = [0.0, 0, 9, 9]
    results = read(decoded([(class_id, corners, 0.9), (1, corners, 0.8)]))
    assert (reported(results), results.dropped) == ([("person", 0.8)], 1)


def test_the_picture_is_stretched_and_divided_by_255_and_the_canvas_fed() -> None:
    feeds, letterbox = detr(DECODED, DECODED_INPUTS).picture.preprocess(
        Frame(np.full((9, 9, 3), 51, np.uint8), "rgb", (9, 9))
    )
    assert letterbox == WHOLE_CANVAS
    np.testing.assert_allclose(feeds["images"], np.full((1, 3, HEIGHT, WIDTH), 0.2), rtol=1e-6)
    np.testing.assert_array_equal(feeds["orig_target_sizes"], np.array([[WIDTH, HEIGHT]]))


def test_the_picture_is_normalised_as_configured() -> None:
    family = detr(RAW, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    images, _ = fed(family, Frame(np.full((9, 9, 3), 255, np.uint8), "rgb", (9, 9)))
    assert images[0, :, 0, 0].tolist() == pytest.approx([2.2489, 2.4286, 2.64], rel=1e-4)


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
