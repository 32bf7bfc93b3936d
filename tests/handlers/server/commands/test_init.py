"""`framehook models init`: from a file at hand to a folder that is checked and served."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import helper

from handlers.server.commands.cli import main
from lab.pictures import STREET
from models.repository.folder import BUILT_IN_ZOO, read_folder
from tests.support.client import ROOT
from tests.support.models.layouts import LAYOUTS, Layout, write_layout


@pytest.mark.parametrize(
    ("name", "picture", "shown"),
    [
        ("ssdlite-mobilenet-v2", STREET, "found person 0."),
        ("efficientnet-lite0", ROOT / "tests" / "data" / "coffee.jpg", "found espresso 0."),
        ("blazeface-back", ROOT / "tests" / "data" / "astronaut.jpg", "found class 0 0."),
    ],
)
def test_the_files_at_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, picture: Path, shown: str
) -> None:
    folder, weights = tmp_path / "mine", BUILT_IN_ZOO / name / "model.onnx"
    assert main(["models", "init", str(weights), str(folder), "--picture", str(picture)]) == 0
    said = capsys.readouterr().out
    assert shown in said
    assert "doubtful" not in said
    written, original = read_folder(folder), read_folder(BUILT_IN_ZOO / name)
    assert f"guess: family {original.config.family.name}" in said
    assert written.config.family == original.config.family
    assert written.config.input.size_wh == original.config.input.size_wh
    assert ("mean: [0.485, 0.456, 0.406]" in said) == (name == "efficientnet-lite0")
    assert len(written.labels) == len(original.labels)
    assert (written.config.licence, written.config.source) == ("", "")


def test_the_file_says_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Ultralytics' exporter writes it; the folder is named as the file, in the current one."""
    source = write_layout(tmp_path / "source", LAYOUTS["Ultralytics pose"])
    graph = onnx.load(source / "model.onnx")
    helper.set_model_props(graph, {"names": "{0: 'car', 1: 'person', 2: 'dog'}", "task": "pose"})
    onnx.save(graph, tmp_path / "yolo11n-pose.onnx")
    monkeypatch.chdir(tmp_path)
    assert main(["models", "init", "yolo11n-pose.onnx"]) == 0
    said = capsys.readouterr().out
    assert "guess: family yolov8, task: pose, 3 label(s)" in said
    assert "guess: labels of the file's metadata" in said
    assert "framehook serve --model-repository . --default-model yolo11n-pose" in said
    assert (tmp_path / "yolo11n-pose" / "labels.txt").read_text() == "car\nperson\ndog\n"
    assert main(["infer", str(STREET), "--model-repository", ".", "--model", "yolo11n-pose", "--format", "json"]) == 0
    [answer] = capsys.readouterr().out.splitlines()
    assert "keypoints" in json.loads(answer)["inferences"][0]["extensions"]


