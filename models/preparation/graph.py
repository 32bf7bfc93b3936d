"""An ONNX graph to be edited: finds constants and neighbouring nodes, and removes what no output needs."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, ValueInfoProto, numpy_helper

Constant: TypeAlias = NDArray[np.generic]

PICTURE_AXES = 4
"""Batch, height, width and channels, in any order."""


class UnfamiliarGraphError(Exception):
    """The graph does not have the structure that a step of preparation expects; the step leaves it unchanged."""


class EditableGraph:
    """The graph of a model, edited in place: the model remains the caller's. Names identify values, as in ONNX."""

    def __init__(self, model: ModelProto) -> None:
        self.proto = model.graph

    @property
    def picture_input(self) -> ValueInfoProto:
        """Return the only input with the axes of pictures; raises UnfamiliarGraphError if there is none, or several."""
        pictures = [value for value in self._fed if len(value.type.tensor_type.shape.dim) == PICTURE_AXES]
        if len(pictures) != 1:
            raise UnfamiliarGraphError
        return pictures[0]

    @property
    def _fed(self) -> list[ValueInfoProto]:
        """The inputs that must be fed; old files list their constants among the inputs too."""
        constants = {tensor.name for tensor in self.proto.initializer}
        return [value for value in self.proto.input if value.name not in constants]

    def constant(self, name: str) -> Constant:
        """Return a constant, stored in the graph or in a node; raises UnfamiliarGraphError if it is computed."""
        for tensor in self.proto.initializer:
            if tensor.name == name:
                return numpy_helper.to_array(tensor)
        [attribute] = self.producer(name, "Constant").attribute
        if attribute.name != "value":
            raise UnfamiliarGraphError
        return numpy_helper.to_array(attribute.t)

    def scalar(self, name: str) -> float:
        """Return a constant of one value; raises UnfamiliarGraphError if it has more, or is computed."""
        value = self.constant(name)
        if value.size != 1:
            raise UnfamiliarGraphError
        return float(value.item())

    def add_constant(self, name: str, value: Constant) -> str:
        """Add a constant and return its name: the one given, or a longer one if that is taken."""
        free = self.free_name(name)
        self.proto.initializer.append(numpy_helper.from_array(value, free))
        return free

    def free_name(self, name: str) -> str:
        """Return the name, lengthened until no value of the graph has it."""
        taken = {value.name for value in self.proto.input} | {tensor.name for tensor in self.proto.initializer}
        taken.update(output for node in self.proto.node for output in node.output)
        while name in taken:
            name += "_"
        return name

    def producer(self, name: str, op_type: str) -> NodeProto:
        """Return the node that computes a value; raises UnfamiliarGraphError if there is none of that type."""
        nodes: list[NodeProto] = [node for node in self.proto.node if name in node.output and node.op_type == op_type]
        if not nodes:
            raise UnfamiliarGraphError
        return nodes[0]

    def sole_consumer(self, name: str) -> NodeProto:
        """Return the only node that reads a value; raises UnfamiliarGraphError if something else needs it too."""
        consumers: list[NodeProto] = [node for node in self.proto.node if name in _read_by(node)]
        if len(consumers) != 1 or any(value.name == name for value in self.proto.output):
            raise UnfamiliarGraphError
        return consumers[0]

    def prune(self) -> None:
        """Remove nodes and constants that no output needs, and shape hints, which every runtime infers itself."""
        needed = {value.name for value in self.proto.output}
        needed_nodes = []
        for node in reversed(self.proto.node):  # every node comes after those it reads from
            if needed.intersection(node.output):
                needed_nodes.append(node)
                needed.update(_read_by(node))
        constants = [tensor for tensor in self.proto.initializer if tensor.name in needed]
        fed = {value.name for value in self._fed}
        inputs = [value for value in self.proto.input if value.name in needed | fed]
        for field, kept in (
            (self.proto.node, needed_nodes[::-1]),
            (self.proto.initializer, constants),
            (self.proto.input, inputs),
        ):
            copies = [type(item).FromString(item.SerializeToString()) for item in kept]  # clearing would empty them
            del field[:]
            field.extend(copies)
        del self.proto.value_info[:]


def inputs_of(node: NodeProto, op_type: str, count: int) -> list[str]:
    """Return the `count` names that a node reads; raises UnfamiliarGraphError for another type or count."""
    if node.op_type != op_type or len(node.input) != count:
        raise UnfamiliarGraphError
    return list(node.input)


def _read_by(node: NodeProto) -> Iterator[str]:
    """Yield the names that a node reads, including those that graphs inside it (loops, branches) may read."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            yield from (value.name for value in graph.output)
            for inner in graph.node:
                yield from _read_by(inner)
