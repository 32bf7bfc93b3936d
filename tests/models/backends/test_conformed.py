"""Files with half floats, doubles, small integers or no batch are read like all others; layouts as real files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lab.graphs import write_config
from models.backends.onnx import Session
from models.errors import ModelConfigError
from models.families import Outputs, Tensor
from models.families.recognition import recognised
from models.frame import Frame
from models.order import FrameOrder
from models.repository.folder import read_folder
from models.results import Results
from models.runtime.loading import load_warm
from models.runtime.steps import Work
from models.scheduling.deadlines import Deadlines
from tests.support.models.encoders import LABELS
from tests.support.models.layouts import LAYOUTS, SIDE_PX, Layout, shares, write_layout

DETECT, DEPLOYED = LAYOUTS["Ultralytics detect"], LAYOUTS["MMDetection (MMDeploy)"]


def answered(folder: Path) -> Results:
    """Return what a model finds in a grey picture that fits its canvas."""
    watchdog = Deadlines(10)
    model_folder = read_folder(folder)
    model = load_warm(model_folder, watchdog)
    work = Work(FrameOrder(), model_folder)
    work.frame = Frame(np.full((SIDE_PX, SIDE_PX, 3), 90, np.uint8), "rgb", (SIDE_PX, SIDE_PX))
    work.run(model.steps)
    watchdog.close()
    return work.results


def assert_all_found(results: Results, layout: Layout, tolerance: float = 4e-3) -> None:
    assert len(results.detections) == len(layout.objects)
    for found, seen in zip(results.detections, layout.objects, strict=True):
        assert found.box_xyxy == pytest.approx(shares(seen.box_xyxy), abs=tolerance)
        assert found.confidence == pytest.approx(seen.confidence, abs=tolerance)
        assert len(layout.objects) == 1 or found.label == LABELS[seen.class_id]
    assert results.dropped == 0


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_served_from_a_file(tmp_path: Path, name: str) -> None:
    assert_all_found(answered(write_layout(tmp_path / "model", LAYOUTS[name])), LAYOUTS[name])


def in_type(dtype: type[np.generic]) -> Callable[[Outputs], Outputs]:
    return lambda outputs: {
        name: values.astype(dtype) if values.dtype == np.float32 else values for name, values in outputs.items()
    }


@pytest.mark.parametrize("given", ["float32", "float16", "float64"])
@pytest.mark.parametrize("answered_in", [np.float16, np.float32, np.float64])
def test_half_floats_and_doubles_at_either_end(tmp_path: Path, given: str, answered_in: type[np.generic]) -> None:
    layout = replace(DETECT, picture=Tensor(given, (1, 3, SIDE_PX, SIDE_PX)))
    assert_all_found(answered(write_layout(tmp_path / "model", layout, in_type(answered_in))), layout)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.int16])
def test_class_ids_of_any_integers(tmp_path: Path, dtype: type[np.generic]) -> None:
    def change(outputs: Outputs) -> Outputs:
        return outputs | {"labels": outputs["labels"].astype(dtype)}

    assert_all_found(answered(write_layout(tmp_path / "model", DEPLOYED, change)), DEPLOYED)


def test_sizes_as_small_integers(tmp_path: Path) -> None:
    """D-FINE's and RT-DETR's deploy exports, converted by tools that know no 64 bits."""
    deployed = LAYOUTS["MMDetection (MMDeploy)"].encode()
    layout = Layout(
        {"name": "detr"},
        lambda: {"labels": deployed["labels"], "boxes": deployed["dets"][..., :4], "scores": deployed["dets"][..., 4]},
        inputs={"orig_target_sizes": Tensor("int32", (1, 2))},
    )
    assert_all_found(answered(write_layout(tmp_path / "model", layout)), layout)


def test_a_picture_without_a_batch(tmp_path: Path) -> None:
    layout = replace(DETECT, picture=Tensor("float32", (3, SIDE_PX, SIDE_PX)))
    folder = write_layout(tmp_path / "model", layout, lambda outputs: {"output0": outputs["output0"][0]})
    assert_all_found(answered(folder), layout)


def test_a_grey_picture(tmp_path: Path) -> None:
    layout = replace(DETECT, picture=Tensor("float32", (1, 1, SIDE_PX, SIDE_PX)), given={"colour_order": "grey"})
    assert_all_found(answered(write_layout(tmp_path / "model", layout)), layout)


def test_a_fixed_batch_is_refused_with_the_remedy(tmp_path: Path) -> None:
    layout = replace(DETECT, picture=Tensor("float32", (16, 3, SIDE_PX, SIDE_PX)))
    with pytest.raises(ModelConfigError, match="export the model with a batch of 1, or with a free batch axis"):
        answered(write_layout(tmp_path / "model", layout))


def test_a_background_crowds_nothing_out(tmp_path: Path) -> None:
    """Sure of it at thousands of places, more than results are reported."""

    def encode() -> Outputs:
        scores = np.zeros((1, 3000, 4), np.float32)
        scores[..., 0] = np.random.default_rng(0).uniform(0.95, 0.999, 3000)
        scores[0, 5] = 0.05, 0, 0.9, 0
        boxes = np.tile(np.array([0.25, 0.25, 0.5, 0.5], np.float32), (1, 3000, 1))
        return {"scores": scores, "boxes": boxes}

    layout = Layout({"name": "ssd"}, encode, labels=("BACKGROUND", *LABELS))
    [found] = answered(write_layout(tmp_path / "model", layout)).detections
    assert (found.label, round(found.confidence, 3)) == ("person", 0.9)


@pytest.mark.parametrize(
    ("section", "outputs"),
    [
        ({"name": "classifier"}, {"out": np.array([[2.1, 9.3, 1.4]], np.float32)}),
        (
            {"name": "ssd"},
            {"boxes": np.array([[[0.1, 0.1, 0.9, 0.9]]], np.float32), "scores": np.array([[[9.3, 0, 0]]], np.float32)},
        ),
    ],
)
def test_logits_are_not_taken_for_confidences(tmp_path: Path, section: dict[str, str], outputs: Outputs) -> None:
    folder = write_layout(tmp_path / "model", Layout(section, lambda: outputs))
    with pytest.raises(
        ModelConfigError, match=r"the model gave 9\.3: its output holds logits\. Set family\.activation"
    ):
        answered(folder)


def test_a_model_that_gives_no_numbers_is_refused(tmp_path: Path) -> None:
    folder = write_layout(tmp_path / "model", DETECT, lambda outputs: {"output0": outputs["output0"] * np.nan})
    with pytest.raises(ModelConfigError, match="gave no numbers, only NaN"):
        answered(folder)


def write_custom_vision_classifier(folder: Path) -> Path:
    """Write what Azure Custom Vision exports: the likeliest label, and a map from labels to probabilities."""
    probabilities = np.array([[0.1, 0.7, 0.2]], np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["data"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["planted", "zero"], ["probabilities"]),
        helper.make_node("ZipMap", ["probabilities"], ["loss"], domain="ai.onnx.ml", classlabels_strings=list(LABELS)),
        helper.make_node("Identity", ["label"], ["classLabel"]),
    ]
    values = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    loss = helper.make_value_info("loss", helper.make_sequence_type_proto(values))
    label = helper.make_tensor_value_info("classLabel", TensorProto.STRING, [1, 1])
    picture = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, SIDE_PX, SIDE_PX])
    kept = [
        numpy_helper.from_array(np.zeros((), np.float32), "nothing"),
        numpy_helper.from_array(probabilities, "planted"),
        numpy_helper.from_array(np.array([[LABELS[1]]], object), "label"),
    ]
    graph = helper.make_graph(nodes, "classifier", [picture], [label, loss], kept)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    folder.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), folder / "model.onnx")
    (folder / "labels.txt").write_text("\n".join(reversed(LABELS)))
    write_config(folder, LABELS[::-1], "classifier", (SIDE_PX, SIDE_PX), "stretch")
    return folder


def test_a_map_from_labels_to_probabilities(tmp_path: Path) -> None:
    """Whatever the order of the labels in the file."""
    found = answered(write_custom_vision_classifier(tmp_path / "model")).classifications
    assert [(result.label, round(result.confidence, 3)) for result in found] == [("person", 0.7), ("dog", 0.2)]


def test_a_map_is_recognised(tmp_path: Path) -> None:
    signature = Session(write_custom_vision_classifier(tmp_path / "model") / "model.onnx").signature
    assert str(recognised(signature, 3)[0]) == "classifier, 3 label(s)"
