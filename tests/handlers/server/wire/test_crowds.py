"""More connections than the limit allows."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lab.graphs import write_identity_model
from lab.wire import connect, statuses
from tests.support.server import LiveServer, serving

MAX_CONNECTIONS = 12
POST = b"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service with room for few connections."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    with serving(folder, lanes=1, max_connections=MAX_CONNECTIONS) as live:
        yield live


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.2)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_the_longest_idle_gives_way(crowded: LiveServer) -> None:
    with ExitStack() as stack:
        idle = []
        for _ in range(MAX_CONNECTIONS + 5):
            idle.append(stack.enter_context(connect(crowded.port, LIVE)))
            assert statuses(idle[-1].recv(65536)) == (200,)
        closed = [number for number, connection in enumerate(idle) if _is_closed(connection)]
    assert closed == list(range(len(closed)))
    assert len(closed) in {5, 6}, "the fixture has one more connection"


def test_where_all_are_busy_a_new_one_is_refused(crowded: LiveServer) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS):
            stack.enter_context(connect(crowded.port, POST))
        time.sleep(0.2)
        received = stack.enter_context(connect(crowded.port)).recv(65536)
    assert statuses(received) == (503,)
    assert b"\r\nretry-after: 2\r\n" in received
