"""Builds an ONNX graph: names its parts, keeps its constants, and folds what follows a convolution into it."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, ValueInfoProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9
"""onnxruntime reads it since 1.15."""


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution that is not in the graph yet, so that what follows it can still be folded into it.

    `kernel`: float64 [outputs, inputs ÷ group, height, width]; `bias`: float64 [outputs]; `residual`: the name of
    a value to be added to the result. Padding is TensorFlow's SAME.
    """

    source: str
    kernel: NDArray[np.float64]
    bias: NDArray[np.float64]
    stride: int
    group: int
    residual: str | None = None

    def scaled(self, factor: NDArray[np.floating]) -> "Convolution":
        """Return it with every output channel multiplied by its factor [outputs]."""
        if self.residual:
            raise ValueError("a sum cannot be scaled")
        return replace(self, kernel=self.kernel * factor.reshape(-1, 1, 1, 1), bias=self.bias * factor)

    def shifted(self, offset: NDArray[np.floating]) -> "Convolution":
        """Return it with an offset [outputs] added to every output channel."""
        return replace(self, bias=self.bias + offset)

    def selected(self, outputs: NDArray[np.intp]) -> "Convolution":
        """Return it with these output channels alone."""
        if self.residual:
            raise ValueError("a sum has no channels of its own")
        return replace(self, kernel=self.kernel[outputs], bias=self.bias[outputs])


@dataclass(slots=True)
class GraphBuilder:
    """Collects nodes and constants. Every value is known by its name, and every node is named like its output."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append one operation and return the name of its output."""
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: object, dtype: type[np.generic] = np.float32) -> str:
        """Keep a constant and return its name; raises ValueError if the name is taken by another value."""
        array = np.ascontiguousarray(value, dtype)
        if not np.array_equal(self.constants.setdefault(name, array), array):
            raise ValueError(f"{name} names two constants")
        return name

    def convolution(self, conv: Convolution, output: str) -> str:
        """Append a convolution and its residual, and return the name of the sum."""
        parameters = [self.constant(f"{output}/kernel", conv.kernel), self.constant(f"{output}/bias", conv.bias)]
        inner = f"{output}/conv" if conv.residual else output
        value = self.add(
            "Conv",
            [conv.source, *parameters],
            inner,
            auto_pad="SAME_UPPER",
            kernel_shape=list(conv.kernel.shape[2:]),
            strides=[conv.stride] * 2,
            group=conv.group,
        )
        return self.add("Add", [value, conv.residual], output) if conv.residual else value

    def model(
        self, inputs: list[ValueInfoProto], outputs: list[ValueInfoProto], source: str, name: str = "detector"
    ) -> ModelProto:
        """Return the complete graph as a checked model of that name, with its source in the metadata."""
        initializers = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, initializers)
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="framehook"
        )
        helper.set_model_props(model, {"source": source})
        onnx.checker.check_model(model, full_check=True)
        return model
