"""An ONNX graph that is being changed: finds its constants and neighbours, and takes away what no output needs."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, ValueInfoProto, numpy_helper

Constant: TypeAlias = NDArray[np.generic]

PICTURE_AXES = 4
"""Batch, height, width and channels, in whatever order."""


class UnfamiliarGraphError(Exception):
    """The graph is not as a step of preparation knows it; the step leaves it alone."""


class EditableGraph:
    """The graph of a model, changed in place. Values are known by their names, as in ONNX."""

    def __init__(self, model: ModelProto) -> None:
        """Take the model, which stays the caller's."""
        self.proto = model.graph

    @property
    def picture_input(self) -> ValueInfoProto:
        """Return the one input with the axes of pictures; raises UnfamiliarGraphError when there is none, or more."""
        pictures = [value for value in self._fed if len(value.type.tensor_type.shape.dim) == PICTURE_AXES]
        if len(pictures) != 1:
            raise UnfamiliarGraphError
        return pictures[0]

    @property
    def _fed(self) -> list[ValueInfoProto]:
        """What must be fed; old files list their constants among the inputs too."""
        constants = {tensor.name for tensor in self.proto.initializer}
        return [value for value in self.proto.input if value.name not in constants]

    def constant(self, name: str) -> Constant:
        """Return a constant, kept by the graph or made by a node; raises UnfamiliarGraphError when it is computed."""
        for tensor in self.proto.initializer:
            if tensor.name == name:
                return numpy_helper.to_array(tensor)
        [attribute] = self.producer(name, "Constant").attribute
        if attribute.name != "value":
            raise UnfamiliarGraphError
        return numpy_helper.to_array(attribute.t)

    def scalar(self, name: str) -> float:
        """Return the one value of a constant; raises UnfamiliarGraphError when there are more, or it is computed."""
        value = self.constant(name)
        if value.size != 1:
            raise UnfamiliarGraphError
        return float(value.item())

    def add_constant(self, name: str, value: Constant) -> str:
        """Keep a constant, and return the name it got: this one, or a longer one when it is taken."""
        free = self.free_name(name)
        self.proto.initializer.append(numpy_helper.from_array(value, free))
        return free

    def free_name(self, name: str) -> str:
        """Return the name, lengthened until no value has it."""
        taken = {value.name for value in self.proto.input} | {tensor.name for tensor in self.proto.initializer}
        taken.update(output for node in self.proto.node for output in node.output)
        while name in taken:
            name += "_"
        return name

    def producer(self, name: str, op_type: str) -> NodeProto:
        """Return the node that computes a value; raises UnfamiliarGraphError when it is of another type, or none."""
        nodes: list[NodeProto] = [node for node in self.proto.node if name in node.output and node.op_type == op_type]
        if not nodes:
            raise UnfamiliarGraphError
        return nodes[0]

    def sole_consumer(self, name: str) -> NodeProto:
        """Return the one node that reads a value; raises UnfamiliarGraphError when it is needed elsewhere too."""
        consumers: list[NodeProto] = [node for node in self.proto.node if name in _read_by(node)]
        if len(consumers) != 1 or any(value.name == name for value in self.proto.output):
            raise UnfamiliarGraphError
        return consumers[0]

    def prune(self) -> None:
        """Take away nodes and constants that no output needs, and shape hints, which any runtime infers anew."""
        needed = {value.name for value in self.proto.output}
        living = []
        for node in reversed(self.proto.node):  # every node stands behind those it reads from
            if needed.intersection(node.output):
                living.append(node)
                needed.update(_read_by(node))
        constants = [tensor for tensor in self.proto.initializer if tensor.name in needed]
        fed = {value.name for value in self._fed}
        inputs = [value for value in self.proto.input if value.name in needed | fed]
        for field, kept in (
            (self.proto.node, living[::-1]),
            (self.proto.initializer, constants),
            (self.proto.input, inputs),
        ):
            copies = [type(item).FromString(item.SerializeToString()) for item in kept]  # clearing would empty them
            del field[:]
            field.extend(copies)
        del self.proto.value_info[:]


def inputs_of(node: NodeProto, op_type: str, count: int) -> list[str]:
    """Return the names that a node reads; raises UnfamiliarGraphError unless it is of that type and reads so many."""
    if node.op_type != op_type or len(node.input) != count:
        raise UnfamiliarGraphError
    return list(node.input)


def _read_by(node: NodeProto) -> Iterator[str]:
    """Yield the names that a node reads, those that the graphs inside it (loops, branches) may read included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            yield from (value.name for value in graph.output)
            for inner in graph.node:
                yield from _read_by(inner)
