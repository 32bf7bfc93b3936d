"""A request that offers an upgrade is served as if it did not."""

import time
from collections.abc import Sequence

import pytest

from handlers.server.wire.shedding import LoadShedder
from lab.graphs import board, work_for
from lab.pictures import encode
from lab.wire import connect, read_to_end, statuses
from tests.support.server import LiveServer
from tests.support.waiting import wait_for

FRAME = encode(board(9), "PNG")
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(FRAME), FRAME)
OFFERS = (
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
)


def exchange(server: LiveServer, pieces: Sequence[bytes]) -> bytes:
    """Send the pieces one after the other, and read until the server closes."""
    with connect(server.port) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.05)
        return read_to_end(connection)


@pytest.mark.parametrize("offer", OFFERS, ids=["h2c", "websocket"])
@pytest.mark.parametrize(
    ("framing", "body"),
    [
        pytest.param(f"Content-Length: {len(FRAME)}", FRAME, id="length"),
        pytest.param("Transfer-Encoding: chunked", CHUNKED, id="chunked"),
    ],
)
@pytest.mark.parametrize("cut", [0, 1, 50])
def test_the_frame_behind_an_offer_is_served(
    identity: LiveServer, offer: str, framing: str, body: bytes, cut: int
) -> None:
    head = f"POST /inference HTTP/1.1\r\nHost: x\r\n{offer}{framing}\r\n\r\n".encode()
    for pieces in ([head + body], [head, body], [head + body[:cut], body[cut:]]):
        answer = exchange(identity, pieces)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer.lower()
        assert b'"block"' in answer


def test_bytes_behind_a_frame_with_an_offer_are_not_a_hang_up(identity: LiveServer) -> None:
    slow = encode(board(9, work=work_for(0.3)), "PNG")
    head = f"POST /inference HTTP/1.1\r\nHost: x\r\n{OFFERS[0]}Content-Length: {len(slow)}\r\n\r\n".encode()
    behind = f"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: {len(FRAME)}\r\n\r\n".encode() + FRAME
    answer = exchange(identity, [head + slow, behind])
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_nothing_behind_a_body_with_an_offer_belongs_to_it(identity: LiveServer) -> None:
    """The frame behind an empty body would be its picture; the connection takes no more requests."""
    head = f"POST /inference HTTP/1.1\r\nHost: x\r\n{OFFERS[0]}Content-Length: 0\r\n\r\n".encode()
    behind = f"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: {len(FRAME)}\r\n\r\n".encode() + FRAME
    for pieces in ([head + behind], [head, behind]):
        answer = exchange(identity, pieces)
        assert statuses(answer) == (400,)
        assert b"connection: close" in answer.lower()


@pytest.mark.parametrize(
    "rubbish",
    [
        b"rubbish\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \0",
        b"GET http://x:99999/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /inference HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_rubbish_behind_a_frame_spoils_no_answer(identity: LiveServer, rubbish: bytes) -> None:
    slow = encode(board(9, work=work_for(1.5)), "PNG")  # in two pieces, the rubbish must come before the answer
    head = b"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
    quick_frame, slow_frame = head % len(FRAME) + FRAME, head % len(slow) + slow
    for pieces in ([quick_frame + rubbish], [slow_frame, rubbish]):
        answer = exchange(identity, pieces)
        assert statuses(answer) == (200,)
        assert b"connection: close" in answer
    live = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    assert statuses(exchange(identity, [quick_frame + live + rubbish])) == (200, 200)


@pytest.mark.parametrize("offer", OFFERS, ids=["h2c", "websocket"])
def test_an_offer_without_a_body_is_served(identity: LiveServer, offer: str) -> None:
    answer = exchange(identity, [f"GET /health/live HTTP/1.1\r\nHost: x\r\n{offer}\r\n".encode()])
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b'{"status":"live"}')


@pytest.mark.parametrize(
    "request_bytes", [b"rubbish\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_malformed_http_is_answered_by_the_parser(identity: LiveServer, request_bytes: bytes) -> None:
    answer = exchange(identity, [request_bytes])
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"text/plain" in answer


def test_a_refusal_of_head_has_no_body(identity: LiveServer) -> None:
    head = b"HEAD /" + b"x" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = exchange(identity, [head])
    assert statuses(answer) == (414,)
    assert answer.endswith(b"\r\n\r\n")
    assert not exchange(identity, [head.replace(b"HEAD", b"GET")]).endswith(b"\r\n")


def test_an_error_of_ours_is_not_blamed_on_the_client(
    identity: LiveServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(LoadShedder, "refusal", lambda *_: 1 / 0)
    head = f"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: {len(FRAME)}\r\n\r\n".encode()
    assert exchange(identity, [head]) == b""
    wait_for(lambda: any(record.levelname == "ERROR" and record.exc_info for record in caplog.records))
