"""How the service stops, and what it survives."""

import json
import re
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.graphs import ENDLESS, board, number_in, work_for, write_identity_model
from lab.pictures import encode
from lab.wire import read_to_end, statuses
from tests.support.process import serving, wait_until_ready
from tests.support.waiting import PATIENCE_S

FRAME = encode(board(7), "PNG")
POST = b"POST /inference HTTP/1.1\r\nHost: x\r\n"


@contextmanager
def identity(folder: Path, *arguments: str, **options: Any) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the service with the identity model; it is ready when the block begins.

    The time for shutdown is longer than anybody waits: who takes it is noticed.
    """
    write_identity_model(folder)
    model = ("--model-repository", str(folder), "--default-model", "identity")
    with serving(*model, "--shutdown-timeout-s", str(2 * PATIENCE_S), *arguments, **options) as (process, port):
        wait_until_ready(port)
        yield process, port


def ended(process: subprocess.Popen[str], within_s: float = PATIENCE_S) -> list[dict[str, Any]]:
    """Wait until the process has ended, and return the lines of its log."""
    _, log = process.communicate(timeout=within_s)
    assert "Traceback" not in log
    return [json.loads(line) for line in log.splitlines()]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_stops_cleanly_on_a_signal(stop: signal.Signals, tmp_path: Path) -> None:
    with identity(tmp_path) as (process, _):
        process.send_signal(stop)
        ended(process)
    assert process.returncode == 0


def test_readiness_turns_false_first(tmp_path: Path) -> None:
    with identity(tmp_path, "--drain-delay-s", "1") as (process, port), httpx.Client() as client:
        url = f"http://127.0.0.1:{port}"
        assert client.get(f"{url}/health/live").status_code == 200
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert client.get(f"{url}/health/live").status_code == 200
        ready, frame = client.get(f"{url}/health/ready"), client.post(f"{url}/inference", content=FRAME)
        assert (ready.status_code, frame.status_code) == (503, 200)
        assert ready.json()["type"] == "urn:framehook:draining"
        assert ready.headers["connection"] == frame.headers["connection"] == "close"
        ended(process)
    assert process.returncode == 0


def test_what_was_on_its_way_when_the_port_was_closed_is_answered(tmp_path: Path) -> None:
    """Frames on connections that nobody had accepted yet, and on those that were idle."""
    with identity(tmp_path, "--drain-delay-s", "0.5", "--queue-size", "99") as (process, port), ExitStack() as stack:

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))

        idle = [connect() for _ in range(5)]
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        callers = [*idle, *(connect() for _ in range(20))]
        for caller in callers:
            caller.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(FRAME) + FRAME)
        process.send_signal(signal.SIGCONT)
        assert {statuses(read_to_end(caller)) for caller in callers} == {(200,)}
        ended(process)
    assert process.returncode == 0


def test_a_half_sent_head_delays_nobody(tmp_path: Path) -> None:
    with identity(tmp_path, "--drain-delay-s", "0") as (process, port):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as half:
            half.sendall(POST)
            process.send_signal(signal.SIGTERM)
            assert statuses(read_to_end(half)) == (408,)
        ended(process, within_s=5)
    assert process.returncode == 0


def test_frames_in_flight_are_answered_and_a_half_sent_body_delays_nobody(tmp_path: Path) -> None:
    answers: list[int] = []
    slow = encode(board(7, work=work_for(0.5)), "PNG")

    def post() -> None:
        answer = httpx.post(f"http://127.0.0.1:{port}/inference", content=slow, timeout=30)
        answers.append(number_in(answer.json()["inferences"][0]["entity"]["box"]))

    with identity(tmp_path, "--lanes", "1", "--drain-delay-s", "0", "--queue-timeout-s", "9") as (process, port):
        callers = [threading.Thread(target=post) for _ in range(3)]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as half:
            half.sendall(POST + b"Content-Length: 9\r\n\r\nhalf")
            for caller in callers:
                caller.start()
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            started_at = time.monotonic()
            assert statuses(half.recv(65536)) == (503,)
        ended(process)
        assert time.monotonic() - started_at < 9  # a body may take 10 s to arrive
        for caller in callers:
            caller.join()
    assert answers == [7, 7, 7]
    assert process.returncode == 0


def test_a_frame_that_takes_too_long_is_refused_at_the_end(tmp_path: Path) -> None:
    statuses_: list[int] = []

    def post(body: bytes) -> None:
        statuses_.append(httpx.post(f"http://127.0.0.1:{port}/inference", content=body, timeout=30).status_code)

    settings = ("--lanes", "1", "--drain-delay-s", "0", "--shutdown-timeout-s", "1", "--queue-timeout-s", "9")
    with identity(tmp_path, *settings) as (process, port):
        endless = encode(board(work=ENDLESS), "PNG")
        callers = [threading.Thread(target=post, args=(body,)) for body in (endless, FRAME)]
        for caller in callers:
            caller.start()
            time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        ended(process, within_s=8)
        for caller in callers:
            caller.join()
    assert statuses_ == [503, 503]
    assert process.returncode == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with identity(tmp_path, "--drain-delay-s", str(2 * PATIENCE_S)) as (process, _):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        ended(process)
    assert process.returncode == -signal.SIGTERM


def test_it_outlives_its_terminal(tmp_path: Path) -> None:
    with identity(tmp_path) as (process, port):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
        process.send_signal(signal.SIGTERM)
        ended(process)


@pytest.mark.parametrize("max_connections", [None, "1000"], ids=["by default", "more than there are files"])
def test_it_recovers_when_there_were_no_file_descriptors_left(tmp_path: Path, max_connections: str | None) -> None:
    """300 clients at once, with 128 open files allowed: the log stays short, and the next frame is answered."""
    options = ("--max-connections", max_connections) if max_connections else ()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, before[1]))
    try:
        context = identity(tmp_path, *options)
        process, port = context.__enter__()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with ExitStack() as stack:
        stack.push(context.__exit__)
        with ExitStack() as crowd:
            for _ in range(300):
                crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            time.sleep(1)
        deadline = time.monotonic() + PATIENCE_S
        while (status := _post(port)) != 200:
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        log = ended(process)
    assert process.returncode == 0
    assert len([line for line in log if not re.search("health|inference", str(line.get("path")))]) < 330


def _post(port: int) -> int | str:
    try:
        return httpx.post(f"http://127.0.0.1:{port}/inference", content=FRAME).status_code
    except httpx.TransportError as error:
        return repr(error)
