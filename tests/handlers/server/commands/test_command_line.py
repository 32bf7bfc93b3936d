"""The command line, as a user runs it."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from handlers.server.commands.cli import main
from handlers.server.commands.options import SECRETS
from handlers.server.settings import Settings
from lab.graphs import board, write_failing_model, write_identity_model, write_small_detector
from lab.pictures import STREET, blank, encode
from tests.support.client import ROOT
from tests.support.models.chains import planted_boxes, write_then
from tests.support.models.matching import flat
from tests.support.process import FRAMEHOOK, framehook
from tests.support.waiting import PATIENCE_S


def test_infer_gives_the_servers_answer(server: Any) -> None:
    run = framehook("infer", STREET, "--format", "json")
    assert run.returncode == 0
    assert run.stderr == ""
    [answer] = map(json.loads, run.stdout.splitlines())
    assert answer.pop("file") == str(STREET)
    assert answer == server.client.post("/inference", content=STREET.read_bytes()).json()


def test_infer_takes_many_files_and_shows_its_progress(tmp_path: Path) -> None:
    empty, missing = tmp_path / "empty.png", tmp_path / "missing.png"
    empty.write_bytes(blank())
    files = (STREET, empty, missing, ROOT / "pyproject.toml")
    run = framehook("infer", *files, "--object", "car", "--max-detections", "1", "--format", "json")
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
        ([], 2, "usage: framehook"),
        (["nonsense"], 2, "nonsense"),
        (["infr"], 2, "did you mean infer?"),
        (["models", "pul"], 2, "did you mean pull?"),
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
        (["check", "pyproject.toml"], 1, "pyproject.toml is a file; expected the folder of a model, which `framehook"),
        (["check", "/nonexistent"], 1, "There is no folder /nonexistent."),
    ],
)
def test_wrong_calls_are_explained_in_one_line(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments) == status
    assert message in capsys.readouterr().err


def call(*arguments: str) -> int | str | None:
    """Call the command line in this process, which takes no start; return its exit status."""
    try:
        return main(arguments)
    except SystemExit as end:
        return end.code


def test_models_prints_the_records_that_the_service_serves(server: Any) -> None:
    run = framehook("models", "--format", "json")
    assert [json.loads(line) for line in run.stdout.splitlines()] == server.client.get("/models").json()["models"]


def test_a_table_of_models_is_short_and_the_data_are_whole(server: Any) -> None:
    served = server.client.get("/models").json()["models"]
    table = framehook("models").stdout.splitlines()
    assert table[0].split() == ["name", "family", "input", "licence", "labels"]
    assert max(map(len, table)) < 120
    assert "1000: tench, goldfish, great white shark, ..." in table[2]
    rows = list(csv.DictReader(framehook("models", "--format", "csv").stdout.splitlines()))
    assert [row["labels"].split(",") for row in rows if row["name"] != "efficientnet-lite0"] == [
        model["labels"] for model in served if model["name"] != "efficientnet-lite0"
    ]


def test_the_version_is_that_of_the_package() -> None:
    run = framehook("--version")
    assert (run.returncode, run.stdout) == (0, f"framehook {version('framehook')}\n")


def test_the_only_model_of_a_repository_is_the_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_identity_model(tmp_path, "mine")
    assert main(["check", "--model-repository", str(tmp_path)]) == 0
    assert "ok: mine" in capsys.readouterr().out
    assert main(["models", "--model-repository", str(tmp_path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["aliases"] == ["ipcam-general"]
    assert main(["check", "--model-repository", str(tmp_path), "--default-model", "other"]) == 1
    write_identity_model(tmp_path, "second")
    assert main(["check", "--model-repository", str(tmp_path)]) == 1, "nobody knows which one"


def test_what_check_finds_out_is_data_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_identity_model(tmp_path)
    assert main(["check", str(folder), "--format", "json"]) == 0
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert (record["model"], record["labels"], record["accuracy"]) == ("identity", 2, None)
    assert 0 < record["runMs"] <= record["frameMs"]
    assert "(family ssd, 2 labels, " in printed.err, "what is for people goes elsewhere"
    assert main(["check", str(folder), "--format", "csv"]) == 0
    [row] = csv.DictReader(capsys.readouterr().out.splitlines())
    assert (row["model"], row["golden"], row["doubts"]) == ("identity", "False", "")


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
    "infer": {"--model-repository", "--model ", "--lanes", "--max-pixels", "--config", "--annotate", "--format"},
    "models": {"--model-repository", "--models", "--default-model", "--config", "--format"},
    "models init": {"--labels", "--picture"},
    "models pull": {"--model-repository", "--model-mirror", "--from", "--overwrite", "--no-check", "--config"},
    "check": {
        "--evaluate",
        "--thresholds",
        "--plot",
        "--format",
        "--model-repository",
        "--config",
        "--picture",
    },
    "prepare": {"OUTPUT_FOLDER"},
    "credentials add": {"--password", "--may", "--models", "--file"},
    "serve": {"--port", "--queue-size", "--max-body-bytes", "--config"},
}
FOREIGN = {
    "infer": {"--port", "--models ", "--queue-size", "--decoding", "--max-body-bytes", "--wide-lane"},
    "models": {"--port", "--lanes", "--decoding"},
    "models init": {"--config", "--max-pixels", "--lanes"},
    "models pull": {"--port", "--models ", "--lanes"},
    "check": {"--port", "--lanes", "--max-pixels", "--tls-certificate"},
    "prepare": {"--port", "--config", "--model-repository"},
    "credentials add": {"--port", "--lanes", "--config"},
}
"""Settings that do not belong into the help text of a command."""


@pytest.mark.parametrize("command", OPTIONS)
def test_help_lists_the_options_of_the_command_and_no_others(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*command.split(), "--help") == 0
    text = capsys.readouterr().out
    assert [option for option in OPTIONS[command] if option not in text] == []
    assert [option for option in FOREIGN.get(command, ()) if option in text] == []


def test_serve_lists_every_setting_but_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("serve", "--help") == 0
    text = capsys.readouterr().out
    shown = {option.replace("-", "_") for option in re.findall(r"^  --([a-z0-9-]+)", text, re.MULTILINE)}
    assert shown == set(Settings.model_fields) - SECRETS | {"config"}


def test_it_runs_from_any_folder(tmp_path: Path) -> None:
    run = subprocess.run(
        [FRAMEHOOK, "infer", STREET, "--format", "json"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert flat(json.loads(run.stdout))


def test_infer_tells_the_cause_of_a_failure_of_the_model(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    picture = tmp_path / "fails.png"
    picture.write_bytes(encode(board(failure=True), "PNG"))
    run = framehook("infer", picture, "--model-repository", tmp_path, "--format", "json")
    assert run.returncode == 1
    assert json.loads(run.stdout)["error"] == "The model failed on this frame."
    assert "Gather" in run.stderr


def test_infer_waits_for_no_pipe_and_reads_no_giant(tmp_path: Path) -> None:
    pipe, giant = tmp_path / "pipe", tmp_path / "giant.bmp"
    os.mkfifo(pipe)
    with giant.open("wb") as file:
        file.truncate(5 * 2**30)
    run = framehook("infer", pipe, giant, "/dev/null", tmp_path, "--format", "json")
    errors = [json.loads(line)["error"] for line in run.stdout.splitlines()]
    no_file = "The file cannot be read or written: no such file, or not a regular one."
    too_large = "The file is larger than the limit of 33554432 bytes; FRAMEHOOK_MAX_BODY_BYTES raises it."
    assert errors == [no_file, too_large, no_file, too_large], "the last is of the folder, where the pipe is no picture"


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
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in errors


def test_infer_annotates_and_overwrites_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    for expected in ("street-boxes.jpg", "street-boxes-2.jpg"):
        run = framehook("infer", STREET, "--annotate", folder, "--format", "json")
        assert json.loads(run.stdout)["annotated"] == str(folder / expected)
        with Image.open(folder / expected) as picture:
            assert picture.size == (768, 576)


def test_infer_says_when_it_cannot_write() -> None:
    run = framehook("infer", STREET, "--annotate", "/proc/nowhere", "--format", "json")
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
    run = framehook("prepare", tmp_path, tmp_path / "prepared", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "framehook: Preparing a model needs onnx: scripts/setup prepare.\n"


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{model: identity, thresholds: {block: 0.6, '*': 0.7}}", "ok: settings of 1 stream(s)"),
        ("{model: identiti}", "yard.yaml: model: no such model; the models are: identity, ipcam-general."),
        ("{thresholds: {blok: 0.6}}", "yard.yaml: thresholds: no model for this stream has the label blok."),
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
