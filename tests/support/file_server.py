"""An HTTP server for one file, on a real socket, which answers each request as the test has planned."""

import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias

Answer: TypeAlias = Callable[["Request"], None]


@dataclass
class FileServer:
    """`content`: the file. `asked`: path and Range of each request so far."""

    content: bytes
    answers: Sequence[Answer]
    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def next_answer(self) -> Answer:
        """Return the answer to the latest request; the last one that is planned also answers all further ones."""
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


class Request(BaseHTTPRequestHandler):
    """One request. `plan`: the server's."""

    plan: FileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.plan.asked.append((self.path, self.headers.get("Range")))
        self.close_connection = True
        with suppress(ConnectionError):
            self.plan.next_answer()(self)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    @property
    def begins_at(self) -> int:
        """Return the first byte that is asked for."""
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else 0

    def head(self, status: int, **fields: object) -> None:
        """Send the head: Content_Length=5 becomes Content-Length: 5."""
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def file(self, *, stop_at: int | None = None) -> None:
        """Send the part that is asked for, or less of it than the head says."""
        content, begins_at = self.plan.content, self.begins_at
        part = {"Content_Range": f"bytes {begins_at}-{len(content) - 1}/{len(content)}"} if begins_at else {}
        self.head(206 if begins_at else 200, Content_Length=len(content) - begins_at, **part)
        self.wfile.write(content[begins_at:stop_at])


def whole(request: Request) -> None:
    request.file()


def whole_without_ranges(request: Request) -> None:
    request.head(200, Content_Length=len(request.plan.content))
    request.wfile.write(request.plan.content)


def breaks_at(position: int) -> Answer:
    """End the connection before that byte of the file."""
    return lambda request: request.file(stop_at=position)


def status(code: int, **fields: object) -> Answer:
    return lambda request: request.head(code, Content_Length=0, **fields)


def content(body: bytes, code: int = 200, **fields: object) -> Answer:
    """Send this body; its end is the end of the connection."""

    def answer(request: Request) -> None:
        request.head(code, **fields)
        request.wfile.write(body)

    return answer


def endless(request: Request) -> None:
    """Send far more than the file has; not without end, which would fill the disk of a client that is broken."""
    request.head(200)
    for _ in range(256):
        request.wfile.write(bytes(1 << 16))


def silent(request: Request) -> None:
    """Send the half, then nothing, and keep the connection."""
    request.file(stop_at=len(request.plan.content) // 2)
    request.plan.closing.wait()


@contextmanager
def serving_file(content: bytes, *answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    """Serve a file until the block ends; the first request gets the first answer, and so on."""
    plan = FileServer(content, answers)
    handler = type("PlannedRequest", (Request,), {"plan": plan})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        plan.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield plan
        finally:
            plan.closing.set()
            server.shutdown()
            thread.join()
