"""Removes the rounding from a quantised graph, so that a change of its arithmetic can be measured without the noise."""

import numpy as np
from onnx import ModelProto, NodeProto, helper

from models.preparation.graph import EditableGraph, inputs_of

HALF_A_LEVEL = 0.5
"""How far beyond the outermost levels a value may lie and still round to them."""


def without_rounding(model: ModelProto) -> ModelProto:
    """Return a copy that computes in floats: values are clipped to the range of their levels instead of quantised.

    Constants stay quantised. Raises UnfamiliarGraphError if a scale or zero point is not a constant.
    """
    copy = ModelProto()
    copy.CopyFrom(model)
    graph = EditableGraph(copy)
    computed = set()
    for node in graph.proto.node:
        if node.op_type == "QuantizeLinear":
            _clip(graph, node)
            computed.add(node.output[0])
        elif node.op_type == "DequantizeLinear" and node.input[0] in computed:
            node.CopyFrom(helper.make_node("Identity", [node.input[0]], list(node.output), name=node.name))
    graph.prune()
    return copy


def _clip(graph: EditableGraph, node: NodeProto) -> None:
    value, *parameters = inputs_of(node, "QuantizeLinear", 3)
    zero_point = graph.constant(parameters[1])
    levels = np.iinfo(zero_point.dtype.name)
    scale = graph.scalar(parameters[0])
    bounds = [
        graph.add_constant(f"{node.output[0]}_{name}", np.array((level - int(zero_point.item())) * scale, np.float32))
        for name, level in (("least", levels.min - HALF_A_LEVEL), ("most", levels.max + HALF_A_LEVEL))
    ]
    node.CopyFrom(helper.make_node("Clip", [value, *bounds], list(node.output), name=node.name))
