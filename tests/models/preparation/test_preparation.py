"""Preparation: the same model, cheaper at its edges, or left alone."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from lab.graphs import (
    INPUT_PX,
    board,
    write_identity_model,
    write_planted_model,
    write_small_detector,
)
from models.errors import ModelConfigError
from models.families.candidates import sigmoid
from models.frame import Frame, Pixels
from models.letterbox import Letterbox
from models.preparation import folder as preparation
from models.preparation.edges import Edges
from models.preparation.folder import prepare_folder
from models.preparation.identity import largest_difference
from models.preparation.steps import prepare
from models.repository.folder import BUILT_IN_ZOO, read_folder
from models.results import Selection
from models.runtime.loading import LoadedModel, load_model
from tests.support.client import ROOT
from tests.support.models.chains import write_then
from tests.support.models.edges import ALL_STEPS, EDGES, FLOAT_STEPS
from tests.support.models.pages import write_reader

PIXELS = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(0, 256, (INPUT_PX, INPUT_PX, 3), np.uint8)
)


def graph(folder: Path) -> ModelProto:
    return onnx.load(folder / "model.onnx")


def loaded(folder: Path) -> LoadedModel:
    return load_model(read_folder(folder))


def run(model: LoadedModel, pixels: Pixels) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return model.session.run(model.family.picture.preprocess(Frame(pixels, "rgb", pixels.shape[1::-1]))[0])


def operations(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_a_float_model_takes_bytes_and_gives_logits(tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=False)
    done = prepare_folder(source, tmp_path / "prepared")
    assert done.steps == FLOAT_STEPS
    assert done.difference < 1e-6
    made = graph(tmp_path / "prepared")
    assert {"Transpose", "Cast"} <= set(operations(made))
    assert operations(made).count("Sigmoid") == operations(graph(source)).count("Sigmoid") - 1
    assert [output.name for output in made.graph.output] == ["boxes", "logits"]
    assert made.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8


def test_a_model_that_gives_its_objects_on_is_prepared_alone(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    source = write_then(write_small_detector(tmp_path, quantised=True), "{model: identity}")
    assert prepare_folder(source, tmp_path / "prepared").steps == ALL_STEPS
    assert read_folder(tmp_path / "prepared").chained[0].name == "identity"


def test_a_quantised_model_takes_the_picture_as_its_quantised_input(tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=True)
    done = prepare_folder(source, tmp_path / "prepared")
    assert done.steps == ALL_STEPS
    made = graph(tmp_path / "prepared")
    assert not {"Mul", "Sub", "Cast"} & set(operations(made))
    assert operations(made).count("QuantizeLinear") == operations(graph(source)).count("QuantizeLinear") - 1
    needed = {name for node in made.graph.node for name in node.input}
    assert {tensor.name for tensor in made.graph.initializer} <= needed


@pytest.mark.parametrize("quantised", [False, True])
def test_a_prepared_folder_is_whole_and_the_same_every_time(tmp_path: Path, quantised: bool) -> None:  # noqa: FBT001
    source = write_small_detector(tmp_path, quantised=quantised)
    (source / "README.md").write_text("where it comes from")
    for name in ("one", "two"):
        prepare_folder(source, tmp_path / name)
    assert (tmp_path / "one" / "model.onnx").read_bytes() == (tmp_path / "two" / "model.onnx").read_bytes()
    assert {path.name for path in (tmp_path / "one").iterdir()} == {path.name for path in source.iterdir()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "small", "two"]
    assert loaded(tmp_path / "one").family.picture.target.size_wh == (INPUT_PX, INPUT_PX)


def test_a_prepared_model_is_refused(tmp_path: Path) -> None:
    prepare_folder(write_small_detector(tmp_path, quantised=True), tmp_path / "prepared")
    with pytest.raises(ModelConfigError, match="nothing to prepare; it is prepared already"):
        prepare_folder(tmp_path / "prepared", tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert prepare(onnx.load(BUILT_IN_ZOO / "ssdlite-mobilenet-v2" / "model.onnx"), EDGES) == ()


def test_what_is_not_known_is_left_as_it_is(tmp_path: Path) -> None:
    """The identity model has a loop and no sigmoid; the planted one ignores the picture."""
    folder = write_identity_model(tmp_path)
    identity = graph(folder)
    assert prepare(identity, EDGES) == FLOAT_STEPS[:1]
    onnx.save(identity, folder / "model.onnx")
    model = loaded(folder)
    [found] = model.family.postprocess(
        run(model, np.asarray(board(0x10002))), Letterbox((INPUT_PX, INPUT_PX), (INPUT_PX, INPUT_PX)), Selection()
    ).detections
    assert found.box_xyxy[:2] == (2 / 2**17, 1 / 2**17)
    planted = write_planted_model(tmp_path, np.array([[0, 0, 1, 1]], np.float32), np.array([[0.9, 0]], np.float32))
    assert prepare_folder(planted, tmp_path / "unseen").steps == FLOAT_STEPS[:1]
    assert load_model(read_folder(tmp_path / "unseen"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("scale", np.float32(2 / 254), id="grey levels are not its levels"),
        pytest.param("shift", np.float32(1.01), id="more than half a level beside"),
        pytest.param(
            "shift", np.array([1, 1.0], np.float32)[None, :1, None].repeat(INPUT_PX, 2), id="no single number"
        ),
    ],
)
def test_another_scaling_is_still_quantised(tmp_path: Path, name: str, value: object) -> None:
    model = graph(write_small_detector(tmp_path, quantised=True))
    for tensor in model.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), name))
    assert prepare(model, EDGES) == FLOAT_STEPS


def test_scaling_may_be_written_otherwise(tmp_path: Path) -> None:
    model = graph(write_small_detector(tmp_path, quantised=True))
    scale, shift = (node for node in model.graph.node if node.op_type in {"Mul", "Sub"})
    levels, less = helper.make_tensor("", TensorProto.FLOAT, [], [127.5]), helper.make_tensor("", 1, [], [-1.0])
    model.graph.node.insert(0, helper.make_node("Constant", [], ["levels"], value=levels))
    model.graph.node.insert(0, helper.make_node("Constant", [], ["less"], value=less))
    scale.op_type, scale.input[1] = "Div", "levels"
    shift.op_type, shift.input[0], shift.input[1] = "Add", "less", shift.input[0]
    assert prepare(model, EDGES) == ALL_STEPS


def node(model: ModelProto, op_type: str) -> NodeProto:
    found: list[NodeProto] = [node for node in model.graph.node if node.op_type == op_type]
    return found[0]


def maker_of(model: ModelProto, name: str) -> NodeProto:
    found: list[NodeProto] = [node for node in model.graph.node if name in node.output]
    return found[0]


def scaled_by_a_list(model: ModelProto) -> None:
    model.graph.node.insert(0, helper.make_node("Constant", [], ["levels"], value_floats=[2 / 255]))
    node(model, "Mul").input[1] = "levels"


def turned_upside_down(model: ModelProto) -> None:
    shift = node(model, "Sub")
    shift.input[0], shift.input[1] = shift.input[1], shift.input[0]


def quantised_along_inputs(model: ModelProto) -> None:
    kernel = maker_of(model, node(model, "Conv").input[1])
    next(attribute for attribute in kernel.attribute if attribute.name == "axis").i = 1


def a_bias_of_two(model: ModelProto) -> None:
    bias = node(model, "Conv").input[2]
    model.graph.node.append(helper.make_node("Identity", [bias], ["bias"]))
    model.graph.output.append(helper.make_tensor_value_info("bias", TensorProto.FLOAT, [8]))


def dequantised_otherwise(model: ModelProto) -> None:
    maker_of(model, node(model, "Conv").input[0]).input[2] = maker_of(model, node(model, "Conv").input[1]).input[2]


@pytest.mark.parametrize(
    "edit", [scaled_by_a_list, turned_upside_down, quantised_along_inputs, a_bias_of_two, dequantised_otherwise]
)
def test_an_unknown_head_is_left_quantised(tmp_path: Path, edit: Callable[[ModelProto], None]) -> None:
    model = graph(write_small_detector(tmp_path, quantised=True))
    edit(model)
    assert prepare(model, EDGES) == FLOAT_STEPS


def test_what_has_a_value_named_logits_keeps_its_sigmoid(tmp_path: Path) -> None:
    model = graph(write_small_detector(tmp_path, quantised=False))
    model.graph.input.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1]))
    assert prepare(model, EDGES) == FLOAT_STEPS[:1]
    assert [value.name for value in model.graph.input] == ["images_nhwc", "logits"]
    assert [output.name for output in model.graph.output] == ["boxes", "scores"]


def test_names_that_are_taken_are_lengthened(tmp_path: Path) -> None:
    model = graph(write_small_detector(tmp_path, quantised=False))
    node(model, "Mul").output[0] = node(model, "Sub").input[0] = "images_nhwc"
    assert prepare(model, EDGES) == FLOAT_STEPS
    assert model.graph.input[0].name == "images_nhwc_"


def test_a_range_that_is_not_a_constant_cannot_be_judged(tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=True)
    model = graph(source)
    quantise = model.graph.node[[node.op_type for node in model.graph.node].index("Conv") + 1]
    place = list(model.graph.node).index(quantise)
    model.graph.node.insert(place, helper.make_node("Identity", [quantise.input[1]], ["copied"]))
    quantise.input[1] = "copied"
    onnx.save(model, source / "model.onnx")
    with pytest.raises(ModelConfigError, match="expected every scale and zero point to be a constant"):
        prepare_folder(source, tmp_path / "prepared")


@pytest.mark.parametrize("quantised", [False, True])
def test_a_model_that_would_answer_differently_is_not_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quantised: bool,  # noqa: FBT001
) -> None:
    def wrong(model: ModelProto, edges: Edges) -> tuple[str, ...]:
        done = prepare(model, edges)
        turn = next(node for node in model.graph.node if node.op_type == "Transpose")
        turn.attribute[0].ints[:] = [0, 3, 2, 1]
        return done

    monkeypatch.setattr(preparation, "prepare", wrong)
    source = write_small_detector(tmp_path, quantised=quantised)
    with pytest.raises(ModelConfigError, match="prepared, it answers differently, by"):
        prepare_folder(source, tmp_path / "prepared")
    assert list(tmp_path.iterdir()) == [source]


def test_a_forgotten_offset_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is only half a level, which rounding would hide."""
    source = write_small_detector(tmp_path, quantised=True)
    originals = {f"{tensor.name}_moved": tensor.raw_data for tensor in graph(source).graph.initializer}

    def forgetful(model: ModelProto, edges: Edges) -> tuple[str, ...]:
        done = prepare(model, edges)
        for tensor in model.graph.initializer:
            if tensor.name in originals:
                tensor.raw_data = originals[tensor.name]
        return done

    monkeypatch.setattr(preparation, "prepare", forgetful)
    with pytest.raises(ModelConfigError, match=r"expected at most 0\.003"):
        prepare_folder(source, tmp_path / "prepared")


