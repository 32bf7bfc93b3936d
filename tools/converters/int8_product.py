"""Makes models/backends/int8_product.onnx, which shows whether a processor adds int8 products without saturating.

    .venv/bin/python -m tools.converters.int8_product [FILE]

One matrix product, unsigned activations by signed weights: the arithmetic of quantised convolutions. As in real models
the weights are a constant of the graph: onnxruntime's exact mode covers constant weights only.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.backends.onnx import INT8_PRODUCT, PROBE_SIDE

OPSET, IR_VERSION = 21, 10


def build() -> onnx.ModelProto:
    """Return the model: uint8 `a` [M, PROBE_SIDE] → int32 `product` [M, PROBE_SIDE]; every weight is 127."""
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["product"])],
        "int8_product",
        [helper.make_tensor_value_info("a", TensorProto.UINT8, ["M", PROBE_SIDE])],
        [helper.make_tensor_value_info("product", TensorProto.INT32, ["M", PROBE_SIDE])],
        [numpy_helper.from_array(np.full((PROBE_SIDE, PROBE_SIDE), 127, np.int8), "b")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else INT8_PRODUCT).write_bytes(build().SerializeToString())
