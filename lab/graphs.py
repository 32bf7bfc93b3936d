"""Tiny models of the ssd family, made on the fly: their answers prove things that a real detector's cannot.

The identity model reads 64 bits, which are painted into a frame as an 8 x 8 board of black and white squares:

- bits 0 to 15 and 16 to 31 are two numbers, which become the left and the top edge of its one box, in 2**-17ths,
- bit 32 makes it find nothing, bit 33 makes it fail,
- bits 40 to 55 are a number: so many hundred matrix products are computed before it answers (5 to 15 ms each;
  `work_for` returns how many take a given time, and ENDLESS takes minutes),
- bits 56 to 63 are a pattern without which bits 32 to 55 mean nothing, so that other pictures are no instructions.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from lab.graph_builder import Convolution, GraphBuilder
from lab.quantisation import quantise
from models.backends.onnx import Session

SIDE = 8
INPUT_PX = 64
EDGE_UNIT = 2.0**-17
NOTHING_BIT, FAILURE_BIT, WORK_BIT, PATTERN_BIT = 32, 33, 40, 56
PATTERN = 0b01100101
ENDLESS = 2**16 - 1
LABELS = ("block", "other")


def board(number: int = 0, *, nothing: bool = False, failure: bool = False, work: int = 0) -> Image.Image:
    """Return the frame that carries `number` (32 bits) and the instructions for the identity model."""
    instructions = nothing << NOTHING_BIT | failure << FAILURE_BIT | work << WORK_BIT
    bits = number | instructions | PATTERN << PATTERN_BIT
    squares = np.array([bits >> bit & 1 for bit in range(SIDE * SIDE)], np.uint8).reshape(SIDE, SIDE) * 255
    return Image.fromarray(squares).resize((INPUT_PX, INPUT_PX), Image.Resampling.NEAREST).convert("RGB")


def work_for(seconds: float) -> int:
    """Return the work that keeps the identity model busy for at least this long on this machine."""
    return round(seconds / _unit_of_work_s())


@cache
def _unit_of_work_s() -> float:
    """Measure the quickest of some runs: the first, or one on a busy machine, would make every later one too short."""
    units = 5
    with tempfile.TemporaryDirectory() as folder:
        session = Session(write_identity_model(Path(folder)) / "model.onnx")
    images = np.asarray(board(work=units), np.float32).transpose(2, 0, 1)[None]
    runs_s = []
    for _ in range(5):
        started_at_s = time.thread_time()  # the time on the clock would depend on what else runs
        session.run({"images": images})
        runs_s.append(time.thread_time() - started_at_s)
    return min(runs_s) / units


def number_in(box: dict[str, float]) -> int:
    """Return the number that a box of the identity model stands for."""
    return round(box["l"] / EDGE_UNIT) | round(box["t"] / EDGE_UNIT) << 16


def write_identity_model(repository: Path, name: str = "identity", labels: Sequence[str] = LABELS) -> Path:
    """Write the identity model's folder and return it."""
    pattern = np.array([PATTERN >> bit & 1 for bit in range(8)], np.float32)
    nodes = [
        helper.make_node("AveragePool", ["images"], ["pooled"], kernel_shape=[SIDE, SIDE], strides=[SIDE, SIDE]),
        helper.make_node("Slice", ["pooled", "zero1", "one1", "one1"], ["grey"]),
        helper.make_node("Div", ["grey", "white"], ["level"]),
        helper.make_node("Round", ["level"], ["squares"]),
        helper.make_node("Reshape", ["squares", "flat"], ["bits"]),
        helper.make_node("MatMul", ["bits", "weights"], ["facts"]),
        helper.make_node("Split", ["facts", "widths"], ["left", "top", "instructions", "likeness"], axis=1),
        helper.make_node("Equal", ["likeness", "all_of_pattern"], ["is_pattern"]),
        helper.make_node("Cast", ["is_pattern"], ["obeyed"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["instructions", "obeyed"], ["orders"]),
        helper.make_node("Split", ["orders"], ["nothing", "failure", "work"], axis=1, num_outputs=3),
        helper.make_node("Cast", ["failure"], ["failure_index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["zeros1", "failure_index"], ["failed"]),  # out of range when the bit is set
        helper.make_node("Cast", ["work"], ["rounds_row"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["rounds_row", "scalar"], ["rounds"]),
        helper.make_node("Loop", ["rounds", "", "matrix"], ["worked"], body=_product()),
        helper.make_node("ReduceMean", ["worked"], ["idle"], keepdims=0),  # of zeros: the work leaves no trace
        helper.make_node("Add", ["idle", "ones11"], ["one"]),
        helper.make_node("Concat", ["left", "top", "one", "one"], ["box"], axis=1),
        helper.make_node("Reshape", ["box", "box_shape"], ["boxes"]),
        helper.make_node("Sub", ["score", "nothing"], ["score_left"]),
        helper.make_node("Sub", ["score_left", "failed"], ["score_kept"]),
        helper.make_node("Concat", ["score_kept", "other_score"], ["both"], axis=1),
        helper.make_node("Reshape", ["both", "score_shape"], ["scores"]),
    ]
    constants = {
        "zero1": np.array([0]),
        "one1": np.array([1]),
        "white": np.float32(255),
        "flat": np.array([1, SIDE * SIDE]),
        "scalar": np.array([], np.int64),
        "weights": _weights_of_squares(pattern),
        "widths": np.array([1, 1, 3, 1]),
        "all_of_pattern": pattern.sum(),
        "zeros1": np.zeros(1, np.float32),
        "matrix": np.zeros((192, 192), np.float32),
        "ones11": np.ones((1, 1), np.float32),
        "box_shape": np.array([1, 1, 4]),
        "score": np.full((1, 1), 0.9, np.float32),
        "other_score": np.full((1, len(labels) - 1), 0.1, np.float32),
        "score_shape": np.array([1, 1, len(labels)]),
    }
    return _write_folder(repository / name, nodes, constants, 1, labels)


def _weights_of_squares(pattern: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what each square of a board adds to left, top, nothing, failure, work and likeness: (squares, 6)."""
    weights = np.zeros((SIDE * SIDE, 6), np.float32)
    weights[:16, 0] = weights[16:32, 1] = EDGE_UNIT * 2.0 ** np.arange(16)
    weights[NOTHING_BIT, 2] = weights[FAILURE_BIT, 3] = 1
    weights[WORK_BIT : WORK_BIT + 16, 4] = 100 * 2.0 ** np.arange(16)
    weights[PATTERN_BIT:, 5] = 2 * pattern - 1
    return weights


def write_planted_model(
    repository: Path, boxes_xyxy: NDArray[np.float32], scores: NDArray[np.float32], labels: Sequence[str] = LABELS
) -> Path:
    """Write a model that always answers these boxes [anchors, 4] and scores [anchors, classes]."""
    nodes = [
        helper.make_node("Identity", ["planted_boxes"], ["boxes"]),
        helper.make_node("Identity", ["planted_scores"], ["scores"]),
    ]
    constants = {"planted_boxes": boxes_xyxy[None], "planted_scores": scores[None]}
    return _write_folder(repository / "planted", nodes, constants, len(boxes_xyxy), labels)


def write_yolo_weights(path: Path, side_px: int, columns: NDArray[np.float32]) -> None:
    """Write weights in the layout of YOLOv8's exporter, which always answer these columns [4 + classes, n]."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["level"], keepdims=0),
        helper.make_node("Mul", ["level", "zero"], ["nothing"]),
        helper.make_node("Add", ["planted", "nothing"], ["output0"]),
    ]
    tensor, constant = helper.make_tensor_value_info, numpy_helper.from_array
    graph = helper.make_graph(
        nodes,
        "yolo",
        [tensor("images", TensorProto.FLOAT, [1, 3, side_px, side_px])],
        [tensor("output0", TensorProto.FLOAT, [1, *columns.shape])],
        [constant(np.zeros((), np.float32), "zero"), constant(columns[None], "planted")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def write_small_detector(repository: Path, *, quantised: bool) -> Path:
    """Write a network of two convolutions with random weights, built at its edges like the default model's.

    It scales the picture by 2 / 255 and minus 1, so that a quantiser makes one level of each grey level.
    """
    random, graph, cells = np.random.default_rng(5), GraphBuilder(), (INPUT_PX // 8) ** 2
    scaled = graph.add("Mul", ["images", graph.constant("scale", 2 / 255)], "scaled")
    centred = graph.add("Sub", [scaled, graph.constant("shift", 1)], "centred")
    kernel, outer = random.normal(0, 0.3, (8, 3, 3, 3)), random.normal(0, 0.5, (6, 8, 1, 1))
    inner = graph.convolution(Convolution(centred, kernel, random.normal(0, 1, 8), 8, 1), "net/inner")
    clipped = graph.add("Clip", [inner, graph.constant("zero", 0), graph.constant("six", 6)], "net/clipped")
    rows = graph.convolution(Convolution(clipped, outer, random.normal(0, 1, 6), 1, 1), "net/rows")
    table = graph.add("Transpose", [rows], "table", perm=[0, 2, 3, 1])
    table = graph.add("Reshape", [table, graph.constant("table_shape", [0, cells, 6], np.int64)], "anchors")
    corners = graph.add("Gather", [table, graph.constant("four", range(4), np.int64)], "corners", axis=2)
    classes = graph.add("Gather", [table, graph.constant("two", [4, 5], np.int64)], "classes", axis=2)
    graph.add("Sigmoid", [corners], "boxes")
    graph.add("Sigmoid", [classes], "scores")
    tensor = helper.make_tensor_value_info
    images = tensor("images", TensorProto.FLOAT, ["N", 3, INPUT_PX, INPUT_PX])
    outputs = [tensor(name, TensorProto.FLOAT, ["N", cells, size]) for name, size in (("boxes", 4), ("scores", 2))]
    model = graph.model([images], outputs, "made by the tests")
    if quantised:
        extremes = [{"images": np.full((1, 3, INPUT_PX, INPUT_PX), level, np.float32)} for level in (0, 255)]
        noise = {"images": random.integers(0, 256, (1, 3, INPUT_PX, INPUT_PX)).astype(np.float32)}
        float_nodes = [node.name for node in model.graph.node if "/" not in node.name]
        model = quantise(model, [*extremes, noise], ("Conv", "Clip"), float_nodes)
    folder = repository / "small"
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    write_config(folder, LABELS)
    return folder


def write_failing_model(repository: Path, name: str = "failing") -> Path:
    """Write a model that loads but fails on every frame."""
    nodes = [
        helper.make_node("Gather", ["planted_boxes", "beyond"], ["boxes"]),
        helper.make_node("Identity", ["planted_scores"], ["scores"]),
    ]
    constants = {
        "planted_boxes": np.zeros((1, 1, 4), np.float32),
        "planted_scores": np.zeros((1, 1, 2), np.float32),
        "beyond": np.array([9]),
    }
    return _write_folder(repository / name, nodes, constants, 1, LABELS)


def write_endless_model(repository: Path) -> Path:
    """Write a model that loads but never finishes a frame."""
    nodes = [
        helper.make_node("Loop", ["", "", "matrix"], ["worked"], body=_product()),
        helper.make_node("ReduceMean", ["worked"], ["idle"], keepdims=0),
        helper.make_node("Add", ["planted_boxes", "idle"], ["boxes"]),
        helper.make_node("Identity", ["planted_scores"], ["scores"]),
    ]
    constants = {
        "matrix": np.zeros((192, 192), np.float32),
        "planted_boxes": np.zeros((1, 1, 4), np.float32),
        "planted_scores": np.zeros((1, 1, 2), np.float32),
    }
    return _write_folder(repository / "endless", nodes, constants, 1, LABELS)


def _product() -> onnx.GraphProto:
    """Return the body of the loop: the matrix times itself."""
    flag = helper.make_tensor_value_info
    return helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still_on"]), helper.make_node("MatMul", ["m", "m"], ["squared"])],
        "product",
        [
            flag("round", TensorProto.INT64, []),
            flag("on", TensorProto.BOOL, []),
            flag("m", TensorProto.FLOAT, [192, 192]),
        ],
        [flag("still_on", TensorProto.BOOL, []), flag("squared", TensorProto.FLOAT, [192, 192])],
    )


def _write_folder(
    folder: Path,
    nodes: list[onnx.NodeProto],
    constants: Mapping[str, object],
    anchors: int,
    labels: Sequence[str],
) -> Path:
    graph = helper.make_graph(
        nodes,
        folder.name,
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, INPUT_PX, INPUT_PX])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, anchors, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, anchors, len(labels)]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    write_config(folder, labels)
    return folder


def write_config(
    folder: Path,
    labels: Sequence[str],
    family: str = "ssd",
    size_wh: tuple[int, int] = (INPUT_PX, INPUT_PX),
    resize: str | None = None,
) -> None:
    """Write model.yaml and labels.txt of a test model."""
    (folder / "labels.txt").write_text("\n".join(labels), encoding="utf-8")
    resized = f", resize: {resize}" if resize else ""
    (folder / "model.yaml").write_text(
        "weights: {file: model.onnx}\nlabels: labels.txt\nlicence: Apache-2.0\nsource: made by the tests\n"
        f"family: {{name: {family}}}\ninput: {{size_wh: [{size_wh[0]}, {size_wh[1]}]{resized}}}\n"
    )
