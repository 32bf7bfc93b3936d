"""How the service stops, and what it survives."""

import json
import re
import signal
import socket
import subprocess
import sys
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
from tests.support.waiting import PATIENCE_S, wait_for

FRAME = encode(board(7), "PNG")
POST = b"POST /inference HTTP/1.1\r\nHost: x\r\n"


WITH_TIME_TO_REST = """
import sys
from handlers.server.commands.cli import main
from handlers.server.wire import http_protocol, http_server
http_protocol.SHUTDOWN_REST_S = http_server.SHUTDOWN_REST_S = 10.0
sys.argv = sys.argv[1:]
sys.exit(main())
"""
"""A framehook that takes what is on its way for longer: a busy machine may take long to parse 25 requests."""


@contextmanager
def identity(folder: Path, *arguments: str, **options: Any) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the service with the identity model; it is ready when the block begins.

    The times for shutdown, for a request to arrive, and for a frame are longer than anybody waits: who takes them is
    noticed.
    """
    write_identity_model(folder)
    model = ("--model-repository", str(folder), "--default-model", "identity")
    times = (f"--{name}-timeout-s={2 * PATIENCE_S}" for name in ("shutdown", "receive", "queue", "run"))
    with serving(*model, *times, *arguments, **options) as (process, port):
        wait_until_ready(port)
        yield process, port


def ended(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Wait until the process has ended, and return the lines of its log."""
    _, log = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in log
    return [json.loads(line) for line in log.splitlines()]


def status(port: int) -> dict[str, Any]:
    """Return how the service is doing."""
    return dict(httpx.get(f"http://127.0.0.1:{port}/status", timeout=PATIENCE_S).json())


def begin_draining(process: subprocess.Popen[str], port: int) -> None:
    """Send SIGTERM, and wait until the service is no longer ready."""
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: not status(port)["ready"])


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_stops_cleanly_on_a_signal(stop: signal.Signals, tmp_path: Path) -> None:
    with identity(tmp_path) as (process, _):
        process.send_signal(stop)
        ended(process)
    assert process.returncode == 0


def test_readiness_turns_false_first(tmp_path: Path) -> None:
    delay = ("--drain-delay-s", "10")  # the machine may be busy
    with identity(tmp_path, *delay) as (process, port), httpx.Client(timeout=PATIENCE_S) as client:
        url = f"http://127.0.0.1:{port}"
        assert client.get(f"{url}/health/live").status_code == 200
        begin_draining(process, port)
        assert client.get(f"{url}/health/live").status_code == 200
        ready, frame = client.get(f"{url}/health/ready"), client.post(f"{url}/inference", content=FRAME)
        assert (ready.status_code, frame.status_code) == (503, 200)
        assert ready.json()["type"] == "urn:framehook:draining"
        assert ready.headers["connection"] == frame.headers["connection"] == "close"
        ended(process)
    assert process.returncode == 0


def test_what_was_on_its_way_when_the_port_was_closed_is_answered(tmp_path: Path) -> None:
    """Frames on connections that nobody had accepted yet, and on those that were idle."""
    delay_s, slowly = 4, (sys.executable, "-c", WITH_TIME_TO_REST)
    settings = ("--drain-delay-s", str(delay_s), "--queue-size", "99")
    with identity(tmp_path, *settings, wrapper=slowly) as (process, port), ExitStack() as stack:

        def connect() -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))

        idle = [connect() for _ in range(5)]
        begin_draining(process, port)
        process.send_signal(signal.SIGSTOP)
        time.sleep(delay_s)
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
        ended(process)
    assert process.returncode == 0


def test_frames_in_flight_are_answered_and_a_half_sent_body_delays_nobody(tmp_path: Path) -> None:
    answers: list[int] = []
    slow = encode(board(7, work=work_for(0.5)), "PNG")

    def post() -> None:
        answer = httpx.post(f"http://127.0.0.1:{port}/inference", content=slow, timeout=PATIENCE_S)
        answers.append(number_in(answer.json()["inferences"][0]["entity"]["box"]))

    with identity(tmp_path, "--lanes", "1", "--drain-delay-s", "0") as (process, port):
        callers = [threading.Thread(target=post) for _ in range(3)]
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as half:
            half.sendall(POST + b"Content-Length: 9\r\n\r\nhalf")
            for caller in callers:
                caller.start()
            wait_for(lambda: len(answers) + in_flight(port) == len(callers))
            process.send_signal(signal.SIGTERM)
            assert statuses(half.recv(65536)) == (503,)
        ended(process)
        for caller in callers:
            caller.join()
    assert answers == [7, 7, 7]
    assert process.returncode == 0


def in_flight(port: int) -> int:
    """Return how many frames run or wait."""
    now = status(port)
    return int(now["framesRunning"] + now["queueDepth"])


def test_a_frame_that_takes_too_long_is_refused_at_the_end(tmp_path: Path) -> None:
    statuses_: list[int] = []

    def post(body: bytes) -> None:
        answer = httpx.post(f"http://127.0.0.1:{port}/inference", content=body, timeout=PATIENCE_S)
        statuses_.append(answer.status_code)

    settings = ("--lanes", "1", "--drain-delay-s", "0", "--shutdown-timeout-s", "1")
    with identity(tmp_path, *settings) as (process, port):
        endless = encode(board(work=ENDLESS), "PNG")
        callers = [threading.Thread(target=post, args=(body,)) for body in (endless, FRAME)]
        for number, caller in enumerate(callers, 1):
            caller.start()
            wait_for(lambda number=number: in_flight(port) == number)  # type: ignore[misc]
        process.send_signal(signal.SIGTERM)
        ended(process)
        for caller in callers:
            caller.join()
    assert statuses_ == [503, 503]
    assert process.returncode == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with identity(tmp_path, "--drain-delay-s", str(2 * PATIENCE_S)) as (process, port):
        begin_draining(process, port)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        ended(process)
    assert process.returncode == -signal.SIGTERM


def test_it_outlives_its_terminal(tmp_path: Path) -> None:
    with identity(tmp_path) as (process, port):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=PATIENCE_S).status_code == 200
        process.send_signal(signal.SIGTERM)
        ended(process)


@pytest.mark.parametrize("max_connections", [None, "1000"], ids=["by default", "more than there are files"])
def test_it_recovers_when_there_were_no_file_descriptors_left(tmp_path: Path, max_connections: str | None) -> None:
    """300 clients at once, with 128 open files allowed: the log stays short, and the next frame is answered."""
    options = ("--max-connections", max_connections) if max_connections else ()
    few_files = ("sh", "-c", 'ulimit -S -n 128 && exec "$0" "$@"')
    with identity(tmp_path, *options, wrapper=few_files) as (process, port):
        with ExitStack() as crowd:
            for _ in range(300):
                crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))
            time.sleep(1)
        wait_for(lambda: _post(port) == 200)
        process.send_signal(signal.SIGTERM)
        log = ended(process)
    assert process.returncode == 0
    assert len([line for line in log if not re.search("health|inference", str(line.get("path")))]) < 330


def _post(port: int) -> int | str:
    try:
        return httpx.post(f"http://127.0.0.1:{port}/inference", content=FRAME).status_code
    except httpx.TransportError as error:
        return repr(error)
