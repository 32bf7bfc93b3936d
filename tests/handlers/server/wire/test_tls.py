"""HTTPS on the wire: which clients are admitted, and that TLS allows nothing that plain HTTP forbids."""

import logging
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import trustme

from lab.graphs import board, number_in, work_for, write_identity_model
from lab.pictures import encode
from lab.wire import connect, connect_encrypted, read_answer, read_to_end, statuses
from tests.support.certificates import issue, trusting, write, write_authority
from tests.support.metrics import samples
from tests.support.process import serving as process_serving
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S, TRIES, wait_for

TIMEOUT_S = 1.0
LATE_S = 10.0
MAX_CONNECTIONS = 12
SEND_BUFFER_BYTES = 32 << 10
"""Small, so that an answer of 1.4 MB stays in the service until it is read."""
FRAME = encode(board(7), "PNG")
POST = b"POST /inference HTTP/1.1\r\nHost: x\r\n"
WHOLE = POST + b"Content-Length: %d\r\n\r\n" % len(FRAME) + FRAME
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
STATUS = b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BUNDLE = b"GET /ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n"
CLIENT_HELLO_HALF = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def live(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """An HTTPS service with few connections, one lane and no queue."""
    folder = tmp_path_factory.mktemp("live")
    limits = {"lanes": 1, "queue_size": 0, "max_connections": MAX_CONNECTIONS}
    files = write(issue(ca), folder)
    with serving(write_identity_model(folder / "models"), trusted=trusting(ca), **limits, **files) as server:
        yield server


@pytest.fixture(scope="module")
def strict(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """An HTTPS service with short deadlines."""
    folder = tmp_path_factory.mktemp("strict")
    limits = {"receive_timeout_s": TIMEOUT_S, "min_body_bytes_per_s": 10_000}
    files = write(issue(ca), folder)
    with serving(write_identity_model(folder / "models"), lanes=1, trusted=trusting(ca), **limits, **files) as server:
        server.limit_send_buffers(SEND_BUFFER_BYTES)
        yield server


@pytest.fixture(scope="module")
def mutual(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service whose clients must present a certificate of the same authority."""
    folder = tmp_path_factory.mktemp("mutual")
    files = write(issue(ca), folder) | write_authority(ca, folder)
    trusted = trusting(ca, issue(ca))
    with serving(write_identity_model(folder / "models"), lanes=1, trusted=trusted, **files) as server:
        yield server


def failures(server: LiveServer) -> dict[str, float]:
    """Return how many handshakes failed, by reason."""
    counted = {
        name[1]: value for name, value in samples(server).items() if name[0] == "framehook_tls_handshake_failures_total"
    }
    return {reason: value for reason, value in counted.items() if value}


def encrypted(server: LiveServer, sent: bytes = b"") -> ssl.SSLSocket:
    """Return a connection of a client that trusts the server."""
    assert server.trusted
    return connect_encrypted(server.port, server.trusted, sent)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_frames_are_answered_over_tls(live: LiveServer, ca: trustme.CA, version: ssl.TLSVersion) -> None:
    trusted = trusting(ca)
    trusted.set_alpn_protocols(["h2", "http/1.1"])
    trusted.minimum_version = trusted.maximum_version = version
    with connect_encrypted(live.port, trusted, WHOLE) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"
        assert statuses(read_answer(connection)) == (200,)
        connection.sendall(WHOLE)
        assert statuses(read_answer(connection)) == (200,)


def test_answers_are_as_the_contract_says(live: LiveServer) -> None:
    answer = live.client.post("/inference", content=FRAME)
    assert number_in(answer.json()["inferences"][0]["entity"]["box"]) == 7
    assert live.client.post("/inference", content=b"rubbish").status_code == 400


def test_what_comes_right_behind_the_handshake_is_whole(live: LiveServer) -> None:
    """Three megabytes that arrive while the handshake is ending."""
    padded = FRAME + bytes(3_000_000)
    for _ in range(5):
        with encrypted(live, POST + b"Content-Length: %d\r\n\r\n" % len(padded) + padded) as connection:
            assert statuses(read_answer(connection)) == (200,)


def _attempt(port: int, context: ssl.SSLContext, sent: bytes = LIVE + b"\r\n") -> bytes:
    """Return what a client receives; nothing when it is refused, in the handshake or right after it."""
    with suppress(OSError), connect_encrypted(port, context, sent) as connection:
        return read_answer(connection)
    return b""


def _old() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def _plain(port: int) -> bytes:
    with suppress(ConnectionError), connect(port, LIVE + b"\r\n") as connection:
        return read_to_end(connection)
    return b""


def _hang_up(port: int) -> bytes:
    connect(port, CLIENT_HELLO_HALF).close()
    return b""


REFUSED: dict[str, tuple[str, Callable[[int, trustme.CA], bytes]]] = {
    "plain HTTP": ("not_tls", lambda port, _: _plain(port)),
    "TLS 1.1": ("version", lambda port, _: _attempt(port, _old())),
    "no certificate": ("client_certificate", lambda port, ca: _attempt(port, trusting(ca))),
    "certificate of another authority": (
        "client_certificate",
        lambda port, ca: _attempt(port, trusting(ca, issue(trustme.CA()))),
    ),
    "expired certificate": (
        "client_certificate",
        lambda port, ca: _attempt(port, trusting(ca, issue(ca, expired=True))),
    ),
    "client that does not trust us": ("refused_by_client", lambda port, _: _attempt(port, trusting(trustme.CA()))),
    "client that hangs up": ("hung_up", lambda port, _: _hang_up(port)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_handshake_that_fails_is_counted_and_nothing_else(
    mutual: LiveServer, ca: trustme.CA, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    reason, attempt = REFUSED[case]
    before = failures(mutual).get(reason, 0)
    caplog.clear()
    for _ in range(5):
        assert attempt(mutual.port, ca) == b""
    wait_for(lambda: failures(mutual).get(reason, 0) == before + 5)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    assert mutual.client.post("/inference", content=FRAME).status_code == 200


def test_clients_with_the_right_certificate_are_admitted(mutual: LiveServer) -> None:
    assert mutual.client.get("/health/ready").status_code == 200


@pytest.mark.parametrize("sent", [b"", CLIENT_HELLO_HALF], ids=["silent", "half a ClientHello"])
def test_a_handshake_has_a_deadline(strict: LiveServer, sent: bytes) -> None:
    started_at = time.monotonic()
    with connect(strict.port, sent) as connection, suppress(ConnectionError):
        assert read_to_end(connection) == b""
    assert TIMEOUT_S * 0.9 < time.monotonic() - started_at < TIMEOUT_S + LATE_S


def test_handshakes_are_bounded_like_connections(live: LiveServer) -> None:
    """Ten times the limit: the earlier ones are closed, and a good client is still served."""
    before = failures(live).get("evicted", 0)
    with ExitStack() as stack:
        for _ in range(10 * MAX_CONNECTIONS):
            stack.enter_context(connect(live.port))
        with live.new_client() as client:
            assert client.post("/inference", content=FRAME).status_code == 200
        wait_for(lambda: failures(live).get("evicted", 0) - before > 8 * MAX_CONNECTIONS)


def test_where_all_are_busy_a_handshake_finds_no_place(live: LiveServer) -> None:
    """On a busy machine the bodies may pause, and then their connections give way: one time in a few they do not."""
    assert any(finds_no_place(live) for _ in range(TRIES))
    wait_for(lambda: is_admitted(live))  # once the service notices the closed connections


def finds_no_place(live: LiveServer) -> bool:
    """Return whether one more handshake fails while as many connections as there may be upload."""
    with suppress(OSError), ExitStack() as stack:
        head = POST + b"Content-Length: 9000000\r\n\r\n"
        busy = [stack.enter_context(encrypted(live, head)) for _ in range(MAX_CONNECTIONS)]
        for _ in range(20):  # longer than the service takes to see that they all send
            for connection in busy:
                connection.sendall(b"x" * 40_000)
            time.sleep(0.05)
        return not is_admitted(live)  # reset, or an end in the middle of the handshake
    return False


def is_admitted(live: LiveServer) -> bool:
    with suppress(OSError), encrypted(live):
        return True
    return False


def trickle(connection: ssl.SSLSocket, piece: bytes) -> bytes:
    """Send a piece repeatedly; return what arrives until the connection is closed."""
    received = bytearray()
    connection.settimeout(0.1)
    with suppress(ConnectionError, ssl.SSLError):
        while True:
            connection.sendall(piece)
            with suppress(TimeoutError):
                data = connection.recv(65536)
                if not data:
                    break
                received += data
    return bytes(received)


@pytest.mark.parametrize(
    ("sent", "piece", "answer"),
    [
        pytest.param(b"", b"", (), id="silent"),
        pytest.param(LIVE, b"X: y\r\n", (408,), id="slow head"),
        pytest.param(POST + b"Content-Length: 90000\r\n\r\n", b"x", (408,), id="slow body"),
        pytest.param(POST + b"Content-Length: 90000\r\n\r\n", b"", (408,), id="silent body"),
        pytest.param(LIVE + b"Connection: close\r\n\r\n", b"", (200,), id="after the answer"),
    ],
)
def test_what_does_not_arrive_in_time_ends(strict: LiveServer, sent: bytes, piece: bytes, answer: tuple[int]) -> None:
    started_at = time.monotonic()
    with encrypted(strict, sent) as connection:
        assert statuses(trickle(connection, piece)) == answer
    assert time.monotonic() - started_at < TIMEOUT_S + LATE_S


class _Slow:
    """Reads a connection slowly, until it is closed."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection = connection
        self._read_at, self.longest_pause_s = time.monotonic(), 0.0

    def recv(self, size: int) -> bytes:
        time.sleep(0.03)
        data = b""
        with suppress(OSError):
            data = self._connection.recv(size)
        paused_s, self._read_at = time.monotonic() - self._read_at, time.monotonic()
        self.longest_pause_s = max(self.longest_pause_s, paused_s)
        return data


def _send_on(connection: ssl.SSLSocket) -> None:
    """Begin another request; raises OSError when the connection is closed."""
    for part in (LIVE, *[b"X: y\r\n"] * 4):
        connection.sendall(part)
        time.sleep(0.1)


def test_a_client_that_does_not_read_loses_its_connection(strict: LiveServer) -> None:
    """One answer of 1.4 MB: all of it is encrypted at once, and none of it is read."""
    with encrypted(strict) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(BUNDLE + b"\r\n")
        time.sleep(TIMEOUT_S + LATE_S)
        with pytest.raises(OSError):  # noqa: PT011  # OpenSSL reports a reset in several ways
            _send_on(connection)


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"], ids=["kept", "closed"])
def test_a_steady_reader_may_take_longer(strict: LiveServer, close: bytes) -> None:
    wait_for(lambda: reads_steadily(strict, BUNDLE + close + b"\r\n"))


def reads_steadily(strict: LiveServer, request: bytes) -> bool:
    """Read an answer in small pieces, which must be whole; return False if the busy machine made the reader pause."""
    with encrypted(strict) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(request)
        started_at, reader = time.monotonic(), _Slow(connection)
        head, _, body = read_answer(reader).partition(b"\r\n\r\n")
    if reader.longest_pause_s > TIMEOUT_S / 2:
        return False
    assert b"content-length: %d\r\n" % len(body) in head
    assert time.monotonic() - started_at > 1.5 * TIMEOUT_S
    return True


def test_frames_are_shed_over_tls_and_the_connection_serves_on(live: LiveServer) -> None:
    with encrypted(live) as connection:
        with live.busy():
            for _ in range(20):
                connection.sendall(WHOLE)
                assert statuses(read_answer(connection)) == (503,)
        connection.sendall(WHOLE)
        assert statuses(read_answer(connection)) == (200,)


def test_it_ends_in_time_with_connections_and_handshakes_open(tmp_path: Path, ca: trustme.CA) -> None:
    """An idle client that ignores the end, one in the middle of a handshake, and one whose frame is in flight."""
    write_identity_model(tmp_path / "models")
    files = write(issue(ca), tmp_path)
    options = [f"--{name.replace('_', '-')}={path}" for name, path in files.items()]
    model = ("--model-repository", str(tmp_path / "models"), "--default-model", "identity")
    slow = encode(board(7, work=work_for(3)), "PNG")
    times = (f"--{name}-timeout-s={2 * PATIENCE_S}" for name in ("shutdown", "receive", "run"))  # nobody waits for them
    with process_serving(*model, *options, *times, "--drain-delay-s", "0") as (process, port), ExitStack() as stack:
        _wait(port, process, trusting(ca))
        idle, busy = (stack.enter_context(connect_encrypted(port, trusting(ca))) for _ in range(2))
        idle.sendall(LIVE + b"\r\n")
        assert statuses(read_answer(idle)) == (200,)
        for sent in (b"", CLIENT_HELLO_HALF):
            stack.enter_context(connect(port, sent))
        busy.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(slow) + slow)
        wait_for(lambda: b'"framesRunning":1' in _attempt(port, trusting(ca), STATUS))
        process.send_signal(signal.SIGTERM)
        assert statuses(read_answer(busy)) == (200,)
        _, log = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert not [line for line in log.splitlines() if '"error"' in line or "Traceback" in line or "unclosed" in line]


def _wait(port: int, process: subprocess.Popen[str], trusted: ssl.SSLContext) -> None:
    """Wait until the service accepts frames."""
    deadline = time.monotonic() + PATIENCE_S
    request = b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    while statuses(_attempt(port, trusted, request)) != (200,):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_many_clients_at_once_get_their_own_answers(live: LiveServer) -> None:
    """Fresh connections from several threads: no answer is lost or goes to another client."""
    wrong: list[object] = []

    def post(number: int) -> None:
        for _ in range(20):
            body = encode(board(number), "PNG")
            with live.new_client() as client:
                while (answer := client.post("/inference", content=body)).status_code == 503:
                    time.sleep(0.01)
            got = number_in(answer.json()["inferences"][0]["entity"]["box"])
            if got != number:
                wrong.append((number, got))

    threads = [threading.Thread(target=post, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
