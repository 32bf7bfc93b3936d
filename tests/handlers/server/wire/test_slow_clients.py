"""Slow or silent clients: each loses its connection in time, and the others notice nothing."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from handlers.server.wire import cycles, http_server
from handlers.server.wire.connections import SEND_BUFFER_BYTES
from handlers.server.wire.progress import MAX_CHUNKS
from lab.graphs import board, write_identity_model
from lab.pictures import encode, street_as
from lab.wire import connect, read_answer, read_to_end, statuses, talk
from tests.support.metrics import samples
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S, wait_for

TIMEOUT_S = 1.0
KEEP_ALIVE_S = 6.0
"""Longer than httpx keeps an idle connection: it never uses one that the service is just closing."""
LATE_S = 10.0
FRAME = encode(board(7), "PNG")
POST = b"POST /inference HTTP/1.1\r\nHost: x\r\n"
WHOLE = POST + b"Content-Length: %d\r\n\r\n" % len(FRAME) + FRAME
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service with short deadlines."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    limits = {"receive_timeout_s": TIMEOUT_S, "min_body_bytes_per_s": 10_000}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(http_server, "KEEP_ALIVE_S", KEEP_ALIVE_S)
        with serving(folder, lanes=1, **limits) as live:
            yield live


@pytest.fixture(autouse=True)
def _others_are_served(strict: LiveServer) -> Iterator[None]:
    """Post good frames over one connection during the block: each is answered within seconds."""
    done = threading.Event()
    taken_s: list[float] = []
    answers: list[tuple[int, ...]] = []

    def post() -> None:
        connection = connect(strict.port, WHOLE)  # in one piece, so that a pause of this machine is none of the client
        answered_at = started_at = time.monotonic()
        while True:
            answers.append(statuses(read_answer(connection)))
            answered_at = time.monotonic()
            taken_s.append(answered_at - started_at)
            if done.wait(0.05):
                break
            started_at = time.monotonic()
            if started_at - answered_at > KEEP_ALIVE_S / 2:
                connection.close()
                connection = connect(strict.port)
            connection.sendall(WHOLE)
        connection.close()

    poster = threading.Thread(target=post)
    poster.start()
    yield
    done.set()
    poster.join()
    assert set(answers) == {(200,)}
    assert max(taken_s) < LATE_S


def trickle(connection: socket.socket, piece: bytes, every_s: float) -> Callable[[], None]:
    """Send a piece repeatedly until the connection is closed; return a function that waits for that."""

    def send() -> None:
        try:
            while True:
                connection.sendall(piece)
                time.sleep(every_s)
        except OSError:
            pass

    thread = threading.Thread(target=send)
    thread.start()
    return thread.join


def write_on(connection: socket.socket, seconds: float) -> None:
    """Send a byte from time to time; raises ConnectionError if the connection is closed meanwhile."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        connection.sendall(b"x")
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("sent", "piece", "answer"),
    [
        pytest.param(b"", b"", (), id="silent"),
        pytest.param(LIVE, b"X: y\r\n", (408,), id="slow head"),
        pytest.param(b"GET /", b"x", (408,), id="slow target"),
        pytest.param(POST + b"Content-Length: 90000\r\n\r\n", b"x", (408,), id="slow body"),
        pytest.param(POST + b"Content-Length: 90000\r\n\r\n", b"", (408,), id="silent body"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", (408,), id="slow chunks"),
        pytest.param(POST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n", b"", (100, 408), id="after 100"),
        pytest.param(LIVE + b"Content-Length: 90000\r\n\r\n", b"x", (200,), id="body that nobody reads"),
        pytest.param(LIVE + b"\r\nGET /", b"x", (200, 408), id="slow second head"),
        pytest.param(
            POST + b"Content-Encoding: gzip\r\nContent-Length: 90000\r\n\r\n", b"x", (415,), id="after a refusal"
        ),
    ],
)
def test_what_does_not_arrive_in_time_ends(strict: LiveServer, sent: bytes, piece: bytes, answer: tuple[int]) -> None:
    started_at = time.monotonic()
    with connect(strict.port, sent) as connection:
        wait = trickle(connection, piece, every_s=0.1) if piece else (lambda: None)
        received = read_to_end(connection)
        taken_s = time.monotonic() - started_at
        connection.close()
        wait()
    assert statuses(received) == answer
    assert TIMEOUT_S * 0.9 < taken_s < TIMEOUT_S + LATE_S


def test_a_steady_body_may_take_longer(strict: LiveServer) -> None:
    padded = FRAME + bytes(1_000_000)  # so much at a time that it may pause for seconds
    with connect(strict.port, POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(padded)) as connection:
        for start in range(0, len(padded), 100_000):
            connection.sendall(padded[start : start + 100_000])
            time.sleep(0.15)
        assert statuses(read_to_end(connection)) == (200,)


def test_an_idle_connection_is_kept_for_a_while(strict: LiveServer) -> None:
    with connect(strict.port, LIVE + b"\r\n") as connection:
        assert statuses(read_answer(connection)) == (200,)
        time.sleep(TIMEOUT_S * 2)
        started_at = time.monotonic()
        connection.sendall(LIVE + b"\r\n")
        assert statuses(read_answer(connection)) == (200,)
        assert read_to_end(connection) == b""
        assert KEEP_ALIVE_S * 0.9 < time.monotonic() - started_at < KEEP_ALIVE_S + LATE_S


CHUNK = b"10000\r\n%s\r\n" % bytes(1 << 16)


def test_a_client_that_still_sends_gets_the_answer_that_ends_its_connection(
    identity: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FFmpeg gives up at a connection that is reset while it writes; others would lose the answer."""
    monkeypatch.setattr(cycles, "LINGER_S", PATIENCE_S)
    with connect(identity.port, POST + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n") as connection:
        assert statuses(read_to_end(connection)) == (415,)
        for _ in range(8):
            connection.sendall(CHUNK)
            time.sleep(0.02)
        connection.sendall(b"0\r\n\r\n")
        assert connection.recv(1) == b"", "the connection was reset"


def test_a_client_that_never_ends_its_body_loses_its_connection(strict: LiveServer) -> None:
    with connect(strict.port, POST + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n") as connection:
        assert statuses(read_to_end(connection)) == (415,)
        trickle(connection, CHUNK, every_s=0.01)()
    wait_for(lambda: samples(strict)["framehook_bytes_in_flight",] == 0)  # others post frames meanwhile


@pytest.mark.parametrize("then", [b"\r\n", b"x" * 9], ids=["an empty line", "the body of what was refused"])
def test_what_follows_an_answer_does_not_keep_the_connection(strict: LiveServer, then: bytes) -> None:
    sent = LIVE + b"\r\n" if then == b"\r\n" else POST + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n"
    with connect(strict.port, sent) as connection:
        assert statuses(connection.recv(65536)) in {(200,), (415,)}
        connection.sendall(then)
        started_at = time.monotonic()
        assert statuses(read_to_end(connection)) in {(), (408,)}
        assert time.monotonic() - started_at < KEEP_ALIVE_S + LATE_S


def test_a_steady_reader_may_take_longer(strict: LiveServer) -> None:
    wait_for(lambda: reads_steadily(strict))


def reads_steadily(strict: LiveServer) -> bool:
    """Read an answer in small pieces, which must be whole; return False if the busy machine made the reader pause."""
    with connect(strict.port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        connection.sendall(b"GET /ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        started_at, read_at, received, longest_pause_s = time.monotonic(), time.monotonic(), 0, 0.0
        with suppress(ConnectionError):
            while data := connection.recv(40_000):
                received += len(data)
                longest_pause_s, read_at = max(longest_pause_s, time.monotonic() - read_at), time.monotonic()
                time.sleep(0.05)
    if longest_pause_s > TIMEOUT_S / 2:
        return False
    assert time.monotonic() - started_at > TIMEOUT_S
    assert received > 1_000_000
    return True


def test_a_client_that_does_not_read_loses_its_connection(strict: LiveServer) -> None:
    """Eleven megabytes are requested and never read: more than the buffers between client and server can hold."""
    with connect(strict.port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        started_at = time.monotonic()
        connection.sendall(b"GET /ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
        with pytest.raises(ConnectionError):
            write_on(connection, TIMEOUT_S + 2 * LATE_S)
    assert time.monotonic() - started_at > TIMEOUT_S


def test_the_kernel_keeps_nothing_of_a_connection_that_was_given_up(strict: LiveServer) -> None:
    """What comes after that is what the client's own kernel had."""
    with not_taking(strict, b"GET /ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 8) as connection:
        wait_for(lambda: samples(strict)["framehook_bytes_in_flight",] < 1_000)
        assert len(read_to_end(connection)) < SEND_BUFFER_BYTES


def not_taking(strict: LiveServer, sent: bytes) -> socket.socket:
    """Return a connection that takes little of its answers, once they are in flight.

    On a busy machine the service may have given it up before that is seen: then there is another one.
    """
    for _ in range(5):
        connection = connect(strict.port)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(sent)
        looked_until = time.monotonic() + LATE_S
        while time.monotonic() < looked_until:
            if samples(strict)["framehook_bytes_in_flight",] > 100_000:
                return connection
            time.sleep(0.02)
        connection.close()
    pytest.fail("no answer was ever in flight")


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such limit")
def test_the_kernel_gives_up_an_answer_that_nobody_takes(strict: LiveServer) -> None:
    """One that it has whole, so that the service has closed the connection."""
    photo = street_as("JPEG")
    annotated = strict.client.post("/annotate", content=photo).content
    assert 65_536 < len(annotated) < SEND_BUFFER_BYTES
    with connect(strict.port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"POST /annotate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(photo)}\r\n\r\n"
        connection.sendall(head.encode() + photo)
        time.sleep(2 * TIMEOUT_S + LATE_S)
        assert len(read_to_end(connection)) < len(annotated)


def test_who_takes_an_answer_too_slowly_loses_the_connection(strict: LiveServer) -> None:
    """Also one who takes some of it again and again, and has asked for more behind it."""
    strict.limit_send_buffers(4096)
    with not_taking(strict, b"GET /ui/swagger-ui-bundle.js.map HTTP/1.1\r\nHost: x\r\n\r\n" * 8) as connection:
        done = threading.Event()

        def take_slowly() -> None:
            with suppress(OSError):
                while not done.is_set() and connection.recv(300):
                    time.sleep(0.05)

        taking = threading.Thread(target=take_slowly)
        taking.start()
        try:
            wait_for(lambda: samples(strict)["framehook_bytes_in_flight",] < 1_000)
        finally:
            done.set()
            taking.join()


def test_answers_that_nobody_takes_are_in_flight_and_open_no_file(strict: LiveServer) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(not_taking(strict, b"GET /ui/swagger-ui-bundle.js.map HTTP/1.1\r\nHost: x\r\n\r\n" * 8))
        assert not [name for name in open_files() if "swagger" in name]
    wait_for(lambda: samples(strict)["framehook_bytes_in_flight",] < 1_000)


def open_files() -> Iterator[str]:
    """Yield what this process has open."""
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(link)  # noqa: PTH115  # the target is no path


def test_who_takes_no_answers_leaves_room_for_others(tmp_path: Path) -> None:
    """Twenty connections of one address ask for more than all bytes that may be in flight, and read nothing."""
    max_bytes = 8 << 20
    with (
        serving(write_identity_model(tmp_path), lanes=1, max_bytes_in_flight=max_bytes, max_body_bytes=1 << 20) as live,
        ExitStack() as stack,
    ):
        live.limit_send_buffers(4096)
        for _ in range(20):
            greedy = stack.enter_context(socket.create_connection(("127.0.0.1", live.port), 10, ("127.0.0.2", 0)))
            greedy.sendall(b"GET /ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 6)
        wait_for(lambda: samples(live)["framehook_bytes_in_flight",] > max_bytes / 4)
        for _ in range(5):
            assert live.client.post("/inference", content=FRAME).status_code == 200
            assert samples(live)["framehook_bytes_in_flight",] <= max_bytes * 3 / 4
            time.sleep(0.1)


@pytest.mark.parametrize(
    "endless", [b"0\r\nX: " + b"y" * 300_000, b"5;" + b"y" * 300_000, b"0\r\n" + b"X: y\r\n" * 50_000]
)
@pytest.mark.parametrize("offer", [b"", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"], ids=["plain", "behind an offer"])
def test_what_is_no_part_of_the_body_is_bounded(identity: LiveServer, endless: bytes, offer: bytes) -> None:
    with connect(identity.port, POST + offer + b"Transfer-Encoding: chunked\r\n\r\n") as connection:
        with suppress(ConnectionError):
            for start in range(0, len(endless), 20_000):
                connection.sendall(endless[start : start + 20_000])
                time.sleep(0.01)
        assert statuses(read_to_end(connection)) == (400,)


def test_chunks_of_a_body_are_bounded(identity: LiveServer) -> None:
    received = talk(identity.port, POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * (MAX_CHUNKS + 1))
    assert statuses(received) == (400,)
    assert b"more than 65536 chunks" in received


@pytest.mark.parametrize(
    "request_", [LIVE + b"\r\n", POST + b"Content-Length: %d\r\n\r\n" % len(FRAME) + FRAME], ids=["probes", "frames"]
)
def test_pipelines_are_bounded(identity: LiveServer, request_: bytes) -> None:
    with connect(identity.port, request_ * 500) as connection:
        answers = statuses(read_to_end(connection))
    assert set(answers) <= {200, 503}
    assert len(answers) < 100


def test_slow_clients_hold_no_place(strict: LiveServer) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(connect(strict.port, POST + b"Content-Length: 90000\r\n\r\nx"))
        time.sleep(0.2)
        looks = [samples(strict) for _ in range(5)]
    held = [now["framehook_queue_depth",] + now["framehook_frames_in_flight",] for now in looks]
    assert min(held) <= 1, "one may be the good client's; it may begin to run in the middle of a look"


def test_a_refusal_without_a_request_is_logged_and_counted(
    strict: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    before = samples(strict).get(("framehook_requests_total", "431", "none"), 0)
    with connect(strict.port, LIVE + b"X: " + b"y" * 70_000 + b"\r\n\r\n") as connection:
        assert statuses(read_to_end(connection)) == (431,)
    wait_for(lambda: samples(strict).get(("framehook_requests_total", "431", "none"), 0) == before + 1)
    [logged] = [facts for record in caplog.records if (facts := getattr(record, "facts", {})).get("status") == 431]
    assert logged["path"] is None
    assert logged["detail"] == "The head of the request is too large."
