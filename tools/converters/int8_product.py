"""Makes models/backends/int8_product.onnx, which tells whether a processor adds int8 products without saturating.

    .venv/bin/python -m tools.converters.int8_product [FILE]

One product of matrices, unsigned by signed: the arithmetic of quantised convolutions.
"""

import sys
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from models.backends.onnx import INT8_PRODUCT

OPSET, IR_VERSION = 21, 10


def build() -> onnx.ModelProto:
    """Return the model: uint8 `a` [M, K], int8 `b` [K, N] → int32 `product` [M, N]."""
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["product"])],
        "int8_product",
        [
            helper.make_tensor_value_info("a", TensorProto.UINT8, ["M", "K"]),
            helper.make_tensor_value_info("b", TensorProto.INT8, ["K", "N"]),
        ],
        [helper.make_tensor_value_info("product", TensorProto.INT32, ["M", "N"])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else INT8_PRODUCT).write_bytes(build().SerializeToString())
