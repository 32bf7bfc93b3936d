"""Tiny model files of any family with planted answers, and one with the end of YOLOv3's own graph."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from lab.graphs import write_config
from models.families import Outputs
from tests.support.models.encoders import CANVAS_WH, LABELS, Seen

OPSET = 17
Constants = Mapping[str, NDArray[np.generic]]


def write_planted(repository: Path, family: str, outputs: Outputs) -> Path:
    """Write a model that always answers these outputs and declares their axes as free; return its folder."""
    nodes, constants = [], {}
    for name, values in outputs.items():
        constants[f"{name}/values"] = values
        constants[f"{name}/shape"] = np.array(values.shape)
        constants[f"{name}/axes"] = np.zeros(values.ndim, np.int64)
        nodes += [
            helper.make_node("Shape", ["images"], [f"{name}/fed"]),
            helper.make_node("Gather", [f"{name}/fed", f"{name}/axes"], [f"{name}/some"]),
            helper.make_node("Sub", [f"{name}/some", f"{name}/some"], [f"{name}/zeros"]),
            helper.make_node("Add", [f"{name}/shape", f"{name}/zeros"], [f"{name}/known late"]),
            helper.make_node("Reshape", [f"{name}/values", f"{name}/known late"], [name]),
        ]
    declared = [
        value_info(name, values.dtype, [f"axis {axis}" for axis in range(values.ndim)])
        for name, values in outputs.items()
    ]
    folder = repository / "planted"
    save_graph(folder, nodes, constants, [_images()], declared)
    write_config(folder, LABELS, family, CANVAS_WH)
    return folder


def write_yolov3(repository: Path, seen: Sequence[Seen], score_threshold: float = 0.3) -> Path:
    """Write the end of YOLOv3's graph: yolo_correct_boxes of keras-yolo3, and NMS; the network's output is planted.

    `seen`: the network's output, on the canvas.
    """
    canvas = np.array(CANVAS_WH * 2)
    edges = np.array([target.box_xyxy for target in seen], np.float32) / canvas
    scores = np.zeros((1, len(LABELS), len(seen)), np.float32)
    for place, target in enumerate(seen):
        scores[0, target.class_id, place] = target.confidence
    constants: dict[str, NDArray[np.generic]] = {
        "box_yx": (edges[:, 1::-1] + edges[:, :1:-1]).astype(np.float32) / 2,
        "box_hw": (edges[:, :1:-1] - edges[:, 1::-1]).astype(np.float32),
        "all_scores": scores,
        "input_shape": np.array([CANVAS_WH[::-1]], np.float32),
        "two": np.array(2, np.float32),
        "first": np.array([0]),
        "most": np.array([20]),
        "iou": np.array([0.5], np.float32),
        "least": np.array([score_threshold], np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Div", ["input_shape", "image_shape"], ["ratios"]),
        node("ReduceMin", ["ratios"], ["ratio"], keepdims=1),
        node("Mul", ["image_shape", "ratio"], ["unrounded"]),
        node("Round", ["unrounded"], ["new_shape"]),
        node("Sub", ["input_shape", "new_shape"], ["left_over"]),
        node("Div", ["left_over", "two"], ["half"]),
        node("Div", ["half", "input_shape"], ["offset"]),
        node("Div", ["input_shape", "new_shape"], ["scale"]),
        node("Sub", ["box_yx", "offset"], ["shifted"]),
        node("Mul", ["shifted", "scale"], ["yx"]),
        node("Mul", ["box_hw", "scale"], ["hw"]),
        node("Div", ["hw", "two"], ["half_hw"]),
        node("Sub", ["yx", "half_hw"], ["mins"]),
        node("Add", ["yx", "half_hw"], ["maxes"]),
        node("Concat", ["mins", "maxes"], ["shares"], axis=1),
        node("Concat", ["image_shape", "image_shape"], ["image_shapes"], axis=1),
        node("Mul", ["shares", "image_shapes"], ["pixels"]),
        node("Unsqueeze", ["pixels", "first"], ["yolonms_layer_1"]),
        node("Identity", ["all_scores"], ["yolonms_layer_1:1"]),
        node("NonMaxSuppression", ["yolonms_layer_1", "yolonms_layer_1:1", "most", "iou", "least"], ["kept"]),
        node("Cast", ["kept"], ["yolonms_layer_1:2"], to=TensorProto.INT32),
    ]
    inputs = [_images(), value_info("image_shape", np.dtype(np.float32), ["N", 2])]
    outputs = [
        value_info("yolonms_layer_1", np.dtype(np.float32), [1, "candidates", 4]),
        value_info("yolonms_layer_1:1", np.dtype(np.float32), [1, len(LABELS), "candidates"]),
        value_info("yolonms_layer_1:2", np.dtype(np.int32), ["selected", 3]),
    ]
    folder = repository / "yolov3"
    save_graph(folder, nodes, constants, inputs, outputs)
    write_config(folder, LABELS, "yolov3", CANVAS_WH)
    return folder


def _images() -> ValueInfoProto:
    return value_info("images", np.dtype(np.float32), ["N", 3, "height", "width"])


def value_info(name: str, dtype: np.dtype[Any], shape: Sequence[int | str | None]) -> ValueInfoProto:
    """Return the declaration of an input or an output."""
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)


def save_graph(
    folder: Path,
    nodes: list[NodeProto],
    constants: Constants,
    inputs: list[ValueInfoProto],
    outputs: list[ValueInfoProto],
) -> None:
    """Write a model file into a new folder."""
    kept = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, folder.name, inputs, outputs, kept)
    folder.mkdir(parents=True)
    opset = helper.make_opsetid("", OPSET)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), folder / "model.onnx")
