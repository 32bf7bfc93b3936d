"""The classifier family: what is particular to it. test_every_family.py has the rest."""

import math

import numpy as np
import pytest

from models.families import InputConfig, OutputConfig, Signature, Spec, Tensor
from models.families.classifier import Classifier, ClassifierConfig
from models.frame import DecodeTarget, Frame
from models.letterbox import Letterbox
from models.results import Results, Selection

LABELS = ("cat", "dog", "cup")
WHOLE_CANVAS = Letterbox((4, 4), (4, 4))
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
    return classifier(activation, labels).postprocess(outputs, WHOLE_CANVAS, selection or Selection())


def reported(results: Results) -> list[tuple[str, int, float]]:
    return [(found.label, found.class_id, round(found.confidence, 4)) for found in results.classifications]


def test_classes_come_by_falling_confidence() -> None:
    assert reported(read([0.3, 0.45, 0.25])) == [("dog", 1, 0.45), ("cat", 0, 0.3), ("cup", 2, 0.25)]


def test_equal_confidences_keep_the_order_of_their_ids() -> None:
    assert [class_id for _, class_id, _ in reported(read([0.21, 0.29, 0.21, 0.29]))] == [1, 3, 0, 2]


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


def test_five_are_reported_unless_more_are_asked_for() -> None:
    levels = [0.25] * 9
    assert len(read(levels).classifications) == 5
    assert len(read(levels, Selection(max_detections=7)).classifications) == 7


def test_the_axes_of_a_pooling_are_taken_off() -> None:
    outputs = {"probabilities": np.array([0.3, 0.4, 0.3], np.float32).reshape(1, 3, 1, 1)}
    found = classifier(shape=(1, 3, 1, 1)).postprocess(outputs, WHOLE_CANVAS, Selection())
    assert [label for label, _, _ in reported(found)] == ["dog", "cat", "cup"]


def test_the_centre_of_the_picture_is_shown() -> None:
    assert classifier().picture.target == DecodeTarget((4, 4), "centre_crop", 0.875)
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, 32:64] = 255
    [(name, images)] = classifier().picture.preprocess(Frame(pixels, "rgb", (128, 64)))[0].items()
    assert (name, images.shape) == ("images", (1, 3, 4, 4))
    assert images.dtype == np.float32
    assert (images[..., :2] > 200).all()
    assert (images[..., 2:] < 50).all()
