"""Requests that are refused before they cost anything, and the same service right afterwards."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.server.middleware.logs import JsonFormatter
from lab import wire
from lab.graphs import board, number_in, work_for, write_failing_model, write_identity_model
from lab.pictures import encode
from lab.wire import read_answer, read_to_end
from models.runtime.engine import Engine
from tests.support.server import LiveServer, running, serving
from tests.support.waiting import PATIENCE_S

MAX_BODY_BYTES = 100_000
BODY_TIMEOUT_S = 1
ARRIVAL_S = 0.2
FRAME = encode(board(7), "PNG")
SLOW_FRAME = encode(board(1, work=work_for(1.5)), "PNG")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service with small limits: one lane, one place in the queue."""
    with serving(
        write_identity_model(tmp_path_factory.mktemp("repository")),
        lanes=1,
        queue_size=1,
        queue_timeout_s=PATIENCE_S,
        max_body_bytes=MAX_BODY_BYTES,
        max_bytes_in_flight=150_000,
        max_pixels=500_000,
    ) as live:
        yield live


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[LiveServer]:
    """A service that waits for a body only shortly."""
    with serving(write_identity_model(tmp_path), receive_timeout_s=BODY_TIMEOUT_S) as live:
        yield live


@pytest.fixture(autouse=True)
def _serves_on(small: LiveServer) -> Iterator[None]:
    """After each abuse a good frame gets its right answer, once the frames before it are done."""
    yield
    started_at = time.monotonic()
    while (answer := small.client.post("/inference", content=FRAME)).status_code == 503:
        time.sleep(0.02)
        assert time.monotonic() - started_at < PATIENCE_S
    [inference] = answer.json()["inferences"]
    assert number_in(inference["entity"]["box"]) == 7


def connect(server: LiveServer, *, path: str = "/inference", headers: str) -> socket.socket:
    return wire.connect(server.port, f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())


@pytest.mark.parametrize("path", ["/inference", "/inference/identity", "/score", "/models", "/nope"])
def test_a_declared_length_over_the_limit_is_refused_unread(small: LiveServer, path: str) -> None:
    with connect(small, path=path, headers=f"Content-Length: {10**10}") as connection:
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_a_declared_length_over_the_limit_is_refused_under_expect(small: LiveServer) -> None:
    with connect(small, headers=f"Expect: 100-continue\r\nContent-Length: {MAX_BODY_BYTES + 1}") as connection:
        assert read_to_end(connection).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/inference", "Content-Encoding: gzip", 415),
        ("/inference", "Content-Type: rubbish", 400),
        ("/inference?confidence=2", "Content-Type: image/png", 400),
        ("/inference/nope", "Content-Type: image/png", 404),
        ("/models", "Content-Type: image/png", 405),
    ],
)
def test_a_refusal_under_expect_asks_for_no_body_and_hangs_up(
    small: LiveServer, path: str, headers: str, status: int
) -> None:
    with connect(small, path=path, headers=f"{headers}\r\nExpect: 100-continue\r\nContent-Length: 9") as connection:
        answer = read_to_end(connection)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"connection: close" in answer.lower()


