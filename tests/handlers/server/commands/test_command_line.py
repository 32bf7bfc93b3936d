"""The command line, as a user runs it."""

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from handlers.server.commands.options import SECRETS
from handlers.server.settings import Settings
from lab.graphs import board, write_failing_model, write_identity_model, write_small_detector
from lab.pictures import STREET, blank, encode
from tests.support.client import ROOT
from tests.support.models.chains import planted_boxes, write_then
from tests.support.models.matching import flat
from tests.support.process import FRAMEHOOK, framehook


def test_infer_gives_the_servers_answer(server: Any) -> None:
    run = framehook("infer", STREET)
    assert run.returncode == 0
    assert run.stderr == ""
    [answer] = map(json.loads, run.stdout.splitlines())
    assert answer.pop("file") == str(STREET)
    assert answer == server.client.post("/inference", content=STREET.read_bytes()).json()


def test_infer_takes_many_files_and_shows_its_progress(tmp_path: Path) -> None:
    empty, missing = tmp_path / "empty.png", tmp_path / "missing.png"
    empty.write_bytes(blank())
    run = framehook(
        "infer", STREET, empty, missing, ROOT / "pyproject.toml", "--object", "car", "--max-detections", "1"
    )
    street, nothing, unread, undecodable = map(json.loads, run.stdout.splitlines())
    assert [found["label"] for found in flat(street)] == ["car"]
    assert nothing["inferences"] == []
    assert "cannot be read or written" in unread["error"]
    assert "not a JPEG, PNG, WebP or BMP" in undecodable["error"]
    assert run.returncode == 1
    assert "4/4" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["infer", "x.jpg", "--confidence", "nan"], 2, "--confidence: expected a number from 0 to 1"),
        (["infer", "x.jpg", "--confidence", "1.5"], 2, "--confidence"),
        (["infer", "x.jpg", "--max-detections", "0"], 2, "--max-detections: expected a whole number from 1 to 1000"),
        (["infer", "x.jpg", "--confidence", "0_1"], 2, "--confidence: expected a number from 0 to 1"),
        (["infer", "x.jpg", "--max-detections", "1001"], 2, "--max-detections: expected a whole number from 1 to 1000"),
        (["infer"], 2, "FILE"),
        (["nonsense"], 2, "nonsense"),
        (["serve", "--prot", "1"], 2, "--prot"),
        (["serve", "--por", "1"], 2, "--por"),
        (["serve", "--port", "x"], 1, "option --port"),
        (["infer", "x.jpg", "--object", "unicorn"], 1, "its labels are: person"),
        (
            ["infer", "x.jpg", "--model", "nope"],
            1,
            "No model named nope; there are: blazeface-back, efficient",
        ),
        (["check", "--model-repository", "/nonexistent"], 1, "/nonexistent cannot be read: No such file"),
        (["prepare", "x"], 2, "OUTPUT_FOLDER"),
        (["prepare", "/nonexistent", "y"], 1, "/nonexistent cannot be read: No such file"),
        (["prepare", str(ROOT), "y", "--port", "1"], 2, "--port"),
        (["check", "--default-model", "nope"], 1, "The setting default_model must be one of"),
    ],
)
def test_wrong_calls_are_explained_in_one_line(arguments: list[str], status: int, message: str) -> None:
    run = framehook(*arguments)
    assert run.returncode == status
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_models_prints_the_records_that_the_service_serves(server: Any) -> None:
    run = framehook("models")
    assert [json.loads(line) for line in run.stdout.splitlines()] == server.client.get("/models").json()["models"]


def test_check_tells_what_a_model_is_and_finds(tmp_path: Path) -> None:
    one = framehook("check", ROOT / "models" / "zoo" / "ssdlite-mobilenet-v2", "--picture", STREET)
    assert "family ssd, 80 labels, 300 x 300, on cpu: images_nhwc uint8 [N, 300, 300, 3]; boxes float32" in one.stdout
    assert re.search(r"found person 0\.\d\d, .*; [\d.]+ ms a frame, [\d.]+ of it the run", one.stdout)
    write_identity_model(tmp_path, "mine")
    repository = framehook("check", tmp_path)
    assert "ok: mine (family ssd" in repository.stdout
    assert "1 model(s)" in repository.stdout
    for picture, complaint in (
        (tmp_path, "not a regular one"),
        (ROOT / "README.md", "not a JPEG, PNG, WebP or BMP picture"),
    ):
        refused = framehook("check", "--picture", picture)
        assert refused.returncode == 1
        assert complaint in refused.stderr
        assert "Traceback" not in refused.stderr


