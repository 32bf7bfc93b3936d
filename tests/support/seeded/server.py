"""The seeded server: HTTP, credentials, limits. `python -m tests.support.seeded.server PORT MISTAKE...` runs it."""

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.seeded.access import Access
from tests.support.seeded.frames import UNDECODABLE, FrameError, pixels_of
from tests.support.seeded.mistakes import MISTAKES
from tests.support.seeded.model import find

PATH = "/inference"
PLACES = 2
"""Frames that are worked on at once; further ones are refused."""
WORK_S = 0.01
MANY_BAD_FRAMES = 12
MAX_BODY_BYTES, SMALL_BODY_BYTES = 64_000_000, 1_000_000
MAX_HEAD_BYTES = 16_384
IDLE_S = 5


SPOILING: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "extra-member": lambda _, tag: tag.update(classId=1),
    "missing-value": lambda _, tag: tag.pop("value"),
    "no-payload": lambda inference, _: inference.pop("entity"),
    "nan": lambda _, tag: tag.update(confidence=float("nan")),
    "number-attributes": lambda inference, _: inference["extensions"].update(number=1),
    "payload-other": lambda inference, _: inference.update(type="text"),
    "percent": lambda _, tag: tag.update(confidence=tag["confidence"] * 100),
    "strings": lambda _, tag: tag.update(confidence=str(tag["confidence"])),
    "subtype-blank": lambda inference, _: inference.update(subtype=""),
    "type-unknown": lambda inference, _: inference.update(type="object"),
}
"""What mistakes do to an inference and to its tag."""


@dataclass
class State:
    """What requests share."""

    mistakes: frozenset[str]
    access: Access
    places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(PLACES))
    filter: dict[str, Any] = field(default_factory=dict)
    bodies: threading.Lock = field(default_factory=threading.Lock)
    bad_frames: int = 0
    is_dead: bool = False
    last: list[dict[str, Any]] = field(default_factory=list)
    last_of_streams: list[dict[str, Any]] = field(default_factory=list)
    known_ids: set[str] = field(default_factory=set)


