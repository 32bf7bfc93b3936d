"""Makes the int8 twin of a float model: static quantisation (QDQ), activation ranges from extremes seen in photos."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from lab import ROOT

CALIBRATION_PHOTOS = [ROOT / "examples" / "street.jpg", *sorted((ROOT / "tests" / "data").glob("*.jpg"))]


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

    `feeds`: one for each calibration photo; `exclude`: names of nodes that stay float; `float_outputs`: the
    operations whose results are not rounded.
    """
    with tempfile.TemporaryDirectory() as folder:
        float_path, int8_path = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, float_path)
        quantize_static(
            float_path,
            int8_path,
            _Feeds(feeds),
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