def test_check_loads_and_warms_every_model(tmp_path: Path) -> None:
    assert "ok: ssdlite-mobilenet-v2" in framehook("check").stdout
    folder = write_identity_model(tmp_path)
    repository = ["--model-repository", str(tmp_path), "--default-model", "identity"]
    assert framehook("check", *repository).returncode == 0
    (folder / "model.onnx").write_bytes(b"rubbish")
    broken = framehook("check", *repository)
    assert broken.returncode == 1
    assert re.fullmatch(r"framehook: .*model\.onnx is not a model that onnxruntime [\d.]+ can load.*\n", broken.stderr)
    write_failing_model(tmp_path, "identity2")
    (folder / "model.onnx").unlink()
    (folder / "model.yaml").unlink()
    failing = framehook("check", "--model-repository", str(tmp_path), "--default-model", "identity2")
    assert failing.returncode == 1
    assert re.fullmatch(r"framehook: .*model\.onnx failed on a warm-up frame: .*Gather.*\n", failing.stderr)


def test_check_tries_chained_models(tmp_path: Path) -> None:
    identity = write_identity_model(tmp_path)
    things = write_then(planted_boxes(tmp_path, [(0, 0, 1, 1)]), "{model: identity, labels: [thing]}")
    checked = framehook("check", things)
    assert "    then identity, for thing\n    found thing 0.99 (identity: block 0.90);" in checked.stdout
    assert "1 model(s)" in checked.stdout
    shutil.copy(write_failing_model(tmp_path) / "model.onnx", identity)
    failing = framehook("check", things)
    assert failing.returncode == 1
    assert "identity/model.onnx failed on a warm-up frame" in failing.stderr


OPTIONS = {
    "infer": {"--model-repository", "--default-model", "--decoding", "--max-pixels", "--config", "--annotate"},
    "models": {"--model-repository", "--models", "--default-model", "--config"},
    "models pull": {"--model-repository", "--model-mirror", "--from", "--overwrite", "--no-check", "--config"},
    "check": {
        "--evaluate",
        "--thresholds",
        "--plot",
        "--port",
        "--credentials-file",
        "--tls-certificate",
        "--queue-size",
        "--config",
        "--picture",
    },
    "prepare": {"OUTPUT_FOLDER"},
    "credentials add": {"--password", "--may", "--models", "--file"},
    "serve": {"--port", "--queue-size", "--max-body-bytes", "--config"},
}
FOREIGN = {
    "infer": {"--port", "--models ", "--queue-size", "--tls-certificate", "--credentials-file"},
    "models": {"--port", "--lanes", "--decoding"},
    "models pull": {"--port", "--models ", "--lanes"},
    "prepare": {"--port", "--config", "--model-repository"},
    "credentials add": {"--port", "--lanes", "--config"},
}
"""Settings that a command neither uses nor accepts."""


@pytest.mark.parametrize("command", OPTIONS)
def test_help_lists_the_options_of_the_command_and_no_others(command: str) -> None:
    text = framehook(*command.split(), "--help").stdout
    assert [option for option in OPTIONS[command] if option not in text] == []
    assert [option for option in FOREIGN.get(command, ()) if option in text] == []


def test_serve_lists_every_setting_but_secrets() -> None:
    text = framehook("serve", "--help").stdout
    shown = {option.replace("-", "_") for option in re.findall(r"^  --([a-z0-9-]+)", text, re.MULTILINE)}
    assert shown == set(Settings.model_fields) - SECRETS | {"config"}


