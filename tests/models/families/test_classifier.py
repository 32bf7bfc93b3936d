"""The classifier family: what it makes of good outputs, and of bad ones."""

import math

import numpy as np
import pytest

from models.errors import ModelConfigError
from models.families import InputConfig, OutputConfig, Signature, Spec, Tensor
from models.families.classifier import Classifier, ClassifierConfig
from models.frame import DecodeTarget, Frame
from models.letterbox import Letterbox
from models.results import Results, Selection

LABELS = ("cat", "dog", "cup")
PLACED = Letterbox((4, 4), (4, 4))
INPUT = Tensor("float32", ("N", 3, 4, 4))
INPUT_CONFIG = InputConfig.model_validate({"size_wh": (4, 4), **ClassifierConfig.input_defaults})
OUTPUT_CONFIG = OutputConfig.model_validate(ClassifierConfig.output_defaults)


def classifier(
    activation: str = "none", labels: tuple[str, ...] = LABELS, shape: tuple[int | str, ...] = ()
) -> Classifier:
    outputs = {"probabilities": Tensor("float32", shape or ("N", len(labels)))}
    return Classifier(spec(labels, Signature({"images": INPUT}, outputs), activation))


def spec(labels: tuple[str, ...], signature: Signature, activation: str = "none") -> Spec[ClassifierConfig]:
    family = ClassifierConfig.model_validate({"name": "classifier", "activation": activation})
    return Spec(family, INPUT_CONFIG, OUTPUT_CONFIG, labels, signature)


def read(levels: list[float], selection: Selection | None = None, activation: str = "none") -> Results:
    labels = (*LABELS, *map(str, range(len(LABELS), len(levels))))[: len(levels)]
    outputs = {"probabilities": np.array([levels], np.float32)}
    return classifier(activation, labels).postprocess(outputs, PLACED, selection or Selection())


def told(results: Results) -> list[tuple[str, int, float]]:
    return [(found.label, found.class_id, round(found.confidence, 4)) for found in results.classifications]


def test_classes_come_by_falling_confidence() -> None:
    assert told(read([0.3, 0.45, 0.25])) == [("dog", 1, 0.45), ("cat", 0, 0.3), ("cup", 2, 0.25)]


def test_equal_confidences_keep_the_order_of_their_ids() -> None:
    assert [class_id for _, class_id, _ in told(read([0.21, 0.29, 0.21, 0.29]))] == [1, 3, 0, 2]


@pytest.mark.parametrize(
    ("activation", "levels", "expected"),
    [
        pytest.param("softmax", [math.log(6), math.log(3), 0], [0.6, 0.3, 0.1], id="softmax"),
        pytest.param("softmax", [3e38, -3e38, 0], [1, 0, 0], id="softmax of the largest numbers"),
        pytest.param("softmax", [100 + math.log(3), 100, -100], [0.75, 0.25, 0], id="softmax far from zero"),
        pytest.param("sigmoid", [math.log(9), 0, -math.log(9)], [0.9, 0.5, 0.1], id="sigmoid"),
        pytest.param("none", [0.5, 0.25, 0.125], [0.5, 0.25, 0.125], id="none"),
        pytest.param("none", [1.0000001, -1e-7, 0.5], [1, 0.5, 0], id="rounded out of range"),
    ],
)
def test_confidences_are_made_of_levels(activation: str, levels: list[float], expected: list[float]) -> None:
    found = read(levels, Selection(confidence=0), activation).classifications
    assert [classification.confidence for classification in found] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers_are_dropped_and_counted(activation: str, value: float) -> None:
    results = read([value, 0.9, value], None, activation)
    assert results.dropped == 2
    assert [label for label, _, _ in told(results)] == ["dog"]
    assert read([value] * 3, Selection(0), activation) == Results(dropped=3)


@pytest.mark.parametrize(
    ("selection", "labels"),
    [
        pytest.param(Selection(), ["dog", "cat"], id="as configured"),
        pytest.param(Selection(confidence=0.3), ["dog"], id="a higher confidence"),
        pytest.param(Selection(confidence=0.01), ["dog", "cat", "cup"], id="a lower confidence"),
        pytest.param(Selection(class_ids=frozenset([0, 2])), ["cat"], id="two classes"),
        pytest.param(Selection(0, frozenset([2])), ["cup"], id="an unlikely class"),
        pytest.param(Selection(class_ids=frozenset()), [], id="no class"),
        pytest.param(Selection(max_detections=1), ["dog"], id="only one"),
    ],
)
def test_the_model_configures_and_the_selection_overrides(selection: Selection, labels: list[str]) -> None:
    assert [label for label, _, _ in told(read([0.25, 0.7, 0.05], selection))] == labels


def test_five_are_told_unless_more_are_asked_for() -> None:
    levels = [0.25] * 9
    assert len(read(levels).classifications) == 5
    assert len(read(levels, Selection(max_detections=7)).classifications) == 7


def test_the_axes_of_a_pooling_are_taken_off() -> None:
    outputs = {"probabilities": np.array([0.3, 0.4, 0.3], np.float32).reshape(1, 3, 1, 1)}
    found = classifier(shape=(1, 3, 1, 1)).postprocess(outputs, PLACED, Selection())
    assert [label for label, _, _ in told(found)] == ["dog", "cat", "cup"]


def test_the_centre_of_the_picture_is_shown() -> None:
    assert classifier().picture.target == DecodeTarget((4, 4), "centre_crop", 0.875)
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, 32:64] = 255
    [(name, images)] = classifier().picture.preprocess(Frame(pixels, "rgb", (128, 64)))[0].items()
    assert (name, images.shape) == ("images", (1, 3, 4, 4))
    assert images.dtype == np.float32
    assert (images[..., :2] > 200).all()
    assert (images[..., 2:] < 50).all()


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"a": INPUT, "b": INPUT}, {}, "expected one input, got a, b"),
        ({"a": INPUT}, {}, "expected one output, got none"),
        (
            {"a": INPUT},
            {"x": Tensor("float32", (1, 3)), "y": Tensor("float32", (1, 3))},
            "expected one output, got x, y",
        ),
        ({"a": INPUT}, {"x": Tensor("float32", (1, 1000))}, r"any, 3, 1, 1\], got float32 \[1, 1000\]"),
        ({"a": INPUT}, {"x": Tensor("float32", (1, 3, 7, 7))}, r"got float32 \[1, 3, 7, 7\]"),
        ({"a": INPUT}, {"x": Tensor("int64", (1, 3))}, r"output x to be float32 \[any, 3\] or .*, got int64"),
    ],
)
def test_another_layout_is_found_at_load(inputs: dict[str, Tensor], outputs: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ModelConfigError, match=message):
        Classifier(spec(LABELS, Signature(inputs, outputs)))
