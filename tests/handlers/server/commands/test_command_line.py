"""The command line, as a user runs it."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support.client import ROOT
from tests.support.graphs import board, write_failing_model, write_identity_model, write_small_detector
from tests.support.matching import flat
from tests.support.pictures import STREET, blank, encode
from tests.support.process import FRAMEHOOK, framehook, serving, wait_until_ready


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
    assert "not a JPEG, PNG or BMP" in undecodable["error"]
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
        (["check", "--model-repository", "/nonexistent"], 1, "No model in /nonexistent"),
        (["prepare", "x"], 2, "OUTPUT_FOLDER"),
        (["prepare", "/nonexistent", "y"], 1, "/nonexistent/model.yaml is not a file"),
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
    for picture, complaint in ((tmp_path, "not a regular one"), (ROOT / "README.md", "not a JPEG, PNG or BMP picture")):
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


def test_help_names_every_setting() -> None:
    text = framehook("serve", "--help").stdout
    for option in ("--port", "--queue-size", "--max-body-bytes", "--config"):
        assert option in text


def test_serve_logs_one_json_line_a_request_and_ends_on_sigterm(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    with serving("--model-repository", str(tmp_path), FRAMEHOOK_DEFAULT_MODEL="identity") as (process, port):
        wait_until_ready(port)
        url = f"http://127.0.0.1:{port}"
        header = {"x-ms-client-request-id": "camera-7"}
        httpx.post(f"{url}/score", content=encode(board(1), "PNG"), headers=header)
        httpx.post(f"{url}/inference", content=encode(board(failure=True), "PNG"))
        httpx.post(f"{url}/inference", content=b"", headers={"x-ms-client-request-id": 'a"b'})
        httpx.get(f"{url}/nope%0a%1b%5b31m\u202e")
        httpx.get(f"{url}/health/live")
        with socket.create_connection(("127.0.0.1", port)) as camera:
            camera.sendall(b"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
            time.sleep(0.2)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert log.isascii()
    lines = [json.loads(line) for line in log.splitlines()]
    requests = [line for line in lines if line["message"] == "request" and line["path"] != "/health/ready"]
    score, failed, empty, unknown, live, hung_up = requests
    assert (score["requestId"], score["operation"], score["status"]) == ("camera-7", "score", 200)
    assert (score["model"], score["detections"], score["dropped"], score["level"]) == ("identity", 1, 0, "info")
    assert list(score["stagesMs"]) == ["read", "queue", "decode", "preprocess", "run", "postprocess", "encode"]
    assert all(milliseconds >= 0 for milliseconds in score["stagesMs"].values())
    assert score["durationMs"] >= sum(score["stagesMs"].values()) * 0.9
    assert (failed["status"], failed["level"], failed["problem"]) == (500, "error", "internal-error")
    assert failed["model"] == "identity"
    assert "Gather" in failed["traceback"]
    assert (empty["status"], empty["problem"]) == (400, "undecodable-frame")
    assert re.fullmatch(r"[0-9a-f-]{36}", empty["requestId"])
    assert (unknown["operation"], unknown["status"], unknown["path"]) == (None, 404, "/nope\n\x1b[31m\u202e")
    assert live["operation"] == "get_liveness"
    assert (hung_up["level"], hung_up["problem"]) == ("info", "client-disconnected")
    assert len([line for line in log.splitlines() if "/score" in line]) == 1
    assert len({line["requestId"] for line in requests}) == len(requests)


def test_a_full_disk_stops_the_log_and_nothing_else(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    with (
        Path("/dev/full").open("w", encoding="ascii") as full,
        serving("--model-repository", str(tmp_path), FRAMEHOOK_DEFAULT_MODEL="identity", log=full) as (process, port),
    ):
        wait_until_ready(port)
        url = f"http://127.0.0.1:{port}"
        answers = [httpx.post(f"{url}/inference", content=encode(board(number), "PNG")) for number in range(30)]
        assert {answer.status_code for answer in answers} == {200}
        [lost] = re.findall(
            r"^framehook_log_lines_lost_total ([0-9.]+)$", httpx.get(f"{url}/metrics").text, re.MULTILINE
        )
        assert float(lost) >= len(answers)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_serve_ends_with_one_line_when_a_model_cannot_be_loaded(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    (folder / "model.onnx").write_bytes(b"<html>")
    with serving("--model-repository", str(tmp_path), "--default-model", "identity") as (process, _):
        _, log = process.communicate(timeout=30)
    assert process.returncode == 1
    [critical] = [line for line in map(json.loads, log.splitlines()) if line["level"] == "critical"]
    assert "model.onnx is not a model" in critical["message"]
    assert "traceback" not in critical


def test_serve_refuses_what_kubernetes_injects() -> None:
    run = framehook("serve", FRAMEHOOK_PORT="tcp://10.0.0.1:8080")
    assert run.returncode == 1
    assert "enableServiceLinks: false" in run.stderr


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
    run = framehook("infer", pipe, giant, tmp_path)
    errors = [json.loads(line)["error"] for line in run.stdout.splitlines()]
    assert errors == [
        "The file cannot be read or written: no such file, or not a regular one.",
        "The file is larger than the limit of 33554432 bytes.",
        "The file cannot be read or written: no such file, or not a regular one.",
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


def test_serve_says_when_its_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = framehook("serve", "--port", str(taken.getsockname()[1]))
    assert run.returncode == 1
    assert "address already in use" in run.stderr
    assert "Traceback" not in run.stderr


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
