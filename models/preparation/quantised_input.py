"""Makes a quantised graph take the picture itself as its quantised input, if one level is one grey level.

A quantised detector scales grey levels 0..255 to floats and quantises these to 0..255 again. If both scales agree, the
quantised picture is the picture plus an offset, mostly of half a level, which makes the quantiser round two adjacent
grey levels to one. Here the picture goes in unchanged, and the bias of the first convolution takes up the offset. That
is exact except at the convolution's padding, whose zeros do not get the offset.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from models.preparation.graph import EditableGraph, UnfamiliarGraphError, inputs_of

SLOPE_TOLERANCE = 1e-5
"""How far one grey level may be from one quantised level: at 255, that is 0.003 levels."""
LARGEST_OFFSET = 0.5 + 1e-3
"""In levels. A larger offset would show at the padded borders."""
INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, slots=True)
class _Scaled:
    """A value that is `slope` times the grey level, plus `offset`."""

    name: str
    slope: float = 1
    offset: float = 0


def feed_the_picture(graph: EditableGraph) -> None:
    """Change the graph; raises UnfamiliarGraphError, and changes nothing, if it has another structure."""
    picture = graph.picture_input
    transpose = graph.sole_consumer(picture.name)
    cast = graph.sole_consumer(transpose.output[0])
    if (picture.type.tensor_type.elem_type, transpose.op_type, cast.op_type) != (
        TensorProto.UINT8,
        "Transpose",
        "Cast",
    ):
        raise UnfamiliarGraphError
    scaled, quantise = _scaling(graph, _Scaled(cast.output[0]))
    _, *levels = inputs_of(quantise, "QuantizeLinear", 3)
    scale, zero_point = map(graph.scalar, levels)
    offset = scaled.offset / scale + zero_point
    if abs(scaled.slope / scale - 1) > SLOPE_TOLERANCE or abs(offset) > LARGEST_OFFSET:
        raise UnfamiliarGraphError
    dequantise = graph.sole_consumer(quantise.output[0])
    if graph.constant(levels[1]).dtype != np.uint8 or inputs_of(dequantise, "DequantizeLinear", 3)[1:] != levels:
        raise UnfamiliarGraphError
    _add_before(graph, dequantise.output[0], offset * scale)
    dequantise.input[0] = transpose.output[0]


def _scaling(graph: EditableGraph, value: _Scaled) -> tuple[_Scaled, NodeProto]:
    """Follow a value through operations with scalars up to its quantisation; return it and the quantising node."""
    while (node := graph.sole_consumer(value.name)).op_type != "QuantizeLinear":
        value = _after(graph, node, value)
    return value, node


def _after(graph: EditableGraph, node: NodeProto, value: _Scaled) -> _Scaled:
    first, second = inputs_of(node, node.op_type, 2)
    comes_first = first == value.name
    number = graph.scalar(second if comes_first else first)
    name = node.output[0]
    match node.op_type, comes_first:
        case "Mul", _:
            return _Scaled(name, value.slope * number, value.offset * number)
        case "Div", True:
            return _Scaled(name, value.slope / number, value.offset / number)
        case "Add", _:
            return _Scaled(name, value.slope, value.offset + number)
        case "Sub", True:
            return _Scaled(name, value.slope, value.offset - number)
        case _:
            raise UnfamiliarGraphError


def _add_before(graph: EditableGraph, name: str, amount: float) -> None:
    """Change the bias of the convolution that reads a value, to the effect of adding `amount` to the value."""
    value, kernel, bias = inputs_of(graph.sole_consumer(name), "Conv", 3)
    dequantise = graph.producer(bias, "DequantizeLinear")
    levels, scale, _ = inputs_of(dequantise, "DequantizeLinear", 3)
    if value != name or graph.sole_consumer(bias).op_type != "Conv":
        raise UnfamiliarGraphError
    weights = _dequantised(graph, kernel)
    shift = amount * weights.sum(axis=tuple(range(1, weights.ndim))) / graph.constant(scale).astype(np.float64)
    moved = np.clip(graph.constant(levels).astype(np.int64) + np.rint(shift), INT32.min, INT32.max)
    dequantise.input[0] = graph.add_constant(f"{levels}_moved", moved.astype(np.int32))


def _dequantised(graph: EditableGraph, name: str) -> NDArray[np.float64]:
    """Return a kernel as floats; it may be quantised as a whole or along its first axis."""
    node = graph.producer(name, "DequantizeLinear")
    parameters = inputs_of(node, "DequantizeLinear", 3)
    levels, scale, zero_point = (graph.constant(parameter).astype(np.float64) for parameter in parameters)
    axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
    if scale.size > 1 and (scale.ndim, axes) != (1, [0]):
        raise UnfamiliarGraphError
    by_output = (-1, *[1] * (levels.ndim - 1))
    return np.asarray((levels - zero_point.reshape(by_output)) * scale.reshape(by_output), np.float64)
