"""An extension server on a real socket, which answers each request as the test has planned."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

from player.flow import Inference

Answer: TypeAlias = Callable[["Request"], None]


@dataclass
class ExtensionServer:
    """`heads`, `bodies`: of the requests so far. `connections`: how many there were."""

    answers: Sequence[Answer]
    url: str = ""
    heads: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    def next_answer(self) -> Answer:
        """Return the answer to the latest request; the last one that is planned also answers all further ones."""
        return self.answers[min(len(self.heads), len(self.answers)) - 1]


class Request(BaseHTTPRequestHandler):
    """One connection. `plan`: the server's."""

    plan: ExtensionServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.plan.connections += 1
        super().setup()

    def do_POST(self) -> None:
        self.plan.heads.append({**dict(self.headers.items()), ":path": self.path})
        self.plan.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        with suppress(ConnectionError):
            self.plan.next_answer()(self)

    def handle(self) -> None:
        with suppress(ConnectionError, ValueError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def head(self, status: int, *fields: tuple[str, object]) -> None:
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, str(value))
        self.end_headers()

    def whole(self, status: int, body: bytes, *fields: tuple[str, object]) -> None:
        self.head(status, ("Content-Length", len(body)), *fields)
        self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def found(*inferences: Inference, **members: object) -> Answer:
    body = json.dumps({"inferences": inferences, **members}).encode()
    return lambda request: request.whole(200, body, ("Content-Type", "application/json"))


def status(code: int, *fields: tuple[str, object], body: bytes = b"") -> Answer:
    return lambda request: request.whole(code, body, *fields)


def nothing(request: Request) -> None:
    request.head(204)


def hung_up(request: Request) -> None:
    request.hang_up()


def silent(request: Request) -> None:
    """Keep the connection, and say nothing."""
    request.plan.closing.wait()
    request.close_connection = True


def bytes_for_long(piece: bytes, beginning: bytes, pause_s: float) -> Answer:
    """Send a beginning, and then for half a minute the same bytes over and over, with pauses."""

    def answer(request: Request) -> None:
        request.close_connection = True
        request.wfile.write(beginning)
        until_s = time.monotonic() + 30
        while not request.plan.closing.wait(pause_s) and time.monotonic() < until_s:
            request.wfile.write(piece)

    return answer


def after(seconds: float, answer: Answer) -> Answer:
    def late(request: Request) -> None:
        request.plan.closing.wait(seconds)
        answer(request)

    return late


def once(is_ready: threading.Event, answer: Answer) -> Answer:
    """Give an answer as soon as the test is ready for it."""

    def awaited(request: Request) -> None:
        is_ready.wait(60)
        answer(request)

    return awaited


@contextmanager
def serving(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[ExtensionServer]:
    """Serve until the block ends; the first request gets the first answer, and so on."""
    plan = ExtensionServer(answers)
    handler = type("PlannedRequest", (Request,), {"plan": plan, "timeout": 20})
    with _Server(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        plan.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/score"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield plan
        finally:
            plan.closing.set()
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients hang up here."""
