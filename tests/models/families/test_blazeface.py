"""The blazeface family: anchors, boxes and confidences, of good outputs and of bad ones.

Outputs are encoded as MediaPipe's TfLiteTensorsToDetectionsCalculator documents it: offsets from the anchor's centre,
and sizes, both times the scale, which is the side of the input.
"""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from models.errors import ModelConfigError
from models.families import InputConfig, OutputConfig, Outputs, Signature, Spec, Tensor
from models.families.blazeface import Blazeface, BlazefaceConfig, anchors_xy
from models.letterbox import Letterbox, ResizeMode
from models.results import Results, Selection
from tests.support.drawn import (
    DRAWN,
    FIXED_CANVAS_MODES,
    assert_found_where_drawn,
    fed,
    frame_with_box,
    seen_cxcywh,
)

SIDE = 256
ANCHORS = 896
PLACED = Letterbox((SIDE, SIDE), (SIDE, SIDE))
INPUT = Tensor("float32", (1, SIDE, SIDE, 3))
LEAST = -100.0
"""The logit of nothing; MediaPipe's score_clipping_thresh."""


def floats(*shape: int) -> Tensor:
    return Tensor("float32", shape)


SEPARATE = {"a": floats(1, 512, 1), "b": floats(1, 384, 1), "c": floats(1, 512, 16), "d": floats(1, 384, 16)}
JOINED = {"regressors": floats(1, ANCHORS, 16), "classificators": floats(1, ANCHORS, 1)}


def spec(
    outputs: dict[str, Tensor],
    resize: ResizeMode = "letterbox",
    labels: tuple[str, ...] = ("face",),
    given: Tensor = INPUT,
) -> Spec[BlazefaceConfig]:
    config = InputConfig.model_validate({**BlazefaceConfig.input_defaults, "size_wh": (SIDE, SIDE), "resize": resize})
    output = OutputConfig.model_validate(BlazefaceConfig.output_defaults)
    return Spec(BlazefaceConfig(name="blazeface"), config, output, labels, Signature({"input": given}, outputs))


def mediapipe_anchors() -> NDArray[np.float64]:
    """Return the centres as SsdAnchorsCalculator goes through them: layer groups, rows, columns, anchors."""
    rows = []
    for stride, layers in ((16, 1), (32, 3)):
        cells = SIDE // stride
        rows += [
            ((x + 0.5) / cells, (y + 0.5) / cells)
            for y in range(cells)
            for x in range(cells)
            for _ in range(2 * layers)
        ]
    return np.array(rows)


def encoded(faces: dict[int, tuple[list[float], float]]) -> Outputs:
    """Return the separate outputs that say these faces: anchor → (centre, width, height in pixels; logit)."""
    logits, values = np.full((ANCHORS, 1), LEAST, np.float32), np.zeros((ANCHORS, 16), np.float32)
    for anchor, (box_cxcywh, logit) in faces.items():
        centre = np.array(box_cxcywh[:2]) - mediapipe_anchors()[anchor] * SIDE
        values[anchor, :4] = [*centre, *box_cxcywh[2:]]
        logits[anchor] = logit
    return {"a": logits[None, :512], "b": logits[None, 512:], "c": values[None, :512], "d": values[None, 512:]}


def read(faces: dict[int, tuple[list[float], float]], selection: Selection | None = None) -> Results:
    return Blazeface(spec(SEPARATE)).postprocess(encoded(faces), PLACED, selection or Selection())


def test_anchors_are_those_of_mediapipe() -> None:
    np.testing.assert_allclose(anchors_xy(), mediapipe_anchors(), atol=1e-7)


def test_values_are_fed_from_minus_one_to_one_on_black() -> None:
    images, _ = fed(Blazeface(spec(SEPARATE)), frame_with_box((200, 100), (0, 0, 200, 100)))
    assert (images.shape, images.dtype.name) == ((1, 3, SIDE, SIDE), "float32")
    assert (images[..., 64:192, :] == 1).all()
    assert (images[..., :64, :] == -1).all()
    assert (images[..., 192:, :] == -1).all()


@pytest.mark.parametrize("anchor", [0, 1, 300, 511, 512, 517, 895])
def test_a_face_is_found_from_any_anchor(anchor: int) -> None:
    [face] = read({anchor: ([128, 64, 32, 48], 3)}).detections
    assert (face.label, face.class_id) == ("face", 0)
    assert face.confidence == pytest.approx(1 / (1 + math.exp(-3)))
    assert face.box_xyxy == pytest.approx((112 / 256, 40 / 256, 144 / 256, 88 / 256), abs=1e-6)


