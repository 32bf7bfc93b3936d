"""Bytes over a socket."""

import re
import socket
import ssl
from contextlib import suppress
from typing import Protocol


def connect(port: int, sent: bytes = b"") -> socket.socket:
    """Return a connection over which these bytes were sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(sent)
    return connection


def connect_encrypted(port: int, trusted: ssl.SSLContext, sent: bytes = b"") -> ssl.SSLSocket:
    """Return an encrypted connection over which these bytes were sent."""
    connection = trusted.wrap_socket(connect(port), server_hostname="127.0.0.1")
    try:
        connection.sendall(sent)
    except OSError:
        connection.close()
        raise
    return connection


def read_to_end(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes; raises TimeoutError when it does not."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


class Receiver(Protocol):
    """What bytes come from."""

    def recv(self, size: int, /) -> bytes: ...


def read_answer(connection: Receiver) -> bytes:
    """Return one answer that has a Content-Length, in however many pieces it comes; less when the server closes."""
    received = bytearray()
    while data := connection.recv(65536):
        received += data
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", head)
        if length and len(body) >= int(length[1]):
            break
    return bytes(received)


def talk(port: int, sent: bytes) -> bytes:
    """Send bytes, and return all that comes back until the server closes; raises TimeoutError when it does not."""
    with connect(port) as connection:
        received = bytearray()
        with suppress(ConnectionError):  # closed while we were still sending
            connection.sendall(sent)
        with suppress(ConnectionError):
            while data := connection.recv(65536):
                received += data
        return bytes(received)


def statuses(received: bytes) -> tuple[int, ...]:
    """Return the status of each answer."""
    return tuple(int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received))


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
