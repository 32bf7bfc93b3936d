"""Makes the int8 twin of a float model: static quantisation (QDQ), activation ranges from extremes seen in photos.

Weights are not simply rounded to the nearest level: the sum of each kernel is kept. On a flat area a kernel gives its
sum, and the first layers have kernels whose large weights cancel each other. Rounded one by one, the errors of nine
weights add up to an offset everywhere in the picture. What is left of a layer's mean error goes into its biases.
docs/maintainers/quantisation.md has the figures.
"""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from lab import ROOT

CALIBRATION_PHOTOS = [ROOT / "examples" / "street.jpg", *sorted((ROOT / "tests" / "data").glob("*.jpg"))]

LEVELS = 127
"""Of a weight's magnitude. The largest weight of each output has this level."""


class _Feeds(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, feeds: Iterable[dict[str, NDArray[np.float32]]]) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.float32]]] = iter(feeds)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


def quantise(
    model: ModelProto,
    feeds: Iterable[dict[str, NDArray[np.float32]]],
    op_types: Sequence[str],
    exclude: Sequence[str],
    float_outputs: Sequence[str] = (),
) -> ModelProto:
    """Return the model with these operations in int8: weights signed and per channel, activations unsigned.

    `feeds`: one for each calibration photo, all kept in memory; `exclude`: names of nodes that stay float;
    `float_outputs`: the operations whose results are not rounded.
    """
    kept_feeds = list(feeds)
    with tempfile.TemporaryDirectory() as folder:
        float_path, int8_path = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(_with_rounded_weights(model, kept_feeds, exclude), float_path)
        quantize_static(
            float_path,
            int8_path,
            _Feeds(kept_feeds),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(op_types),
            nodes_to_exclude=list(exclude),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"OpTypesToExcludeOutputQuantization": list(float_outputs)},
        )
        return onnx.load(int8_path)


def _with_rounded_weights(
    model: ModelProto, feeds: Sequence[dict[str, NDArray[np.float32]]], exclude: Sequence[str]
) -> ModelProto:
    """Return a copy whose kernels have only values that the quantiser has levels for; biases make up for the rest."""
    copy = ModelProto()
    copy.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in copy.graph.initializer}
    layers = [node for node in copy.graph.node if node.op_type in {"Conv", "Gemm"} and node.name not in exclude]
    means = _channel_means(model, {node.input[0] for node in layers}, feeds)
    for node in layers:
        kernel_tensor, bias_tensor = (tensors[name] for name in node.input[1:3])
        kernels, bias = (numpy_helper.to_array(tensor).astype(np.float64) for tensor in (kernel_tensor, bias_tensor))
        kept = rounded(kernels)
        errors = (kept - kernels).reshape(*kernels.shape[:2], -1).sum(axis=-1)
        groups = means[node.input[0]].reshape(-1, kernels.shape[1])
        bias -= (errors * groups.repeat(len(kernels) // len(groups), axis=0)).sum(axis=1)
        kernel_tensor.CopyFrom(numpy_helper.from_array(kept.astype(np.float32), kernel_tensor.name))
        bias_tensor.CopyFrom(numpy_helper.from_array(bias.astype(np.float32), bias_tensor.name))
    return copy


def _channel_means(
    model: ModelProto, names: Iterable[str], feeds: Sequence[dict[str, NDArray[np.float32]]]
) -> dict[str, NDArray[np.float64]]:
    """Return the mean of each channel of these values over all feeds; they are [N, channels, ...]."""
    copy = ModelProto()
    copy.CopyFrom(model)
    ordered = sorted(names)
    copy.graph.output.extend(ValueInfoProto(name=name) for name in ordered)
    session = onnxruntime.InferenceSession(copy.SerializeToString(), providers=["CPUExecutionProvider"])
    sums = {name: np.zeros(1) for name in ordered}
    for feed in feeds:
        for name, value in zip(ordered, session.run(ordered, feed), strict=True):
            sums[name] = sums[name] + value.mean(axis=(0, *range(2, value.ndim)), dtype=np.float64)
    return {name: total / len(feeds) for name, total in sums.items()}


def rounded(kernels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return [outputs, inputs, ...] rounded to levels, and the sum of each kernel to the nearest level.

    Where the sum of rounded weights is some levels off, as many weights are rounded the other way: those that were
    nearest to it. The largest weight of an output is on a level and never moves.
    """
    steps = np.abs(kernels).reshape(len(kernels), -1).max(axis=1).reshape(-1, *[1] * (kernels.ndim - 1)) / LEVELS
    exact = (kernels / np.where(steps, steps, 1)).reshape(*kernels.shape[:2], -1)
    levels = np.rint(exact)
    rest = exact - levels
    missing = np.rint(rest.sum(axis=-1, keepdims=True))
    by_nearness = np.argsort(-np.sign(missing) * rest, axis=-1, kind="stable")
    rank = np.argsort(by_nearness, axis=-1)
    kept = levels + np.sign(missing) * (rank < np.abs(missing))
    result: NDArray[np.float64] = kept.reshape(kernels.shape) * steps
    return result
