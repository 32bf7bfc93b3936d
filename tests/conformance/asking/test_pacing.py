"""Many frames at once, and frames at a steady rate."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from conformance.asking import pacing
from conformance.asking import server as asking
from conformance.asking.address import read_address
from conformance.asking.connection import Connection
from conformance.asking.messages import Answer, Request
from conformance.asking.pacing import burst, paced
from conformance.asking.server import Limits, Server
from conformance.errors import ExhaustedError
from conformance.pictures.encoding import jpeg
from tests.support.seeded.model import board
from tests.support.seeded.server import seeded
from tests.support.timed import Clock

FRAME = Request(jpeg(board()), (("Content-Type", "image/jpeg"),))
ANSWER_S, SLOW_ANSWER_S = 0.1, 0.4


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which the kit sends frames."""
    clock = Clock()
    for module in (pacing, asking):
        monkeypatch.setattr(module, "time", clock)
    return clock


def test_the_frames_of_a_burst_are_all_accounted_for() -> None:
    with seeded("busy-hangs-up") as url:
        server = Server(read_address(url))
        outcomes = burst(server, FRAME, 16)
    assert server.request_count == len(outcomes) == 16
    statuses = {each.answer.status if each.answer else each.failure for each in outcomes}
    assert statuses == {200, "the connection was closed without an answer"}
    assert not any(each.answer.body for each in outcomes if each.answer)


def test_a_burst_counts_against_the_limit_before_it_is_sent() -> None:
    with seeded() as url:
        server = Server(read_address(url), Limits(requests=15))
        with pytest.raises(ExhaustedError):
            burst(server, FRAME, 16)
    assert server.request_count == 0


@pytest.mark.parametrize(
    ("mistake", "answer_s", "dropped"),
    [
        pytest.param((), ANSWER_S, 0, id="quick"),
        pytest.param((), SLOW_ANSWER_S, 3, id="slow"),
        pytest.param(("closes",), ANSWER_S, 0, id="closes"),
    ],
)
def test_a_frame_that_comes_due_while_one_is_in_flight_is_dropped(
    mistake: tuple[str, ...], answer_s: float, dropped: int, clock: Clock
) -> None:
    class Timed(Server):
        def ask_over(self, connection: Connection, request: Request) -> Answer:
            clock.sleep(answer_s)
            return super().ask_over(connection, request)

    with seeded(*mistake) as url:
        pace = paced(Timed(read_address(url)), FRAME, rate_per_s=4, count=6)
    assert (pace.due, pace.dropped) == (6, dropped)
    assert [answer.status for answer in pace.answers] == [200] * (6 - dropped)


@pytest.fixture
def patient_port() -> Iterator[int]:
    """Yield the port of a server that takes the next connection only after its client has closed the one before."""

    def answer(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    received = b""
                    while more := connection.recv(65536):
                        received += more
                        if received.endswith(FRAME.body):
                            connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,))
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.usefixtures("clock")
def test_a_connection_is_closed_before_the_next_is_opened(patient_port: int) -> None:
    server = Server(read_address(f"http://127.0.0.1:{patient_port}"), Limits(timeout_s=20))
    pace = paced(server, FRAME, rate_per_s=10, count=3)
    assert [answer.status for answer in pace.answers] == [204] * 3


def test_a_rate_below_one_frame_in_some_seconds_does_not_take_longer(clock: Clock) -> None:
    with seeded() as url:
        pace = paced(Server(read_address(url)), FRAME, rate_per_s=0.001, count=2)
    assert clock.now_s == pacing.LONGEST_WAIT_S
    assert (pace.dropped, len(pace.answers)) == (0, 2)


@pytest.mark.parametrize("rate_per_s", [0.01, 1e-300])
def test_a_turn_after_the_end_is_not_waited_for(rate_per_s: float, clock: Clock) -> None:
    server = Server(read_address("http://127.0.0.1:9"), Limits(duration_s=60, rate_per_s=rate_per_s))
    server.count()
    with pytest.raises(ExhaustedError, match="60 s"):
        server.count()
    assert clock.now_s == 0


def test_frames_over_one_connection_end_with_the_time(clock: Clock) -> None:
    with seeded() as url:
        server = Server(read_address(url), Limits(duration_s=0.3))
        with server.connection() as connection:
            clock.sleep(0.4)
            with pytest.raises(ExhaustedError):
                server.ask_over(connection, FRAME)
