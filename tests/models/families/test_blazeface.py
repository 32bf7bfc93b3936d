"""The blazeface family: anchors, boxes and confidences. test_every_family.py and test_every_detector.py have the rest.

Outputs are encoded as MediaPipe's TfLiteTensorsToDetectionsCalculator documents it: offsets from the anchor's centre,
and sizes, both times the scale, which is the side of the input.
"""

import math

import numpy as np
import pytest

from models.errors import ModelConfigError
from models.families import InputConfig, OutputConfig, Outputs, Signature, Spec, Tensor
from models.families.blazeface import Blazeface, BlazefaceConfig, anchors_xy
from models.letterbox import Letterbox, ResizeMode
from models.results import Results, Selection
from tests.support.models.drawn import fed, frame_with_box
from tests.support.models.encoders import NOTHING, mediapipe_anchors

SIDE = 256
ANCHORS = 896
WHOLE_CANVAS = Letterbox((SIDE, SIDE), (SIDE, SIDE))
INPUT = Tensor("float32", (1, SIDE, SIDE, 3))


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


def encoded(faces: dict[int, tuple[list[float], float]]) -> Outputs:
    """Return the separate outputs that encode these faces: anchor → (centre, width, height in pixels; logit)."""
    logits, values = np.full((ANCHORS, 1), NOTHING, np.float32), np.zeros((ANCHORS, 16), np.float32)
    for anchor, (box_cxcywh, logit) in faces.items():
        centre = np.array(box_cxcywh[:2]) - mediapipe_anchors()[anchor] * SIDE
        values[anchor, :4] = [*centre, *box_cxcywh[2:]]
        logits[anchor] = logit
    return {"a": logits[None, :512], "b": logits[None, 512:], "c": values[None, :512], "d": values[None, 512:]}


def read(faces: dict[int, tuple[list[float], float]], selection: Selection | None = None) -> Results:
    return Blazeface(spec(SEPARATE)).postprocess(encoded(faces), WHOLE_CANVAS, selection or Selection())


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
    expected = Blazeface(spec(SEPARATE)).postprocess(outputs, WHOLE_CANVAS, Selection())
    assert Blazeface(spec(JOINED)).postprocess(joined, WHOLE_CANVAS, Selection()) == expected
    assert len(expected.detections) == 2


def test_what_overlaps_by_a_third_is_one_face() -> None:
    apart, close = [128.0, 64, 32, 32], [138.0, 64, 32, 32]
    found = read({3: (apart, 2), 4: (close, 3), 600: ([30, 30, 20, 20], 4)}).detections
    assert [round(face.confidence, 2) for face in found] == [0.98, 0.95]


def test_key_points_are_not_looked_at() -> None:
    outputs = encoded({1: ([30, 30, 20, 20], 4)})
    outputs["c"][..., 4:] = math.nan
    results = Blazeface(spec(SEPARATE)).postprocess(outputs, WHOLE_CANVAS, Selection())
    assert (len(results.detections), results.dropped) == (1, 0)


@pytest.mark.parametrize("logit", [-3e38, -1000.0, 1000.0, 3e38])
def test_logits_as_large_as_can_be_are_no_trouble(logit: float) -> None:
    assert len(read({1: ([30, 30, 20, 20], logit)}).detections) == int(logit > 0)


def test_another_input_or_more_labels_are_found_at_load() -> None:
    with pytest.raises(ModelConfigError, match=r"got float32 \[1, 128, 128, 3\]"):
        Blazeface(spec(SEPARATE, given=floats(1, 128, 128, 3)))
    with pytest.raises(ModelConfigError, match="expected one label, what a face is called, got 2"):
        Blazeface(spec(SEPARATE, labels=("face", "hand")))
