"""Makes a graph take uint8 pixels as decoders deliver them: it normalises them itself, with the same numbers."""

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
    """One node. `result`: the end of its output's name; `constant`: its second operand, if it has one."""

    op_type: str
    result: str
    constant: Floats | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


def take_bytes(graph: EditableGraph, edges: Edges) -> None:
    """Change a float32 picture input to uint8 [N, height, width, 3]; the graph transposes, casts and normalises it.

    The channels keep the order in which they are fed. Other inputs do not change. Raises UnfamiliarGraphError, and
    changes nothing, if the picture input is not float32 or has another layout.
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
    """Return the layout of the picture input, chosen as the family chooses it."""
    for expected, layout in picture_layouts(config).items():
        if Tensor("float32", axes).fits(expected):
            return layout
    raise UnfamiliarGraphError


def _to_floats(config: InputConfig, layout: Layout) -> Iterator[_Operation]:
    """Yield the operations that turn pixels into the values fed before; those without effect are left out."""
    if layout == "nchw":
        yield _Operation("Transpose", "nchw", attributes={"perm": [0, 3, 1, 2]})
    yield _Operation("Cast", "floats", attributes={"to": TensorProto.FLOAT})
    factor, offset = normalisation(config)
    if (factor != 1).any():
        yield _Operation("Mul", "scaled", _by_channel(factor, layout))
    if (offset != 0).any():
        yield _Operation("Add", "centred", _by_channel(offset, layout))


def _by_channel(values: Floats, layout: Layout) -> Floats:
    """Return the values of the channels [3] in a shape that broadcasts over a picture; a scalar if all are equal."""
    if (values == values[0]).all():
        return np.asarray(values[0])
    return values.reshape(RGB_CHANNELS, 1, 1) if layout == "nchw" else values


def _insert(graph: EditableGraph, operations: list[_Operation], first: str, last: str) -> None:
    """Insert the operations before all others: the first one reads the value `first`, the last one writes `last`."""
    read = first
    for place, operation in enumerate(operations):
        output = graph.free_name(f"{last}_{operation.result}") if place < len(operations) - 1 else last
        inputs = [read]
        if operation.constant is not None:
            inputs.append(graph.add_constant(f"{output}_by", operation.constant))
        node = helper.make_node(operation.op_type, inputs, [output], name=output, **operation.attributes)
        graph.proto.node.insert(place, node)
        read = output
