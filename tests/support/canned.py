"""A server that gives the same answer to each request, and tests checks on it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from conformance.asking.address import read_address
from conformance.asking.server import Limits, Server
from conformance.checks import CHECKS
from conformance.pictures.photos import Photo
from conformance.running import run
from conformance.subject import Subject
from conformance.verdicts import Finding
from tests.support.seeded.model import board

MAX_BYTES = 65536
STARTS = (b"POST ", b"GET ", b"nonsense")
SILENCE = b""
"""The answer of a server that says nothing, and keeps the connection."""
HANG_UP = b"\0"
"""The answer of a server that closes the connection at once."""


@contextmanager
def canned(answer: bytes) -> Iterator[str]:
    """Run a server that answers the bytes to each head, without reading bodies; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, answer))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/inference"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def finding_of(check_id: str, answer: bytes, timeout_s: float = 30) -> Finding:
    """Return what a check finds of a server that always gives this answer."""
    check = next(replace(check, after=()) for check in CHECKS if check.id == check_id)
    with canned(answer) as url:
        server = Server(read_address(url), Limits(timeout_s=timeout_s))
        subject = Subject(server, photos=(Photo("board", board()),), hostile=True)
        return next(iter(run(subject, [check]))).finding


def head(status: str, *headers: str, version: str = "1.1") -> bytes:
    """Return an answer without a body."""
    return "\r\n".join([f"HTTP/{version} {status}", *headers, "Content-Length: 0", "", ""]).encode()


def _serve(listener: socket.socket, answer: bytes) -> None:
    threads = []
    with suppress(OSError):
        while True:
            threads.append(threading.Thread(target=_answer, args=(listener.accept()[0], answer)))
            threads[-1].start()
    for thread in threads:
        thread.join()


def _answer(connection: socket.socket, answer: bytes) -> None:
    """Answer each head; what is read after it, up to the next head, is a body."""
    with connection, suppress(OSError):
        while received := connection.recv(MAX_BYTES):
            if answer == HANG_UP:
                return
            if any(word in received for word in STARTS):
                connection.sendall(answer)