@pytest.mark.parametrize("name", ["mine.onnx.data", "mine.onnx_data", "mine.data"])
def test_numbers_beside_the_file_come_along(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    source = write_layout(tmp_path / "source", LAYOUTS["Ultralytics detect"])
    brought = tmp_path / "mine.onnx"
    onnx.save_model(
        onnx.load(source / "model.onnx"), brought, save_as_external_data=True, location=name, size_threshold=0
    )
    assert main(["models", "init", str(brought), str(tmp_path / "folder")]) == 0
    assert "found class 0 0.9" in capsys.readouterr().out
    assert (tmp_path / "folder" / name).is_file()


def test_an_encoder_is_brought(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_layout(tmp_path / "source", LAYOUTS["an encoder"])
    assert main(["models", "init", str(source / "model.onnx"), str(tmp_path / "mine")]) == 0
    said = capsys.readouterr().out
    assert "found a vector of 4 numbers" in said
    assert "doubtful" not in said


def test_labels_are_taken_from_a_data_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_layout(tmp_path / "source", LAYOUTS["Ultralytics detect"])
    (tmp_path / "data.yaml").write_text("names: [car, person, dog]")
    arguments = ["models", "init", str(source / "model.onnx"), str(tmp_path / "mine")]
    assert main([*arguments, "--labels", str(tmp_path / "data.yaml")]) == 0
    assert "data.yaml" in capsys.readouterr().out
    assert read_folder(tmp_path / "mine").labels == ("car", "person", "dog")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["gone.onnx"], "gone.onnx is not a file", id="no file"),
        pytest.param(["text.onnx"], "is not a model that onnxruntime", id="no model"),
        pytest.param(["my model.onnx"], "'my model' cannot name a model; name a FOLDER", id="a blank in the name"),
        pytest.param(["model.onnx", "taken"], "taken exists already", id="a folder that is there"),
        pytest.param(["model.onnx", "--picture", "gone.jpg"], "gone.jpg cannot be read", id="no picture"),
        pytest.param(["model.onnx", "--labels", "gone.txt"], "gone.txt is not a file that can be read", id="no labels"),
        pytest.param(["model.onnx", "mine", "--labels", "two.txt"], "There are 2 labels, with which no", id="labels"),
        pytest.param(["strange.onnx", "--labels", "two.txt"], "There are 2 labels, with which no", id="nothing fits"),
        pytest.param(["strange.onnx"], "No family reads such outputs: out int64 [1, 2, 3, 4, 5]", id="no family"),
    ],
)
def test_what_cannot_be_written_is_said_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    shutil.copy(
        write_layout(tmp_path / "source" / "known", LAYOUTS["YOLO-NAS"]) / "model.onnx", tmp_path / "model.onnx"
    )
    strange = Layout({"name": "ssd"}, lambda: {"out": np.zeros((1, 2, 3, 4, 5), np.int64)})
    shutil.copy(write_layout(tmp_path / "source" / "strange", strange) / "model.onnx", tmp_path / "strange.onnx")
    shutil.copy(tmp_path / "model.onnx", tmp_path / "my model.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    (tmp_path / "two.txt").write_text("a\nb")
    (tmp_path / "taken").mkdir()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["models", "init", *arguments]) == 1
    output = capsys.readouterr()
    assert message in output.err
    assert sorted(tmp_path.iterdir()) == before
    classes = 2 if "two.txt" in arguments else 80
    needed = f"with {classes} labels, yolov8: expected"
    assert (needed in output.out) == ("strange.onnx" in arguments)


def test_a_disk_that_is_full_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", fail)
    weights = BUILT_IN_ZOO / "blazeface-back" / "model.onnx"
    assert main(["models", "init", str(weights), str(tmp_path / "mine")]) == 1
    assert "mine cannot be written: No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_check_says_what_is_doubtful(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Swapped colours pass the golden picture; the boxes of another unit are seen by their size."""
    swapped = tmp_path / "swapped"
    shutil.copytree(BUILT_IN_ZOO / "blazeface-back", swapped)
    config = yaml.safe_load((swapped / "model.yaml").read_text())
    config["input"]["colour_order"] = "bgr"
    (swapped / "model.yaml").write_text(yaml.safe_dump(config))
    assert main(["check", str(swapped)]) == 0
    assert "doubtful: it comes closer to the expected results with input.colour_order: rgb." in capsys.readouterr().out
    shares = write_layout(tmp_path / "shares", LAYOUTS["Ultralytics RT-DETR"])
    shares_config = yaml.safe_load((shares / "model.yaml").read_text())
    shares_config["family"]["unit"] = "pixels"
    (shares / "model.yaml").write_text(yaml.safe_dump(shares_config))
    assert main(["check", str(shares), "--picture", str(STREET)]) == 0
    assert "doubtful: all boxes are tiny" in capsys.readouterr().out


def test_check_counts_what_vanishes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A YOLOX file with decoded boxes under the family whose boxes are not decoded: their sizes overflow."""
    rows = np.zeros((1, 2100, 8), np.float32)
    rows[0, :3] = [100, 100, 100, 100, 1, 0.9, 0, 0]
    folder = write_layout(tmp_path / "decoded", Layout({"name": "yolox"}, lambda: {"output": rows}))
    assert main(["check", str(folder), "--picture", str(STREET)]) == 0
    assert "doubtful: 3 candidate(s) were left out" in capsys.readouterr().out


def test_check_says_which_families_come_near(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_layout(tmp_path / "masks", LAYOUTS["Ultralytics segment"])
    config = yaml.safe_load((folder / "model.yaml").read_text())
    config["family"] = {"name": "yolov8"}
    (folder / "model.yaml").write_text(yaml.safe_dump(config))
    assert main(["check", str(folder)]) == 1
    assert "It looks like family yolov8, task: segment, 3 label(s)" in capsys.readouterr().err