def test_weights_of_a_package_are_not_prepared(tmp_path: Path) -> None:
    with pytest.raises(ModelConfigError, match="nothing to prepare; its weights come with a package"):
        prepare_folder(write_reader(tmp_path), tmp_path / "prepared")


def test_wrong_folders_are_explained(tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=False)
    with pytest.raises(ModelConfigError, match="exists already"):
        prepare_folder(source, source)
    with pytest.raises(ModelConfigError, match="cannot be written: No such file or directory"):
        prepare_folder(source, tmp_path / "no" / "such")
    with pytest.raises(ModelConfigError, match="cannot be read"):
        prepare_folder(tmp_path / "nothing", tmp_path / "prepared")


def test_nothing_that_serves_needs_onnx() -> None:
    command = "import sys, handlers.server.commands.cli; sys.exit('onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=False).returncode == 0


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedModel, LoadedModel]:
    root = tmp_path_factory.mktemp("pair")
    source = write_small_detector(root, quantised=False)
    prepare_folder(source, root / "prepared")
    return loaded(source), loaded(root / "prepared")


@given(pixels=PIXELS)
def test_any_picture_gets_the_same_answer(pair: tuple[LoadedModel, LoadedModel], pixels: Pixels) -> None:
    original, prepared = (run(model, pixels) for model in pair)
    np.testing.assert_allclose(prepared["boxes"], original["boxes"], atol=1e-6)
    np.testing.assert_allclose(sigmoid(prepared["logits"]), original["scores"], atol=1e-6)


def test_the_difference_is_the_largest_of_all(tmp_path: Path) -> None:
    rows = np.array([[0, 0, 1, 1]], np.float32)
    one = write_planted_model(tmp_path / "one", rows, np.array([[0.9, 0]], np.float32))
    other = write_planted_model(tmp_path / "other", rows, np.array([[0.9, 0.25]], np.float32))
    assert largest_difference(loaded(one), loaded(other), EDGES) == 0.25
