"""One connection to a server: requests are written byte by byte, answers are read by h11."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

import h11

from conformance.asking.address import Address
from conformance.asking.messages import Answer, Headers, Request
from conformance.asking.tls import refusal
from conformance.errors import NoAnswerError, TooSlowError

MAX_BODY_BYTES = 16 * 1024 * 1024
READ_BYTES = 65536
CONTINUE_WAIT_S = 1.0
"""A client that waits for 100 Continue sends the body after this long at the latest (RFC 9110, 10.1.1)."""
SURPLUS_WAIT_S, MAX_SURPLUS_BYTES = 0.3, 65536
CLOSED = "the connection was closed without an answer"


@dataclass(slots=True)
class _Reading:
    """What was read of an answer so far."""

    response: h11.Response | None = None
    body: bytearray = field(default_factory=bytearray)
    was_continued: bool = False


class Connection:
    """One connection; each answer must be whole within `timeout_s`, however slowly its bytes come.

    Methods raise NoAnswerError.
    """

    def __init__(self, address: Address, tls: ssl.SSLContext | None, timeout_s: float) -> None:
        self._address, self._timeout_s = address, timeout_s
        self.max_body_bytes = MAX_BODY_BYTES
        self._started_at = time.monotonic()
        self._deadline = self._started_at + timeout_s
        try:
            self.socket = self._opened(tls)
        except TimeoutError as error:
            raise TooSlowError(f"no connection within {timeout_s:g} s") from error
        except OSError as error:
            reason = refusal(error, address.host) or _reason(error)
            raise NoAnswerError(f"no connection: {reason}") from error
        self._h11 = h11.Connection(h11.CLIENT)

    def ask(self, request: Request, headers: Headers = ()) -> Answer:
        """Send a request and return its answer. `headers`: further ones, as credentials."""
        self.start(request, headers)
        reading = _Reading()
        if request.waits:
            self._wait_for_continue(reading)
        if reading.response is None:
            self.send(_framed(request))
        return self._rest(reading)

    def start(self, request: Request, headers: Headers = ()) -> None:
        """Send the head of a request; its body is for `send`, as far as it is to come at all."""
        self._started_at = time.monotonic()
        self._deadline = self._started_at + self._timeout_s
        with suppress(h11.LocalProtocolError):
            self._h11.start_next_cycle()
        self._begin(request)
        self.send(self._head(replace(request, headers=request.headers + headers)))

    def send(self, content: bytes) -> None:
        """Send bytes. A server may answer and close before it has read all: then there is still an answer to read."""
        self.socket.settimeout(max(self._deadline - time.monotonic(), 0.001))
        with suppress(OSError):
            self.socket.sendall(content)

    def finish(self) -> Answer:
        """Return the answer to the request that was started."""
        return self._rest(_Reading())

    def surplus(self) -> bytes:
        """Return the bytes that come within a moment although the answer has ended."""
        found = self._h11.trailing_data[0]
        self._deadline = time.monotonic() + SURPLUS_WAIT_S
        with suppress(NoAnswerError):
            while len(found) < MAX_SURPLUS_BYTES and (more := self._received()):
                found += more
        return found[:MAX_SURPLUS_BYTES]

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def _opened(self, tls: ssl.SSLContext | None) -> socket.socket:
        plain = self._connected()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not tls:
            return plain
        try:
            plain.settimeout(self._left_s())
            return tls.wrap_socket(plain, server_hostname=self._address.host)
        except BaseException:
            plain.close()
            raise

    def _connected(self) -> socket.socket:
        *others, last = self._address.ips
        for ip in others:
            with suppress(OSError):
                return socket.create_connection((ip, self._address.port), self._left_s())
        return socket.create_connection((last, self._address.port), self._left_s())

    def _begin(self, request: Request) -> None:
        """Let h11 know which method an answer belongs to; the bytes that it would send are not used."""
        try:
            self._h11.send(h11.Request(method=request.method, target="/", headers=[("Host", "x")]))
            self._h11.send(h11.EndOfMessage())
        except h11.LocalProtocolError as error:
            raise NoAnswerError("the connection was closed after the answer before") from error

    def _head(self, request: Request) -> bytes:
        if request.head is not None:
            return request.head
        framing = (
            ("Transfer-Encoding", "chunked") if request.chunk_bytes else ("Content-Length", str(len(request.body)))
        )
        added = [("Host", self._address.authority), framing]
        given = {name.lower() for name, _ in request.headers} | request.without
        headers = [(name, value) for name, value in added if name.lower() not in given]
        lines = [f"{name}: {value}" for name, value in (*headers, *request.headers)]
        target = request.target or self._address.target
        return "\r\n".join([f"{request.method} {target} HTTP/1.1", *lines, "", ""]).encode()

    def _wait_for_continue(self, reading: _Reading) -> None:
        whole_by, self._deadline = self._deadline, time.monotonic() + CONTINUE_WAIT_S
        with suppress(NoAnswerError):
            while not reading.was_continued and reading.response is None:
                self._take(self._next_event(), reading)
        self._deadline = whole_by

    def _rest(self, reading: _Reading) -> Answer:
        while self._take(self._next_event(), reading):
            self._left_s()
            if len(reading.body) > self.max_body_bytes:
                raise NoAnswerError(f"the answer has more than {self.max_body_bytes // 1024 // 1024} MiB")
        return self._answer(reading, time.monotonic() - self._started_at)

    def _take(self, event: object, reading: _Reading) -> bool:
        """Note what an event says; return whether more is to come."""
        if isinstance(event, h11.InformationalResponse):
            reading.was_continued |= event.status_code == 100  # noqa: PLR2004
        elif isinstance(event, h11.Response):
            reading.response = event
        elif isinstance(event, h11.Data):
            reading.body += event.data
        return not isinstance(event, h11.EndOfMessage)

    def _next_event(self) -> object:
        try:
            while (event := self._h11.next_event()) is h11.NEED_DATA:
                received = self._received()
                if not (received or self._h11.trailing_data[0]) and self._h11.their_state is h11.SEND_RESPONSE:
                    raise NoAnswerError(CLOSED)
                self._h11.receive_data(received)
        except h11.RemoteProtocolError as error:
            raise NoAnswerError(f"no valid HTTP answer ({error})") from error
        if isinstance(event, h11.ConnectionClosed):
            raise NoAnswerError(CLOSED)
        return event

    def _received(self) -> bytes:
        self.socket.settimeout(self._left_s())
        try:
            return self.socket.recv(READ_BYTES)
        except TimeoutError as error:
            raise TooSlowError(f"no whole answer within {self._timeout_s:g} s") from error
        except OSError as error:
            raise NoAnswerError(f"the connection was broken: {_reason(error)}") from error

    def _left_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TooSlowError(f"no whole answer within {self._timeout_s:g} s")
        return left_s

    def _answer(self, reading: _Reading, duration_s: float) -> Answer:
        if reading.response is None:
            raise NoAnswerError(CLOSED)
        response = reading.response
        headers = tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in response.headers)
        return Answer(
            response.status_code,
            headers,
            bytes(reading.body),
            duration_s,
            was_continued=reading.was_continued,
            http_version=response.http_version.decode("ascii"),
            is_reusable=self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE,
        )


@contextmanager
def connected(address: Address, tls: ssl.SSLContext | None, timeout_s: float) -> Iterator[Connection]:
    """Open a connection for a block. Raises NoAnswerError."""
    connection = Connection(address, tls, timeout_s)
    try:
        yield connection
    finally:
        connection.close()


def _framed(request: Request) -> bytes:
    """Return the body as it stands in the request."""
    if not request.chunk_bytes:
        return request.body
    size = request.chunk_bytes
    pieces = (request.body[start : start + size] for start in range(0, len(request.body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
