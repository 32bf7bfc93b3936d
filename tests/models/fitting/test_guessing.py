"""A file's model.yaml, guessed and tried out; what a file says about itself; neighbouring settings."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.backends.conformed import conformed
from models.backends.onnx import Session
from models.errors import ModelConfigError
from models.families import Outputs, Signature, Tensor
from models.fitting.file_metadata import input_in, labels_in, task_in
from models.fitting.guessing import Brought
from models.fitting.neighbours import better_neighbours, error_of, neighbours_of, results_of
from models.frame import Frame
from models.repository.config import ExpectedResult
from models.repository.folder import BUILT_IN_ZOO, ModelFolder, read_folder
from models.repository.labels import read_labels
from models.results import Classification, Results
from tests.support.models.layouts import LAYOUTS, SIDE_PX, Layout, write_layout

AMBIGUOUS = {
    "Azure Custom Vision, General (compact)",  # Tiny YOLOv2 has other anchors only
    "PicoDet with post-processing",  # PP-YOLOE is normalised in another way
    "PicoDet",
    "UltraFace",  # ssd reads it, too
    "CenterFace",
    "scores as logits for a softmax",
    "scores as logits for a sigmoid",
}
GREY = Frame(np.full((SIDE_PX, SIDE_PX, 3), 90, np.uint8), "rgb", (SIDE_PX, SIDE_PX))


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in AMBIGUOUS])
def test_a_layout_is_guessed(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    folder = write_layout(tmp_path / "model", layout)
    ways = Brought(conformed(Session(folder / "model.onnx")), layout.labels, {}).tried_on(GREY)
    assert ways[0].document["family"] == dict(layout.section)
    assert ways[0].document["input"]["size_wh"] == (SIDE_PX, SIDE_PX)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("{0: 'tench, Tinca tinca', 1: 'crane', 2: 'crane'}", ["tench", "crane", "crane 2"]),
        ('["crane", "crane 2", "crane"]', ["crane", "crane 2", "crane 2 2"]),
        ("['a\\nb', '', ' c  d ', 'N/A', 'N/A']", ["a b", "class 1", "c d", "N/A", "N/A"]),
        ('["\\ud800", "b"]', ["class 0", "b"]),
        ('{"' + "9" * 5000 + '": "a", "1": "b"}', ["N/A", "b"]),
        ("{0x" + "f" * 9000 + ": 'a', 0: 'b'}", ["b"]),
        ("{999999: 'a', 0: 'b'}", ["b"]),
        ("[" * 9999 + "]" * 9999, []),
        ("x," * 150_000, []),
    ],
)
def test_the_names_in_a_file_become_labels(tmp_path: Path, names: str, expected: list[str]) -> None:
    labels = labels_in({"names": names})
    assert labels == expected
    if labels:
        (tmp_path / "labels.txt").write_text("\n".join(labels))
        assert list(read_labels(tmp_path / "labels.txt")) == labels


def test_many_equal_names_are_numbered_quickly() -> None:
    assert len(set(labels_in({"names": "x," * 40_000}))) == 40_001


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        pytest.param("pose", {"name": "yolov8", "task": "pose"}, id="pose"),
        pytest.param("obb", {"name": "yolov8", "task": "obb"}, id="obb"),
        pytest.param("detect", {"name": "yolov8"}, id="detect"),
        pytest.param("segment", {"name": "yolov8"}, id="segment, but without an output for the masks"),
    ],
)
def test_the_task_of_the_file_decides(tmp_path: Path, task: str, expected: Mapping[str, Any]) -> None:
    """52 classes, or 51 and an angle, or key points."""

    def encode() -> Outputs:
        return {"output0": np.full((1, 56, 2100), 0.3, np.float32)}

    folder = write_layout(tmp_path / "model", Layout({"name": "yolov8"}, encode, labels=("a",)))
    [best, *_] = Brought(conformed(Session(folder / "model.onnx")), (), {"task": task}).tried_on(GREY)
    assert best.document["family"] == expected


def test_what_no_family_reads_is_refused() -> None:
    class Strange:
        signature = Signature({"images": Tensor("float32", (1, 3, 64, 64))}, {"out": Tensor("int64", (1, 2, 3, 4, 5))})

        def run(self, *_: Any) -> Outputs:
            raise AssertionError

    with pytest.raises(ModelConfigError, match=r"No family reads such outputs: out int64 \[1, 2, 3, 4, 5\]"):
        Brought(Strange(), (), {}).tried_on(GREY)


def test_labels_that_do_not_fit_are_said(tmp_path: Path) -> None:
    folder = write_layout(tmp_path / "model", LAYOUTS["YOLO-NAS"])
    with pytest.raises(ModelConfigError, match=r"There are 5 labels, .* Without them it would be: .*yolo_nas, 3 label"):
        Brought(conformed(Session(folder / "model.onnx")), tuple("abcde"), {}).tried_on(GREY)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({"names": "{0: 'person', 2: 'car'}"}, ["person", "N/A", "car"], id="Ultralytics"),
        pytest.param({"names": '["person", "car"]'}, ["person", "car"], id="a JSON list"),
        pytest.param({"id2label": '{"0": "cat", "1": "dog"}'}, ["cat", "dog"], id="Hugging Face"),
        pytest.param({"classes": "cat,dog"}, ["cat", "dog"], id="words"),
        pytest.param({"names": "{0: " * 10_000}, [], id="deep"),
        pytest.param({"names": "{999999999: 'a'}"}, [], id="a huge id"),
        pytest.param({"names": "__import__('os')"}, [], id="code"),
        pytest.param({"author": "x"}, [], id="none"),
    ],
)
def test_labels_of_the_metadata(metadata: dict[str, str], expected: list[str]) -> None:
    assert labels_in(metadata) == expected


def test_what_custom_vision_says_of_the_picture() -> None:
    metadata = {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "Normalized_0_1"}
    assert input_in(metadata) == {"colour_order": "bgr", "scale": 1 / 255}
    assert input_in({"Image.BitmapPixelFormat": "Cmyk"}) == {}
    assert task_in({"task": "pose"}) == "pose"


def picture_of(path: Path) -> Frame:
    with Image.open(path) as picture:
        return Frame(np.asarray(picture.convert("RGB")), "rgb", picture.size)


def zoo(name: str, **given: Any) -> ModelFolder:
    """Return a built-in model whose model.yaml has other values in its section input."""
    folder = read_folder(BUILT_IN_ZOO / name)
    return replace(
        folder, config=folder.config.model_copy(update={"input": folder.config.input.model_copy(update=given)})
    )


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        pytest.param("blazeface-back", {}, [], id="as it is"),
        pytest.param("blazeface-back", {"colour_order": "bgr"}, ["input.colour_order: rgb"], id="swapped colours"),
        pytest.param(
            "blazeface-back", {"scale": 1 / 255}, ["input.scale, mean and std for values -1..1"], id="another range"
        ),
        pytest.param("ssdlite-mobilenet-v2", {}, [], id="a detector as it is"),
        pytest.param("ssdlite-mobilenet-v2", {"resize": "centre_crop"}, ["input.resize: stretch"], id="another shape"),
    ],
)
def test_neighbouring_settings_that_fit_better_are_named(name: str, given: dict[str, Any], expected: list[str]) -> None:
    folder = zoo(name, **given)
    assert folder.config.golden
    session = conformed(Session(folder.weights_path))
    frame = picture_of(folder.path / "golden.jpg")
    named = [better.words for better in better_neighbours(folder, session, frame, folder.config.golden.expect)]
    assert named[: len(expected)] == expected
    assert bool(named) == bool(expected)


def test_logits_read_as_they_are_are_noticed_without_a_golden_picture(tmp_path: Path) -> None:
    layout = Layout({"name": "classifier"}, lambda: {"out": np.array([[2.1, 9.3, 1.4]], np.float32)})
    folder = read_folder(write_layout(tmp_path / "model", layout))
    best, *_ = better_neighbours(folder, conformed(Session(folder.weights_path)), GREY)
    assert best.words in {"family.activation: softmax", "family.activation: sigmoid"}


def test_confidences_get_no_activation(tmp_path: Path) -> None:
    layout = Layout({"name": "classifier"}, lambda: {"out": np.array([[0.1, 0.2, 0.1]], np.float32)})
    folder = read_folder(write_layout(tmp_path / "model", layout))
    assert better_neighbours(folder, conformed(Session(folder.weights_path)), GREY) == []


def test_each_neighbour_differs_in_one_thing() -> None:
    config = read_folder(BUILT_IN_ZOO / "blazeface-back").config
    words = [neighbour.words for neighbour in neighbours_of(config, takes_bytes=False)]
    assert len(set(words)) == len(words) >= 7
    assert all(neighbour.config != config for neighbour in neighbours_of(config, takes_bytes=True))


def test_a_file_that_other_settings_do_not_fit_gives_nothing() -> None:
    folder = zoo("blazeface-back", size_wh=(64, 64))
    assert results_of(folder, conformed(Session(folder.weights_path)), GREY) == Results()


def test_how_far_results_are_from_the_expected_ones() -> None:
    cat = Results(classifications=(Classification("cat", 0, 0.75),))
    assert error_of(cat, [ExpectedResult(label="cat", confidence=1)]) == pytest.approx(0.25)
    assert error_of(cat, [ExpectedResult(label="dog", confidence=1)]) == 1
    assert error_of(Results(), [ExpectedResult(label="cat", confidence=1)]) == 1
