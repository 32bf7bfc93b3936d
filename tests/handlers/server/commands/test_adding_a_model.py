"""docs/adding-a-model.md, followed by somebody with weights from a YOLO exporter."""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from PIL import Image

from lab.graphs import write_yolo_weights
from lab.pictures import STREET, encode
from tests.support.client import ROOT
from tests.support.models.matching import flat
from tests.support.process import FRAMEHOOK, framehook, serving, wait_until_ready
from tests.support.waiting import PATIENCE_S, PROGRAM_S

DOCUMENT = (ROOT / "docs" / "adding-a-model.md").read_text(encoding="utf-8")
CLASSES = 80
NAMES = ["forklift", *(f"thing {number}" for number in range(1, CLASSES))]
SERVE = ["scripts/serve"]


def blocks(language: str) -> list[str]:
    """Return the document's blocks of that language."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


MODEL_YAML = blocks("yaml")[0]
CONFIG: dict[str, Any] = yaml.safe_load(MODEL_YAML)
COMMANDS = [shlex.split(line) for text in blocks("sh") for line in text.splitlines()]
INIT, PREPARE = ["framehook", "models", "init"], ["framehook", "prepare"]


def write_forklifts(root: Path, labels: list[str] | None = None) -> Path:
    """Follow the document, and return the folder: its model.yaml, and weights that match it."""
    folder = root / "my-models" / "forklifts"
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text(MODEL_YAML)
    (folder / CONFIG["labels"]).write_text("\n".join(labels or NAMES))
    side, _ = CONFIG["input"]["size_wh"]
    [expected] = CONFIG["golden"]["expect"]
    left, top, width, height = (edge * side for edge in expected["box_ltwh"])
    columns = np.zeros((4 + CLASSES, 40), np.float32)
    columns[:5, 7] = left + width / 2, top + height / 2, width, height, expected["confidence"]
    write_yolo_weights(folder / CONFIG["weights"]["file"], side, columns)
    (folder / CONFIG["golden"]["picture"]).write_bytes(encode(Image.new("RGB", (side, side)), "JPEG"))
    (root / "photo.jpg").write_bytes(STREET.read_bytes())
    return folder


@pytest.mark.parametrize("command", [line for line in COMMANDS if line[:1] != SERVE], ids=" ".join)
def test_the_commands_of_the_document_answer(tmp_path: Path, command: list[str]) -> None:
    folder = write_forklifts(tmp_path)
    if command[:3] == INIT:  # somebody has no more than the weights and the labels
        shutil.move(folder / "model.onnx", tmp_path / "forklifts.onnx")
        shutil.move(folder / "labels.txt", tmp_path)
        shutil.rmtree(folder)
    if command[:2] == PREPARE:
        (tmp_path / "prepared").mkdir()
    known = {**os.environ, "PATH": f"{FRAMEHOOK.parent}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=PROGRAM_S, check=False, env=known
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "forklift" in run.stdout


def test_the_example_is_served_and_a_second_folder_dropped_in(tmp_path: Path) -> None:
    """With the options that the document gives scripts/serve."""
    folder = write_forklifts(tmp_path)
    [options] = [line[1:] for line in COMMANDS if line[:1] == SERVE]
    with serving(*(str(tmp_path / word) if word == "my-models" else word for word in options)) as (_, port):
        wait_until_ready(port)
        url = f"http://127.0.0.1:{port}/inference"
        golden = (folder / "golden.jpg").read_bytes()
        [found] = flat(httpx.post(url, content=golden, timeout=PATIENCE_S).json())
        [expected] = CONFIG["golden"]["expect"]
        assert found["label"] == expected["label"]
        assert [found[edge] for edge in "ltwh"] == pytest.approx(expected["box_ltwh"], abs=1e-5)
        time.sleep(1)  # the watch begins once all models are loaded
        write_forklifts(tmp_path / "elsewhere").rename(tmp_path / "my-models" / "pallets")
        deadline, pallets = time.monotonic() + PATIENCE_S, f"{url}/pallets"
        while (answer := httpx.post(pallets, content=golden, timeout=PATIENCE_S)).status_code != httpx.codes.OK:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)
        assert flat(answer.json()) == [found]


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        pytest.param(
            lambda folder: (folder / "labels.txt").write_text("forklift\nperson"),
            r"family yolov8 with 2 label\(s\): .* got float32 \[1, 84, 40\]\. It looks like family yolov8, 80 label",
            id="too few labels",
        ),
        pytest.param(lambda folder: (folder / "labels.txt").unlink(), r"labels\.txt is not a file", id="no labels"),
        pytest.param(lambda folder: (folder / "golden.jpg").unlink(), r"golden\.jpg is not a file", id="no picture"),
        pytest.param(
            lambda folder: folder.rename(folder.with_name("lifts")), "There is no folder .*forklifts", id="renamed"
        ),
        pytest.param(
            lambda folder: (folder / "model.yaml").rename(folder / "model.yml"),
            r"No model in .*forklifts: expected at least one folder with a model\.yaml",
            id="no model.yaml",
        ),
        pytest.param(
            lambda folder: (folder / "model.yaml").write_text(MODEL_YAML.replace("yolov8", "yolov5")),
            r"family yolov5 with 80 label\(s\): expected output output0 to be float32 \[any, any, 85\]",
            id="another family",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, mistake: Any, message: str) -> None:
    folder = write_forklifts(tmp_path)
    mistake(folder)
    run = framehook("check", folder)
    assert run.returncode == 1
    assert re.fullmatch(f"framehook: .*{message}.*\n", run.stderr)


def test_infer_gives_the_numbers_that_the_golden_picture_wants(tmp_path: Path) -> None:
    folder = write_forklifts(tmp_path)
    run = framehook("infer", folder / "golden.jpg", "--model-repository", folder.parent, "--format", "json")
    [found] = flat(json.loads(run.stdout))
    expected = {
        "label": found["label"],
        "confidence": found["confidence"],
        "box_ltwh": [found[edge] for edge in "ltwh"],
    }
    config = {**CONFIG, "golden": {"picture": "golden.jpg", "expect": [expected]}}
    (folder / "model.yaml").write_text(yaml.safe_dump(config))
    assert framehook("check", folder).returncode == 0
