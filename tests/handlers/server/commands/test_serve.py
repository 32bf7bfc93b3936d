"""`framehook serve`, as a user runs it: its log, and how it ends."""

import errno
import json
import os
import re
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.errors import ConfigurationError
from handlers.server.settings import Settings
from handlers.server.wire.http_server import create_server
from lab.graphs import board, write_identity_model
from lab.pictures import encode
from tests.support.process import framehook, serving, wait_until_ready
from tests.support.waiting import PATIENCE_S, wait_for

UNKNOWN_PATH = "/nope\n\x1b[31m\u202e"


@dataclass(frozen=True, slots=True)
class Log:
    """The log of one service from its start to its end."""

    status: int
    text: str
    requests: dict[str, dict[str, Any]]
    """Name of a request → its log line."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """The log of a service that answers a few requests and is ended by SIGTERM."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    with serving("--model-repository", str(folder.parent), FRAMEHOOK_DEFAULT_MODEL="identity") as (process, port):
        wait_until_ready(port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
            client.post("/score", content=encode(board(1), "PNG"), headers={"x-ms-client-request-id": "camera-7"})
            client.post("/inference", content=encode(board(failure=True), "PNG"))
            client.post("/inference", content=b"", headers={"x-ms-client-request-id": 'a"b'})
            client.get("/nope%0a%1b%5b31m\u202e")
            client.get("/health/live")
        with socket.create_connection(("127.0.0.1", port)) as camera:
            camera.sendall(b"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
            time.sleep(0.2)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        _, text = process.communicate(timeout=PATIENCE_S)
    lines = [json.loads(line) for line in text.splitlines()]
    requests = [line for line in lines if line["message"] == "request" and line["path"] != "/health/ready"]
    names = ("score", "failed", "empty", "unknown", "live", "hung up")
    return Log(process.returncode, text, dict(zip(names, requests, strict=True)))


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("score", {"requestId": "camera-7", "operation": "score", "status": 200, "level": "info"}),
        ("score", {"model": "identity", "detections": 1, "dropped": 0}),
        ("failed", {"status": 500, "level": "error", "problem": "internal-error", "model": "identity"}),
        ("empty", {"status": 400, "problem": "undecodable-frame"}),
        ("unknown", {"operation": None, "status": 404, "path": UNKNOWN_PATH}),
        ("live", {"operation": "get_liveness"}),
        ("hung up", {"level": "info", "problem": "client-disconnected"}),
    ],
)
def test_a_request_is_logged_with_its_facts(log: Log, name: str, facts: dict[str, Any]) -> None:
    line = log.requests[name]
    assert {key: line[key] for key in facts} == facts


def test_a_frame_is_logged_with_its_stages(log: Log) -> None:
    score = log.requests["score"]
    assert list(score["stagesMs"]) == ["read", "queue", "decode", "preprocess", "run", "postprocess", "encode"]
    assert all(milliseconds >= 0 for milliseconds in score["stagesMs"].values())
    assert score["durationMs"] >= sum(score["stagesMs"].values()) * 0.9


def test_a_failure_is_logged_with_its_cause(log: Log) -> None:
    assert "Gather" in log.requests["failed"]["traceback"]


def test_a_request_has_one_line_and_an_id_of_its_own(log: Log) -> None:
    assert re.fullmatch(r"[0-9a-f-]{36}", log.requests["empty"]["requestId"])
    assert len([line for line in log.text.splitlines() if "/score" in line]) == 1
    assert len({line["requestId"] for line in log.requests.values()}) == len(log.requests)


def test_the_log_is_ascii_and_the_service_ends_on_sigterm(log: Log) -> None:
    assert log.status == 0
    assert log.text.isascii()


