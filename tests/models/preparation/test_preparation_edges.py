"""Preparation of edges unlike the default model's: normalised outside, channels last, several inputs, pixels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from lab.graphs import INPUT_PX, write_small_detector
from models.errors import ModelConfigError
from models.families import FAMILIES
from models.preparation import folder as preparation
from models.preparation.edges import Edges
from models.preparation.folder import Preparation, prepare_folder
from models.preparation.identity import difference
from models.preparation.steps import prepare
from models.repository.folder import read_folder
from models.runtime.loading import load_model
from tests.support.models.edges import (
    ALL_STEPS,
    EDGES,
    FLOAT_STEPS,
    SIZES,
    PixelDetector,
    configure,
    give_boxes_in_pixels,
    put_channels_last,
    set_input,
    take_normalised,
)

TO_ONE = {"scale": 2 / 255, "mean": [1.0, 1.0, 1.0]}
IMAGENET = {"scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def edit(folder: Path, change: Callable[[ModelProto], None]) -> None:
    model = onnx.load(folder / "model.onnx")
    change(model)
    onnx.save(model, folder / "model.onnx")


def graph(folder: Path) -> onnx.GraphProto:
    return onnx.load(folder / "model.onnx").graph


def prepared(source: Path) -> Preparation:
    """Prepare the folder into `prepared` beside it, which is served afterwards."""
    target = source.parent / "prepared"
    done = prepare_folder(source, target)
    load_model(read_folder(target))
    return done


def shape(value: onnx.ValueInfoProto) -> list[int | str]:
    return [axis.dim_value or axis.dim_param for axis in value.type.tensor_type.shape.dim]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("section", "operations"),
    [
        pytest.param({}, [], id="0..255"),
        pytest.param({"scale": 1 / 255}, ["Mul"], id="0..1"),
        pytest.param({"mean": [100.0, 120.0, 130.0]}, ["Add"], id="less a mean"),
        pytest.param(TO_ONE, ["Mul", "Add"], id="-1..1"),
        pytest.param(IMAGENET, ["Mul", "Add"], id="by channel"),
        pytest.param({**IMAGENET, "colour_order": "bgr"}, ["Mul", "Add"], id="blue first"),
        pytest.param({**IMAGENET, "resize": "letterbox"}, ["Mul", "Add"], id="letterbox"),
    ],
)
def test_normalisation_moves_inside(
    tmp_path: Path, section: dict[str, Any], operations: list[str], *, channels_last: bool
) -> None:
    source = write_small_detector(tmp_path, quantised=False)
    take_normalised(source, **section)
    turned = ["Transpose"]
    if channels_last:
        edit(source, put_channels_last)
        turned = []
    done = prepared(source)
    assert done.steps == FLOAT_STEPS
    assert done.difference < 1e-6
    made = graph(tmp_path / "prepared")
    [value] = made.input
    assert (value.type.tensor_type.elem_type, shape(value)) == (TensorProto.UINT8, ["N", INPUT_PX, INPUT_PX, 3])
    until_the_network = [*turned, "Cast", *operations, *([] if turned else ["Transpose"]), "Conv"]
    assert [node.op_type for node in made.node][: len(until_the_network)] == until_the_network


def test_a_quantised_model_that_was_normalised_outside_takes_the_picture_itself(tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=True)
    take_normalised(source, **TO_ONE)
    assert prepared(source).steps == ALL_STEPS
    assert not {"Mul", "Add", "Cast"} & {node.op_type for node in graph(tmp_path / "prepared").node}


def test_channels_of_different_scales_are_still_quantised(tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=True)
    take_normalised(source, **TO_ONE | {"std": [1.0, 1.0, 1.5]})
    assert prepared(source).steps == FLOAT_STEPS


def test_other_inputs_stay_and_boxes_may_be_in_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "ssd", PixelDetector)
    source = write_small_detector(tmp_path, quantised=False)
    take_normalised(source, **IMAGENET)
    edit(source, give_boxes_in_pixels)
    done = prepared(source)
    assert done.steps == FLOAT_STEPS
    assert done.difference < 1e-6
    _, sizes = graph(source).input
    assert [value for value in graph(tmp_path / "prepared").input if value.name == SIZES] == [sizes]


def test_a_canvas_of_any_size_stays_one(tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=False)
    edit(source, lambda model: set_input(model, "images", TensorProto.FLOAT, ["N", "C", "height", None]))
    assert prepared(source).steps == FLOAT_STEPS
    assert shape(graph(tmp_path / "prepared").input[0]) == ["N", "height", "", 3]


def test_the_layout_that_model_yaml_names_is_the_unprepared_ones(tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=False)
    edit(source, put_channels_last)
    edit(source, lambda model: set_input(model, "pictures", TensorProto.FLOAT, ["N", "height", "width", "channels"]))
    configure(source, layout="nhwc")
    assert prepared(source).difference < 1e-6
    turned = write_small_detector(tmp_path / "turned", quantised=False)
    configure(turned, layout="nchw")
    assert prepared(turned).difference < 1e-6


def test_a_family_that_reads_no_logits_keeps_its_sigmoid(tmp_path: Path) -> None:
    model = onnx.load(write_small_detector(tmp_path, quantised=False) / "model.onnx")
    assert prepare(model, Edges(EDGES.input)) == FLOAT_STEPS[:1]
    assert [output.name for output in model.graph.output] == ["boxes", "scores"]


def test_logits_that_have_the_name_already_are_given_as_they_are(tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=False)
    model = onnx.load(source / "model.onnx")
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["logits" if name == "classes" else name for name in names]
    onnx.save(model, source / "model.onnx")
    assert prepared(source).steps == FLOAT_STEPS
    assert "Identity" not in {node.op_type for node in graph(tmp_path / "prepared").node}
    model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, None))
    assert prepare(model, EDGES) == FLOAT_STEPS[:1]


PIXELS_SHAPE: list[int | str | None] = ["N", 3, INPUT_PX, INPUT_PX]


def add_a_picture(model: ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("before", TensorProto.FLOAT, PIXELS_SHAPE))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(add_a_picture, id="two pictures"),
        pytest.param(lambda model: set_input(model, "images", TensorProto.FLOAT16, PIXELS_SHAPE), id="float16"),
        pytest.param(lambda model: set_input(model, "images", TensorProto.UINT8, PIXELS_SHAPE), id="bytes already"),
        pytest.param(lambda model: set_input(model, "images", TensorProto.FLOAT, ["N", 1, 64, 64]), id="grey"),
        pytest.param(lambda model: set_input(model, "images", TensorProto.FLOAT, ["N", 3, 32, 64]), id="another size"),
        pytest.param(lambda model: set_input(model, "images", TensorProto.FLOAT, ["N", 12288]), id="no picture"),
        pytest.param(lambda model: model.graph.input.pop(), id="no input"),
    ],
)
def test_another_input_is_left_as_it_is(tmp_path: Path, change: Callable[[ModelProto], None]) -> None:
    model = onnx.load(write_small_detector(tmp_path, quantised=False) / "model.onnx")
    change(model)
    unchanged = model.SerializeToString()
    assert prepare(model, Edges(EDGES.input)) == ()
    assert model.SerializeToString() == unchanged
    assert prepare(model, EDGES) == FLOAT_STEPS[1:]


def test_what_cannot_be_served_is_not_prepared(tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=False)
    edit(source, add_a_picture)
    with pytest.raises(ModelConfigError, match="expected one input, got images, before"):
        prepared(source)
    assert list(tmp_path.iterdir()) == [source]


def test_another_normalisation_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a thousandth of one channel's."""

    def wrong(model: ModelProto, edges: Edges) -> tuple[str, ...]:
        std = (*edges.input.std[:2], edges.input.std[2] * 1.001)
        return prepare(model, Edges(edges.input.model_copy(update={"std": std}), edges.logits))

    monkeypatch.setattr(preparation, "prepare", wrong)
    source = write_small_detector(tmp_path, quantised=False)
    take_normalised(source, **IMAGENET)
    with pytest.raises(ModelConfigError, match=r"prepared, it answers differently, by .*; expected at most 1e-05"):
        prepared(source)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param([[[0.25, 0.5]]], [[[0.25, 0.75]]], 0.25, id="confidences"),
        pytest.param([[[0, 400]] * 3], [[[0, 401]] * 3], 1 / 400, id="pixels"),
        pytest.param([[[0, -400]] * 3], [[[0, -401]] * 3], 1 / 400, id="logits"),
        pytest.param([[[400, 0.5]] * 3], [[[400, 0.75]] * 3], 0.25, id="confidences beside pixels"),
        pytest.param([[[400] * 3, [0.5] * 3]], [[[400] * 3, [0.75] * 3]], 0.25, id="the other way round"),
        pytest.param([7], [5], 2 / 7, id="a count"),
        pytest.param([[[0.5]] * 2], [[[0.5]] * 3], np.inf, id="one row more"),
        pytest.param(np.zeros((1, 0, 6)), np.zeros((1, 0, 6)), 0, id="no rows"),
        pytest.param(3.0, 3.0, 0, id="a number"),
        pytest.param([[1.0, 2.0]], [[1.0, np.nan]], np.nan, id="no number"),
        pytest.param([[1.0, np.inf]], [[1.0, np.inf]], np.nan, id="infinities"),
    ],
)
def test_a_difference_is_one_of_its_column(one: object, other: object, expected: float) -> None:
    def floats(values: object) -> NDArray[np.float32]:
        return np.asarray(values, np.float32)

    np.testing.assert_allclose(difference(floats(one), floats(other)), expected)