def test_it_runs_from_any_folder(tmp_path: Path) -> None:
    run = subprocess.run([FRAMEHOOK, "infer", STREET], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert flat(json.loads(run.stdout))


def test_infer_tells_the_cause_of_a_failure_of_the_model(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    picture = tmp_path / "fails.png"
    picture.write_bytes(encode(board(failure=True), "PNG"))
    run = framehook("infer", picture, "--model-repository", str(tmp_path), "--default-model", "identity")
    assert run.returncode == 1
    assert json.loads(run.stdout)["error"] == "The model failed on this frame."
    assert "Gather" in run.stderr


def test_infer_waits_for_no_pipe_and_reads_no_giant(tmp_path: Path) -> None:
    pipe, giant = tmp_path / "pipe", tmp_path / "giant.bmp"
    os.mkfifo(pipe)
    with giant.open("wb") as file:
        file.truncate(5 * 2**30)
    run = framehook("infer", pipe, giant, "/dev/null", tmp_path)
    errors = [json.loads(line)["error"] for line in run.stdout.splitlines()]
    assert errors == [
        "The file cannot be read or written: no such file, or not a regular one.",
        "The file is larger than the limit of 33554432 bytes.",
        "The file cannot be read or written: no such file, or not a regular one.",
        "The file is larger than the limit of 33554432 bytes.",  # of the folder, where the pipe is no picture
    ]


def test_infer_ends_quietly_when_its_reader_leaves() -> None:
    with subprocess.Popen(
        [FRAMEHOOK, "infer", *([STREET] * 8)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


def test_infer_ends_quietly_on_ctrl_c() -> None:
    with subprocess.Popen(
        [FRAMEHOOK, "infer", *([STREET] * 500)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in errors


def test_infer_annotates_and_overwrites_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    for expected in ("street-boxes.jpg", "street-boxes-2.jpg"):
        run = framehook("infer", STREET, "--annotate", folder)
        assert json.loads(run.stdout)["annotated"] == str(folder / expected)
        with Image.open(folder / expected) as picture:
            assert picture.size == (768, 576)


def test_infer_says_when_it_cannot_write() -> None:
    run = framehook("infer", STREET, "--annotate", "/proc/nowhere")
    assert run.returncode == 1
    assert "cannot be read or written" in json.loads(run.stdout)["error"]


def test_prepare_writes_a_folder_that_serves(tmp_path: Path) -> None:
    source = write_small_detector(tmp_path, quantised=True)
    run = framehook("prepare", source, tmp_path / "made" / ".." / "prepared")
    assert run.returncode == 1
    assert "cannot be written" in run.stderr
    run = framehook("prepare", source, tmp_path / "prepared")
    assert (run.returncode, run.stderr) == (0, "")
    done, alike = run.stdout.splitlines()
    assert done.endswith("takes uint8 pixels, takes them as quantised already, gives logits")
    assert re.search(r"largest difference of a confidence or corner is \d", alike)
    served = framehook("check", "--model-repository", tmp_path, "--default-model", "prepared")
    assert "ok: prepared (family ssd, 2 labels, 64 x 64, on cpu: images_nhwc uint8" in served.stdout


def test_prepare_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "onnx.py").write_text("raise ImportError('not installed')")
    run = framehook("prepare", tmp_path, tmp_path / "prepared", PYTHONPATH=str(tmp_path))
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "framehook: Preparing a model needs onnx: pip install 'framehook[prepare]'.\n"


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{model: identity, thresholds: {block: 0.6, '*': 0.7}}", "ok: settings of 1 stream(s)"),
        ("{model: identiti}", "yard.yaml: model: no such model; the models are: identity, ipcam-general."),
        ("{thresholds: {blok: 0.6}}", "yard.yaml: thresholds.blok: no model for this stream has such a label."),
        ("{motion: {refresh: 5}}", "yard.yaml: motion.refresh: no such key."),
    ],
)
def test_check_reads_the_settings_of_streams(tmp_path: Path, document: str, sentence: str) -> None:
    write_identity_model(tmp_path / "models")
    (tmp_path / "streams").mkdir()
    (tmp_path / "streams" / "yard.yaml").write_text(document)
    options: list[str | Path] = ["--model-repository", tmp_path / "models", "--default-model", "identity"]
    run = framehook("check", "--streams", tmp_path / "streams", *options)
    assert sentence in run.stdout + run.stderr
    assert run.returncode == (0 if sentence.startswith("ok") else 1)
