"""Changes the inputs and outputs of the small detector (lab/graphs.py) into those of other exporters."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from onnx import ModelProto, TensorProto, helper, numpy_helper

from lab.graphs import INPUT_PX
from models.families import InputConfig, Outputs, Spec
from models.families.preprocessing import PictureInput
from models.families.ssd import SsdConfig
from models.letterbox import Letterbox
from models.preparation.edges import Edges
from models.preparation.steps import FED_AS_QUANTISED, STEPS
from models.results import Results, Selection

SIZES = "orig_target_sizes"

EDGES = Edges(InputConfig(size_wh=(INPUT_PX, INPUT_PX)), SsdConfig.logits)
"""The edges of the unchanged small detector."""
ALL_STEPS = tuple(STEPS)
FLOAT_STEPS = tuple(step for step in STEPS if step != FED_AS_QUANTISED)


def take_normalised(folder: Path, **input_section: Any) -> None:
    """Remove the scaling from the graph and put another into model.yaml."""
    model = onnx.load(folder / "model.onnx")
    kept = [node for node in model.graph.node if node.op_type not in {"Mul", "Sub"}]
    for node in kept:
        node.input[:] = ["images" if name == "centred" else name for name in node.input]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    onnx.save(model, folder / "model.onnx")
    configure(folder, **input_section)


def configure(folder: Path, **input_section: Any) -> None:
    """Add keys to the section `input` of model.yaml."""
    path = folder / "model.yaml"
    document = yaml.safe_load(path.read_text())
    document["input"] |= input_section
    path.write_text(yaml.safe_dump(document))


def put_channels_last(model: ModelProto) -> None:
    """Let the graph take float32 [N, height, width, 3], like TensorFlow's exporters."""
    turn = helper.make_node("Transpose", ["pictures"], ["images"], name="turn", perm=[0, 3, 1, 2])
    model.graph.node.insert(0, turn)
    set_input(model, "pictures", TensorProto.FLOAT, ["N", INPUT_PX, INPUT_PX, 3])


def set_input(model: ModelProto, name: str, elem_type: int, shape: list[int | str | None]) -> None:
    """Give the first input another name and type."""
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info(name, elem_type, shape))


def give_boxes_in_pixels(model: ModelProto) -> None:
    """Let the graph multiply its boxes by a second input, like RT-DETR's exporter: int64 [N, 2], width first."""
    boxes = next(node for node in model.graph.node if "boxes" in node.output)
    boxes.output[0] = "shares"
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "one"))
    model.graph.input.append(helper.make_tensor_value_info(SIZES, TensorProto.INT64, ["N", 2]))
    model.graph.node.extend(
        [
            helper.make_node("Cast", [SIZES], ["sizes"], to=TensorProto.FLOAT),
            helper.make_node("Concat", ["sizes", "sizes"], ["corners_by"], axis=1),
            helper.make_node("Unsqueeze", ["corners_by", "one"], ["rows_by"]),
            helper.make_node("Mul", ["shares", "rows_by"], ["boxes"]),
        ]
    )


class PixelDetector:
    """A minimal family that also feeds the size of the picture."""

    def __init__(self, spec: Spec[SsdConfig]) -> None:
        self.picture = PictureInput(
            spec.input, spec.signature, {SIZES: lambda letterbox: np.array([letterbox.canvas_wh])}
        )

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:  # noqa: ARG002
        return Results(())
