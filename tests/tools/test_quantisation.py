"""Int8 twins: what lab/quantisation.py promises of weights and results."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper
from PIL import Image

from lab.graph_builder import Convolution, GraphBuilder
from lab.pictures import PHOTOS, STREET
from lab.quantisation import LEVELS, quantise, rounded
from models.backends.onnx import Session
from models.repository.folder import BUILT_IN_ZOO

SIDE_PX = 8


def test_the_sum_of_each_kernel_is_kept() -> None:
    random = np.random.default_rng(7)
    kernels = random.normal(0, 1, (20, 4, 5, 5)) * random.choice([0.01, 1, 30], (20, 1, 1, 1))
    kernels[3] = 0
    steps = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True) / LEVELS
    kept = rounded(kernels)
    assert (np.abs(kept - kernels) < steps + 1e-9).all()
    assert (np.abs((kept - kernels).sum(axis=(2, 3))) <= steps[:, :, 0, 0] / 2 + 1e-9).all()
    levels = kept[steps[:, 0, 0, 0] > 0] / steps[steps[:, 0, 0, 0] > 0]
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-9)
    assert np.abs(levels).max() <= LEVELS + 1e-9


def network(kernels: NDArray[np.float64]) -> ModelProto:
    """Return a graph of one convolution from `images` to `net/found`."""
    graph = GraphBuilder()
    graph.convolution(Convolution("images", kernels, np.zeros(len(kernels)), 1, 1), "net/found")
    sides = [SIDE_PX, SIDE_PX]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", kernels.shape[1], *sides])
    found = helper.make_tensor_value_info("net/found", TensorProto.FLOAT, ["N", len(kernels), *sides])
    return graph.model([images], [found], "made by the tests")


def answer(model: ModelProto, feed: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # int8 as it is defined
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, feed)[0]
    return found


def test_biases_make_up_for_the_mean_error_of_weights() -> None:
    random = np.random.default_rng(7)
    kernels = random.normal(0, 1, (16, 64, 1, 1)) * random.choice([0.02, 1], (16, 64, 1, 1))
    model = network(kernels)
    feeds = [{"images": random.uniform(0, 6, (1, 64, SIDE_PX, SIDE_PX)).astype(np.float32)} for _ in range(3)]
    twin = quantise(model, feeds, ("Conv",), ())
    errors = [answer(twin, feed) - answer(model, feed) for feed in feeds]
    scale = np.std([answer(model, feed) for feed in feeds])
    assert np.abs(np.mean(errors, axis=(0, 1, 3, 4))).max() < 0.002 * scale


def test_objects_have_confidences_of_their_own() -> None:
    """The predictors' results are not rounded: equal confidences would order objects by chance."""
    folder = BUILT_IN_ZOO / "ssdlite-mobilenet-v2"
    session = Session(folder / "model.onnx")
    for photo in (STREET, *PHOTOS.glob("vtest-*.jpg")):
        picture = Image.open(photo).convert("RGB").resize((300, 300), Image.Resampling.BILINEAR)
        logits = session.run({"images_nhwc": np.asarray(picture)[None]})["logits"]
        candidates = logits[logits > -1]
        assert len(candidates) > 3
        assert len(np.unique(candidates)) == len(candidates)