def test_a_full_disk_stops_the_log_and_nothing_else(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    with (
        Path("/dev/full").open("w", encoding="ascii") as full,
        serving("--model-repository", str(tmp_path), FRAMEHOOK_DEFAULT_MODEL="identity", log=full) as (process, port),
    ):
        wait_until_ready(port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
            frames = [encode(board(number), "PNG") for number in range(30)]
            assert {client.post("/inference", content=frame).status_code for frame in frames} == {200}
            wait_for(lambda: lost_lines(client) >= len(frames))  # lines are collected for a moment
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def test_a_log_that_nobody_reads_stops_the_log_and_nothing_else(tmp_path: Path) -> None:
    """The pipe is full after some two hundred requests, and what waits for it after two thousand more."""
    write_identity_model(tmp_path)
    arguments = ("--model-repository", str(tmp_path), "--default-model", "identity", "--drain-delay-s", "0.1")
    with serving(*arguments) as (process, port):
        wait_until_ready(port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client:
            long_path = "/" + "\u202e" * 200
            assert {client.get(long_path).status_code for _ in range(1500)} == {404}
            assert client.post("/inference", content=encode(board(1), "PNG")).status_code == 200
            assert lost_lines(client) > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0


def lost_lines(client: httpx.Client) -> float:
    [value] = re.findall(r"^framehook_log_lines_lost_total ([0-9.]+)$", client.get("/metrics").text, re.MULTILINE)
    return float(value)


def test_serve_ends_with_one_line_when_a_model_cannot_be_loaded(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    (folder / "model.onnx").write_bytes(b"<html>")
    with serving("--model-repository", str(tmp_path), "--default-model", "identity") as (process, _):
        _, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    [critical] = [line for line in map(json.loads, log.splitlines()) if line["level"] == "critical"]
    assert "model.onnx is not a model" in critical["message"]
    assert "traceback" not in critical


def test_serve_refuses_what_kubernetes_injects() -> None:
    run = framehook("serve", FRAMEHOOK_PORT="tcp://10.0.0.1:8080")
    assert run.returncode == 1
    assert "enableServiceLinks: false" in run.stderr


def test_serve_says_when_its_port_is_taken() -> None:
    """In one sentence, before it has loaded anything."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = framehook("serve", "--port", str(port))
    assert run.returncode == 1
    assert run.stderr == f"framehook: The port {port} is in use by another program; --port takes another one.\n"


@pytest.mark.parametrize(
    ("settings", "error", "sentence"),
    [
        ({"port": 80}, PermissionError(errno.EACCES, "x"), "The port 80 is for privileged users; --port takes one"),
        ({}, OSError(errno.ENOBUFS, "No buffer"), "The port 8080 on 127.0.0.1 cannot be opened: No buffer."),
        ({"host": "192.0.2.77"}, None, "192.0.2.77 is no address of this machine; --host 0.0.0.0 listens on all"),
        ({"host": "x" * 64}, None, "The host x+ is not known; --host takes an address of this machine"),
    ],
    ids=["privileged", "other", "not ours", "unknown"],
)
def test_why_a_port_cannot_be_opened_is_said(
    settings: dict[str, Any], error: OSError | None, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error  # type: ignore[misc]  # one of the rows

    if error:
        monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ConfigurationError, match=sentence):
        create_server(Settings(**settings), None)


def test_the_port_is_open_on_every_address_of_the_host() -> None:
    server = create_server(Settings(host="localhost", port=0), None)
    assert all(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for listener in server.listeners)
    for listener in server.listeners:
        listener.close()


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({}, r"http://127\.0\.0\.1:\d+/"),
        ({"host": "localhost", "tls_self_signed": True}, r"https://localhost:\d+/"),
        ({"host": "::1"}, r"http://\[::1\]:\d+/"),
        ({"host": "0.0.0.0"}, r"http://(?!0\.0\.0\.0)[\d.]+:\d+/"),
    ],
    ids=["loopback", "TLS", "IPv6", "all addresses"],
)
def test_the_address_is_one_that_a_person_can_open(settings: dict[str, Any], address: str) -> None:
    server = create_server(Settings(port=0, **settings), None)
    assert re.fullmatch(address, server.address)
    for listener in server.listeners:
        listener.close()


def test_on_a_terminal_the_start_ends_with_the_address(tmp_path: Path) -> None:
    """And Ctrl-C stops it."""
    folder = write_identity_model(tmp_path)
    ours, its = os.openpty()
    with serving("--model-repository", str(folder.parent), "--drain-delay-s", "0.1", log=its) as (process, port):
        os.close(its)
        said = ""
        while "(Ctrl-C to stop)" not in said:
            said += os.read(ours, 65536).decode()
        last = said.splitlines()[-1]
        assert last == f"framehook is ready: open http://127.0.0.1:{port}/ (Ctrl-C to stop)"
        assert '"message": "ready"' in said.splitlines()[-2]
        assert httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=PATIENCE_S).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
    os.close(ours)
