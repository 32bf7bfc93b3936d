"""Bytes over a socket."""

import itertools
import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

TIMEOUT_S = 60.0
"""How long a test waits for the next bytes; the machines are shared."""
PORTS = range(10_081, 32_000)  # 10080 is one that browsers refuse
"""Below those that Linux gives by default to programs that ask for any, ip(7): ip_local_port_range."""
_TURNS = itertools.count(7919 * os.getpid())  # each process begins at another one


def connect(port: int, sent: bytes = b"") -> socket.socket:
    """Return a new connection after sending these bytes."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
    try:
        connection.sendall(sent)
    except OSError:
        connection.close()
        raise
    return connection


def connect_encrypted(port: int, trusted: ssl.SSLContext, sent: bytes = b"") -> ssl.SSLSocket:
    """Return a new encrypted connection after sending these bytes."""
    connection = trusted.wrap_socket(connect(port), server_hostname="127.0.0.1")
    try:
        connection.sendall(sent)
    except OSError:
        connection.close()
        raise
    return connection


def read_to_end(connection: socket.socket) -> bytes:
    """Return all bytes until the server closes; raises TimeoutError if it does not.

    The server may close while the client still sends: then the connection is reset behind the last byte.
    """
    received = bytearray()
    with suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return bytes(received)


class Receiver(Protocol):
    """A source of bytes."""

    def recv(self, size: int, /) -> bytes: ...


def read_answer(connection: Receiver) -> bytes:
    """Return one answer that has a Content-Length, in any number of pieces; less if the server closes."""
    received = bytearray()
    while data := connection.recv(65536):
        received += data
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", head)
        if length and len(body) >= int(length[1]):
            break
    return bytes(received)


def read_answers(connection: Receiver, count: int) -> bytes:
    """Return what arrives until so many answers have begun; less if the server closes."""
    received = bytearray()
    while len(statuses(bytes(received))) < count and (data := connection.recv(65536)):
        received += data
    return bytes(received)


def talk(port: int, sent: bytes) -> bytes:
    """Send bytes and return all bytes until the server closes; raises TimeoutError if it does not."""
    with connect(port) as connection:
        received = bytearray()
        with suppress(ConnectionError):  # the server may close while we are still sending
            connection.sendall(sent)
        with suppress(ConnectionError):
            while data := connection.recv(65536):
                received += data
        return bytes(received)


def statuses(received: bytes) -> tuple[int, ...]:
    """Return the status of each answer."""
    return tuple(int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received))


def is_open(port: int) -> bool:
    """Return whether anybody listens on a port."""
    with suppress(ConnectionError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


@contextmanager
def refusing() -> Iterator[int]:
    """Yield a port that refuses connections, and is nobody else's until the block ends."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def free_port() -> int:
    """Return a port that is free now. Nobody gets it by chance before it is used, and the next calls return others."""
    for turn in _TURNS:
        port = PORTS[turn % len(PORTS)]
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("the turns have no end")
