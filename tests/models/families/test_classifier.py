"""The classifier family: what is particular to it. test_every_family.py has the rest."""

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.backends.batching import Batcher
from models.backends.onnx import Session
from models.errors import InferenceError
from models.families import Feeds, InputConfig, OutputConfig, Signature, Spec, Tensor
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


def naming_model(folder: Path) -> Session:
    """Return a model as Azure Custom Vision exports it: the name of the best class, and a map from names to numbers."""
    values = {"nothing": np.zeros((), np.float32), "planted": np.array([[0.7, 0.2, 0.1]], np.float32)}
    names = {"names": np.array([*LABELS]), "first": np.zeros(1, np.int64)}
    picture = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, 4, 4])
    one_map = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["data"], ["mean"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
            helper.make_node("Unsqueeze", ["zero"], ["column"], axes=[1]),
            helper.make_node("Add", ["column", "planted"], ["numbers"]),
            helper.make_node("ArgMax", ["numbers"], ["best"], axis=1, keepdims=0),
            helper.make_node("Gather", ["names", "best"], ["classLabel"]),
            helper.make_node("ZipMap", ["numbers"], ["loss"], domain="ai.onnx.ml", classlabels_strings=LABELS),
        ],
        "naming",
        [picture],
        [
            helper.make_tensor_value_info("classLabel", TensorProto.STRING, ["N"]),
            helper.make_value_info("loss", helper.make_sequence_type_proto(one_map)),
        ],
        [numpy_helper.from_array(value, name) for name, value in (values | names).items()],
    )
    opsets = [helper.make_opsetid("", 12), helper.make_opsetid("ai.onnx.ml", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=7), folder / "model.onnx")
    return Session(folder / "model.onnx")


def test_a_file_that_names_its_classes_is_read(tmp_path: Path) -> None:
    """The labels may stand in another order."""
    session = naming_model(tmp_path)
    outputs = session.run({"data": np.zeros((1, 3, 4, 4), np.float32)})
    family = Classifier(spec(("dog", "cup", "cat"), session.signature))
    assert reported(family.postprocess(outputs, WHOLE_CANVAS, Selection())) == [("cat", 2, 0.7), ("dog", 0, 0.2)]
    other = Classifier(spec(("Cat", "dog", "cup"), session.signature))
    with pytest.raises(InferenceError, match="names a class that is no label: 'cat'"):
        other.postprocess(outputs, WHOLE_CANVAS, Selection())


def test_a_file_that_names_its_classes_can_run_in_batches(tmp_path: Path) -> None:
    frame: Feeds = {"data": np.zeros((1, 3, 4, 4), np.float32)}
    Batcher(naming_model(tmp_path), 2, 1).refuse_other_answers([frame, frame])