class AnswerError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.headers = status, headers or {}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True
    state: State
    was_refused = False
    """Whether credentials were missing or wrong in a request before this one."""
    is_used = False
    """Whether a frame was answered over this connection."""

    def does(self, mistake: str) -> bool:
        assert mistake in MISTAKES, mistake
        return mistake in self.state.mistakes

    def log_message(self, *_: Any) -> None:
        """Log nothing."""

    def handle_expect_100(self) -> bool:
        return True if self.does("expect") else super().handle_expect_100()

    def do_GET(self) -> None:
        if self.does("wrong-method-500"):
            self.refuse(AnswerError(500, "GET failed"))
        else:
            allow = {} if self.does("no-allow") else {"Allow": "POST"}
            self.refuse(AnswerError(405, "Only POST is possible here.", allow))

    def do_POST(self) -> None:
        try:
            self.infer()
        except AnswerError as error:
            self.refuse(error)
        except FrameError as error:
            self.refuse_frame(error)
        except ConnectionError:
            self.close_connection = True
        except RuntimeError:
            self.refuse(AnswerError(500, "The frame could not be processed."))

    def send_error(self, code: int, *_: Any) -> None:
        """Answer a head that is no HTTP."""
        self.request_version, self.close_connection = "HTTP/1.1", True
        self.state.is_dead |= self.does("bad-head-kills") and code == HTTPStatus.BAD_REQUEST
        self.refuse(AnswerError(500 if self.does("bad-head-500") else code, "The head is no HTTP."))

    def infer(self) -> None:
        if self.state.is_dead:
            raise RuntimeError
        self.check_head()
        with self.state.bodies if self.does("one-body-at-a-time") else nullcontext():
            body = self.body()
        self.check_target()
        self.state.access.check(self)
        if not self.state.places.acquire(blocking=self.does("queues")):
            self.be_busy()
        try:
            inferences = self.results(body)
        finally:
            self.state.places.release()
        if self.does("slow") and self.is_used:
            time.sleep(0.4)
        self.is_used = True
        self.answer(inferences)

    def check_head(self) -> None:
        lengths = self.headers.get_all("content-length", [])
        if len(set(lengths)) > 1 and not self.does("two-lengths"):
            self.close_connection = True
            raise AnswerError(400, "There are two different lengths.")
        if lengths and "transfer-encoding" in self.headers and not self.does("both-framings"):
            self.close_connection = True
        if sum(len(name) + len(value) for name, value in self.headers.items()) > MAX_HEAD_BYTES:
            self.close_connection = True
            raise AnswerError(500 if self.does("long-head-500") else 431, "The head is too long.")
        if self.does("accept-406") and self.headers.get("accept", "*/*") not in {"*/*", "application/json"}:
            raise AnswerError(406, "Only application/json is answered.")

    def check_target(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != PATH or (parts.netloc and self.does("absolute-target")):
            raise AnswerError(404, f"Nothing is here; frames are posted to {PATH}.")
        if parts.query and self.does("id-refused") and "id" in parse_qs(parts.query):
            raise AnswerError(400, "There is no parameter id.")

    def body(self) -> bytes:
        if "chunked" in self.headers.get("transfer-encoding", ""):
            if self.does("chunked"):
                self.close_connection = True
                raise AnswerError(400, "There is no length.")
            return self.chunks()
        length = int(self.headers.get("content-length") or 0)
        if length > (SMALL_BODY_BYTES if self.does("small-limit") else MAX_BODY_BYTES):
            self.close_connection = True
            raise AnswerError(413, "The body is too large.")
        body = self.rfile.read(length)
        if len(body) < length:
            raise RuntimeError if self.does("short-body-500") else ConnectionError
        return body

    def chunks(self) -> bytes:
        body = bytearray()
        while size := int(self.rfile.readline(20), 16):
            body += self.rfile.read(size)
            self.rfile.readline(3)
        self.rfile.readline(3)
        return bytes(body)

    def be_busy(self) -> None:
        if self.does("busy-slow"):
            time.sleep(0.8)
        if self.does("busy-hangs-up"):
            raise ConnectionError
        if self.does("busy-500"):
            raise AnswerError(500, "Too many frames.")
        seconds = "0.5" if self.does("busy-date") else "1"
        raise AnswerError(503, "Busy.", {} if self.does("busy-silent") else {"Retry-After": seconds})

    def results(self, body: bytes) -> list[dict[str, Any]]:
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        pixels = pixels_of(body, self.content_type(), query | self.described(), self.state.mistakes)
        bad_frames, self.state.bad_frames = self.state.bad_frames, 0
        if self.does("stumbles") and bad_frames >= MANY_BAD_FRAMES:
            raise RuntimeError
        time.sleep(WORK_S)
        inferences = self.filtered(find(pixels, self.state.mistakes), query)
        if self.does("streams-mixed") and "id" in query:
            self.state.last_of_streams = inferences = inferences or self.state.last_of_streams
        if self.does("id-warms-up") and query.get("id") not in {None, *self.state.known_ids}:
            self.state.known_ids.add(query["id"])
            return []
        if self.does("old-answer"):
            inferences, self.state.last = self.state.last, inferences
        return inferences

    def described(self) -> dict[str, str]:
        """Return the description of raw pixels that the headers give."""
        names = {"width": "x-frame-width", "height": "x-frame-height", "pixelFormat": "x-frame-pixel-format"}
        return {name: self.headers[header] for name, header in names.items() if header in self.headers}

    def content_type(self) -> str | None:
        if self.does("header-case") and "CONTENT-TYPE" in self.headers.keys():  # noqa: SIM118  # as it was written
            return "none"
        return self.headers.get("content-type")

    def filtered(self, inferences: list[dict[str, Any]], query: dict[str, str]) -> list[dict[str, Any]]:
        options: dict[str, Any] = {name: query[name] for name in ("object", "confidence") if name in query}
        if self.does("filter-stays"):
            self.state.filter |= options
            options = self.state.filter
        if "object" in options:
            inferences = [each for each in inferences if each["entity"]["tag"]["value"] == options["object"]]
        if "confidence" in options and not (self.does("confidence-needs-object") and "object" not in options):
            least = float(options["confidence"])
            inferences = [each for each in inferences if each["entity"]["tag"]["confidence"] >= least]
        return inferences

    def answer(self, inferences: list[dict[str, Any]]) -> None:
        if inferences or self.does("empty-list"):
            self.send(200, self.document(inferences), self.media_type())
            return
        headers = {"Content-Type": "application/json"} if self.does("nothing-has-type") else {}
        body = b"{}" if self.does("nothing-has-body") else b""
        if self.does("nothing-has-length"):
            headers["Content-Length"] = "0"
        if self.does("nothing-has-chunks"):
            headers["Transfer-Encoding"] = "chunked"
        self.send_head(204, headers)
        self.wfile.write(body)

    def media_type(self) -> str:
        if self.does("text-html"):
            return "text/html"
        return "application/json; charset=utf-8" if self.does("charset") else "application/json"

    def document(self, inferences: list[dict[str, Any]]) -> bytes:
        for each in inferences:
            self.spoil(each)
        document: dict[str, Any] = {"inferences": inferences}
        if self.does("not-a-list"):
            document["inferences"] = dict(enumerate(inferences))
        if self.does("extra-top-level"):
            document["count"] = len(inferences)
        return json.dumps(document).encode()

    def spoil(self, inference: dict[str, Any]) -> None:
        """Make the mistakes that concern one inference."""
        for mistake, spoil in SPOILING.items():
            if self.does(mistake):
                spoil(inference, inference["entity"]["tag"])

    def refuse_frame(self, error: FrameError) -> None:
        self.state.bad_frames += 1
        if self.does("error-in-200") and str(error) == UNDECODABLE:
            self.send(200, b'{"inferences": 500}', "application/json")
        elif self.does("undecodable-204") and str(error) == UNDECODABLE:
            self.answer([])
        else:
            self.refuse(AnswerError(error.status, traceback.format_exc() if self.does("trace") else str(error)))

    def refuse(self, error: AnswerError) -> None:
        content = json.dumps({"title": "Error", "detail": str(error), "status": error.status}).encode()
        self.send(error.status, content, "application/problem+json", error.headers)

    def send(self, status: int, body: bytes, media_type: str, headers: dict[str, str] | None = None) -> None:
        length = {"Content-Type": media_type, "Content-Length": str(len(body))}
        self.send_head(status, length | (headers or {}))
        self.wfile.write(body)

    def send_head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.does("closes-always"):
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.does("closes"):
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that hang up."""


def create_server(port: int, *mistakes: str, **access: str) -> ThreadingHTTPServer:
    """Return a server that makes these mistakes. `access`: `user` and `password`, or a `token`; or all may come in."""
    unknown = set(mistakes) - set(MISTAKES)
    assert not unknown, unknown
    state = State(frozenset(mistakes), Access(frozenset(mistakes), **access))
    return _Server(("127.0.0.1", port), type("Seeded", (Handler,), {"state": state}))


@contextmanager
def seeded(*mistakes: str, **access: str) -> Iterator[str]:
    """Run a server for a block; yield the URL that takes frames."""
    server = create_server(0, *mistakes, **access)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{PATH}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    create_server(int(sys.argv[1]), *sys.argv[2:]).serve_forever()