def test_joined_outputs_are_read_like_separate_ones() -> None:
    outputs = encoded({7: ([128, 64, 32, 48], 3), 600: ([30, 30, 20, 20], 2)})
    joined = {
        "classificators": np.concatenate([outputs["a"], outputs["b"]], axis=1),
        "regressors": np.concatenate([outputs["c"], outputs["d"]], axis=1),
    }
    expected = Blazeface(spec(SEPARATE)).postprocess(outputs, PLACED, Selection())
    assert Blazeface(spec(JOINED)).postprocess(joined, PLACED, Selection()) == expected
    assert len(expected.detections) == 2


def test_what_overlaps_by_a_third_is_one_face() -> None:
    apart, close = [128.0, 64, 32, 32], [138.0, 64, 32, 32]
    found = read({3: (apart, 2), 4: (close, 3), 600: ([30, 30, 20, 20], 4)}).detections
    assert [round(face.confidence, 2) for face in found] == [0.98, 0.95]


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        (Selection(), 2),
        (Selection(confidence=0.97), 1),
        (Selection(confidence=0.5), 3),
        (Selection(max_detections=1), 1),
        (Selection(class_ids=frozenset()), 0),
        (Selection(class_ids=frozenset([0])), 2),
    ],
)
def test_the_model_configures_and_the_selection_overrides(selection: Selection, count: int) -> None:
    faces = {1: ([30.0, 30, 20, 20], 4.0), 2: ([90.0, 30, 20, 20], 3.0), 3: ([150.0, 30, 20, 20], 0.2)}
    assert len(read(faces, selection).detections) == count


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers_are_dropped_and_counted(value: float) -> None:
    faces = {1: ([30.0, 30, 20, 20], value), 2: ([90.0, 30, value, 20], 3.0), 700: ([150.0, 30, 20, 20], 3.0)}
    results = read(faces)
    assert (len(results.detections), results.dropped) == (1, 2)


def test_key_points_are_not_looked_at() -> None:
    outputs = encoded({1: ([30, 30, 20, 20], 4)})
    outputs["c"][..., 4:] = math.nan
    results = Blazeface(spec(SEPARATE)).postprocess(outputs, PLACED, Selection())
    assert (len(results.detections), results.dropped) == (1, 0)


@pytest.mark.parametrize("logit", [-3e38, -1000.0, 1000.0, 3e38])
def test_logits_as_large_as_can_be_are_no_trouble(logit: float) -> None:
    assert len(read({1: ([30, 30, 20, 20], logit)}).detections) == int(logit > 0)


@pytest.mark.parametrize("box", [[30.0, 30, 0, 20], [30.0, 30, -20, 20], [-300.0, 30, 20, 20]])
def test_boxes_that_are_empty_or_outside_are_dropped(box: list[float]) -> None:
    assert read({1: (box, 3)}) == Results()


@pytest.mark.parametrize("mode", FIXED_CANVAS_MODES)
@pytest.mark.parametrize(("size_wh", "box_xyxy"), DRAWN)
def test_a_box_is_found_where_it_was_drawn(
    mode: ResizeMode, size_wh: tuple[int, int], box_xyxy: tuple[int, int, int, int]
) -> None:
    family = Blazeface(spec(SEPARATE, mode))
    images, letterbox = fed(family, frame_with_box(size_wh, box_xyxy))
    outputs = encoded({400: (seen_cxcywh(images).tolist(), 3)})
    assert_found_where_drawn(family.postprocess(outputs, letterbox, Selection()), letterbox, size_wh, box_xyxy)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        pytest.param({}, r"expected one output float32 \[any, 512, 1\], got none", id="none"),
        pytest.param(
            SEPARATE | {"d": floats(1, 384, 4)}, r"expected one output float32 \[any, 384, 16\]", id="no points"
        ),
        pytest.param(SEPARATE | {"a": Tensor("float16", (1, 512, 1))}, r"got a float16 \[1, 512, 1\], b", id="halves"),
        pytest.param(
            SEPARATE | {"e": floats(1, 512, 1)}, r"expected one output float32 \[any, 512, 1\]", id="two of a kind"
        ),
        pytest.param({"x": floats(1, 2304, 1), "y": floats(1, 2304, 16)}, r"\[any, 896, 1\], got x", id="full range"),
    ],
)
def test_another_layout_is_found_at_load(outputs: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ModelConfigError, match=message):
        Blazeface(spec(outputs))


def test_another_input_or_more_labels_are_found_at_load() -> None:
    with pytest.raises(ModelConfigError, match=r"got float32 \[1, 128, 128, 3\]"):
        Blazeface(spec(SEPARATE, given=floats(1, 128, 128, 3)))
    with pytest.raises(ModelConfigError, match="expected one label, what a face is called, got 2"):
        Blazeface(spec(SEPARATE, labels=("face", "hand")))