def test_chunks_over_the_limit_are_refused_and_the_connection_is_closed(small: LiveServer) -> None:
    with connect(small, headers="Transfer-Encoding: chunked") as connection:
        chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
        for _ in range(MAX_BODY_BYTES // 0x4000 + 1):
            connection.sendall(chunk)
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_the_byte_limit_is_exact(small: LiveServer) -> None:
    padded = FRAME + b"\0" * (MAX_BODY_BYTES - len(FRAME))
    assert small.client.post("/inference", content=padded).status_code == 200
    assert small.client.post("/inference", content=padded + b"\0").status_code == 413


def test_refused_chunks_close_the_connection(small: LiveServer) -> None:
    headers = "Content-Encoding: gzip\r\nTransfer-Encoding: chunked"
    with connect(small, headers=headers) as connection:
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b"connection: close" in answer.lower()


def test_a_refusal_with_a_known_length_keeps_the_connection(small: LiveServer) -> None:
    body = b"x" * 1000
    headers = f"Content-Encoding: gzip\r\nContent-Length: {len(body)}"
    with connect(small, headers=headers) as connection:
        connection.sendall(body)
        assert read_answer(connection).startswith(b"HTTP/1.1 415 ")
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_stops_half_way_is_timed_out(impatient: LiveServer) -> None:
    started_at = time.monotonic()
    with connect(impatient, headers=f"Content-Length: {len(FRAME)}") as connection:
        connection.sendall(FRAME[:20])
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
    assert BODY_TIMEOUT_S * 0.9 < time.monotonic() - started_at < BODY_TIMEOUT_S + PATIENCE_S


def test_a_caller_that_hangs_up_half_way_harms_nobody(small: LiveServer) -> None:
    for _ in range(20):
        with connect(small, headers=f"Content-Length: {MAX_BODY_BYTES}") as connection:
            connection.sendall(FRAME[:20])


def test_a_full_queue_refuses_at_once_with_retry_after(small: LiveServer) -> None:
    with small.busy(jobs=2):  # one runs and one waits
        answer = small.client.post("/inference", content=FRAME)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


def test_too_many_bytes_in_flight_are_refused(small: LiveServer) -> None:
    with connect(small, headers=f"Content-Length: {MAX_BODY_BYTES}") as connection:
        connection.sendall(bytes(MAX_BODY_BYTES - 1))
        time.sleep(0.2)
        answer = small.client.post("/inference", content=FRAME + b"\0" * 60_000)
        assert answer.status_code == 503
        assert "being received at once" in answer.json()["detail"]
        chunks = iter([FRAME, b"\0" * 60_000])
        assert small.client.post("/inference", content=chunks).status_code == 503
        assert small.client.post("/inference", content=FRAME).status_code == 200


def test_who_declares_much_and_sends_little_keeps_nobody_out(small: LiveServer) -> None:
    with connect(small, headers=f"Content-Length: {MAX_BODY_BYTES}") as connection:
        connection.sendall(b"x")
        time.sleep(0.2)
        assert small.client.post("/inference", content=FRAME + b"\0" * 60_000).status_code == 200


def test_a_full_service_refuses_before_the_body_has_arrived(small: LiveServer) -> None:
    with small.busy(jobs=2):
        for path in ("/inference", "/inference/identity"):  # at the socket, and by admission
            with connect(small, path=path, headers="Content-Length: 1000") as connection:  # and sends none of it
                answer = connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 503 ")
        assert small.client.post("/inference/nope", content=FRAME).status_code == 404


@pytest.mark.parametrize(
    ("headers", "frame", "status"),
    [({}, FRAME, 200), ({"Content-Type": "text/plain"}, b"", 415), ({"Content-Encoding": "gzip"}, FRAME, 415)],
    ids=["answered", "no picture", "compressed"],
)
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_bytes_in_flight_are_given_back(
    small: LiveServer, headers: dict[str, str], frame: bytes, status: int, framing: str
) -> None:
    padded = frame + b"\0" * (MAX_BODY_BYTES - len(frame))
    for _ in range(3):
        body = padded if framing == "length" else iter([padded])
        answer = small.client.post("/inference", content=body, headers=headers)
        assert answer.status_code == status


def test_callers_that_hung_up_hold_no_bytes(small: LiveServer) -> None:
    for _ in range(3):
        with connect(small, headers=f"Content-Length: {MAX_BODY_BYTES}") as connection:
            connection.sendall(FRAME[:20])
        time.sleep(ARRIVAL_S)
    padded = FRAME + b"\0" * (MAX_BODY_BYTES - len(FRAME))
    assert small.client.post("/inference", content=padded).status_code == 200


def test_probes_answer_while_every_lane_is_busy(small: LiveServer) -> None:
    with small.busy():
        for path in ("/health/live", "/health/ready", "/models"):
            assert small.client.get(path).status_code == 200


def test_ready_only_after_every_model_answered_a_frame(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    write_failing_model(tmp_path, "last")  # models load in the order of their names: this one after the other
    gave_up = threading.Event()
    with running(
        model_repository=tmp_path, default_model="identity", wait_until_ready=False, give_up=gave_up.set
    ) as live:
        assert gave_up.wait(PATIENCE_S)
        assert live.client.get("/health/live").json() == {"status": "live"}
        for answer in (live.client.get("/health/ready"), live.client.post("/inference/last", content=FRAME)):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert answer.json()["type"] == "urn:framehook:not-ready"
        assert len(live.client.get("/models").json()["models"]) == 2


def test_an_unforeseen_failure_to_load_ends_the_service_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_identity_model(tmp_path)
    monkeypatch.setattr(Engine, "load", lambda *_, **__: 1 / 0)
    gave_up = threading.Event()
    with running(
        model_repository=tmp_path, default_model="identity", wait_until_ready=False, give_up=gave_up.set
    ) as live:
        assert gave_up.wait(PATIENCE_S)
        assert live.client.get("/health/ready").status_code == 503
    [critical] = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert "ZeroDivisionError" in JsonFormatter().format(critical)
