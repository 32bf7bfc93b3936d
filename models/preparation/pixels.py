"""Feeds a graph pixels as decoders give them; what made floats of them outside is done inside, by the same numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from models.boxes import Floats
from models.families import InputConfig, Tensor
from models.families.preprocessing import Layout, normalisation, picture_layouts
from models.preparation.edges import Edges
from models.preparation.graph import EditableGraph, UnfamiliarGraphError

RGB_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class _Operation:
    """One node. `made`: what it makes, the end of its name; `constant`: its second operand, if it has one."""

    op_type: str
    made: str
    constant: Floats | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


def take_bytes(graph: EditableGraph, edges: Edges) -> None:
    """Change a float32 picture input to uint8 [N, height, width, 3], which is turned, cast and normalised inside.

    The channels keep the order in which they are fed. Other inputs stay as they are. Raises UnfamiliarGraphError, with
    nothing changed, when the picture is no float32, or lies otherwise.
    """
    value = graph.picture_input
    tensor = value.type.tensor_type
    axes = tuple(axis.dim_value or axis.dim_param or None for axis in tensor.shape.dim)
    if tensor.elem_type != TensorProto.FLOAT:
        raise UnfamiliarGraphError
    layout = _layout(axes, edges.input)
    sides = axes[2:] if layout == "nchw" else axes[1:3]
    floats, pixels = value.name, graph.free_name(f"{value.name}_nhwc")
    _insert(graph, list(_to_floats(edges.input, layout)), pixels, floats)
    value.CopyFrom(helper.make_tensor_value_info(pixels, TensorProto.UINT8, [axes[0], *sides, RGB_CHANNELS]))


def _layout(axes: tuple[int | str | None, ...], config: InputConfig) -> Layout:
    """Return how the picture lies in memory, as the family finds it."""
    for expected, layout in picture_layouts(config).items():
        if Tensor("float32", axes).fits(expected):
            return layout
    raise UnfamiliarGraphError


def _to_floats(config: InputConfig, layout: Layout) -> Iterator[_Operation]:
    """Yield what makes of the pixels what was fed; what would change nothing is left out."""
    if layout == "nchw":
        yield _Operation("Transpose", "nchw", attributes={"perm": [0, 3, 1, 2]})
    yield _Operation("Cast", "floats", attributes={"to": TensorProto.FLOAT})
    factor, offset = normalisation(config)
    if (factor != 1).any():
        yield _Operation("Mul", "scaled", _by_channel(factor, layout))
    if (offset != 0).any():
        yield _Operation("Add", "centred", _by_channel(offset, layout))


def _by_channel(values: Floats, layout: Layout) -> Floats:
    """Return what broadcasts over a picture: a number for each channel [3], or a single one if all are the same."""
    if (values == values[0]).all():
        return np.asarray(values[0])
    return values.reshape(RGB_CHANNELS, 1, 1) if layout == "nchw" else values


def _insert(graph: EditableGraph, operations: list[_Operation], first: str, last: str) -> None:
    """Put the operations in front of all others: the first reads the value `first`, the last one makes `last`."""
    read = first
    for place, operation in enumerate(operations):
        output = graph.free_name(f"{last}_{operation.made}") if place < len(operations) - 1 else last
        inputs = [read]
        if operation.constant is not None:
            inputs.append(graph.add_constant(f"{output}_by", operation.constant))
        node = helper.make_node(operation.op_type, inputs, [output], name=output, **operation.attributes)
        graph.proto.node.insert(place, node)
        read = output
