"""HTTP/1.1 on the wire: uvicorn's protocol, with the deadlines and limits that it lacks."""

import asyncio
import math
import re
import uuid
from functools import partial
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import httptools
from starlette.types import Message, Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from handlers.context import Context, RequestRecord
from handlers.errors import BodyTimeoutError
from handlers.server.connections import Connections, Pace
from handlers.server.logs import log_request

MAX_CHUNKS = 65_536
SHUTDOWN_BODY_S = 3.0
"""How long a body may still take to arrive once the server is stopping."""
RETRY_AFTER_S = 2
HOST = re.compile(rb"([A-Za-z0-9._~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")
"""RFC 9110, section 7.2: a name or an address, and a port; it may be empty."""
MALFORMED = (HTTPStatus.BAD_REQUEST, "The request is no valid HTTP/1.1.")
TOO_LARGE = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large.")


ANSWERED: Any = SimpleNamespace(response_complete=True, message_event=asyncio.Event())
"""Stands for a request that was answered at the door; what still comes of its body is dropped."""


class _RefusedError(Exception):
    """Ends the parsing of what is refused."""


class HttpProtocol(HttpToolsProtocol):
    """Ends what is malformed, too large or too slow, before any application sees it.

    It serves a request that offers an upgrade as if it did not (RFC 9110, section 7.8): Java's HttpClient and
    `curl --http2` offer HTTP/2 with every frame they post. The parser takes the offer for the end of HTTP/1.1 and drops
    the body; here a second parser reads it.

    A caller may send its next request before it has its answer. If its connection is lost then, the request that is
    being answered must hear of it, too.
    """

    def __init__(self, *arguments: Any, connections: Connections, **options: Any) -> None:
        """Take uvicorn's arguments, and the register of all connections."""
        super().__init__(*arguments, **options)
        self._connections, self._limits = connections, connections.limits
        self._answering: RequestResponseCycle | None = None
        self._head_since = math.inf
        """When the head that is awaited began, by the loop's clock."""
        self._head_bytes = self._fields_bytes = self._chunks = 0
        self._pace: Pace | None = None
        """Of the body that is being received."""
        self._too_slow = self._refused = False
        self._stuck_since = self._stop_at = math.inf

    # the connection

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request; refuse when there are too many connections, and none of them is idle."""
        super().connection_made(transport)
        self._head_since = self.loop.time()
        if self._connections.add(self):
            self._connections.waits(self)
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "The server has as many connections as it can hold.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered; uvicorn tells only the last one that was read."""
        self._connections.remove(self)
        super().connection_lost(exc)
        if self._answering and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def look(self, now: float) -> None:
        """End what takes too long. `now`: of the loop's clock, in seconds."""
        timeout_s = self._limits.timeout_s
        if self.flow.write_paused or self.transport.is_closing():
            self._stuck_since = min(self._stuck_since, now)
            if now - self._stuck_since >= timeout_s:
                self.transport.abort()
            return
        self._stuck_since = math.inf
        if self._pace:
            self._look_at_body(self._pace, now)
        elif now - self._head_since >= timeout_s and not self._is_answering:
            self._end_head()

    def evict(self) -> None:
        """Close at once: somebody else needs the place more."""
        self.transport.abort()

    def shutdown(self) -> None:
        """Finish what has begun, and close; a body must be complete soon."""
        super().shutdown()
        self._stop_at = self.loop.time() + SHUTDOWN_BODY_S

    @property
    def _is_answering(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    def _look_at_body(self, pace: Pace, now: float) -> None:
        if self.flow.read_paused and now < self._stop_at:
            pace.restart()
        elif pace.is_too_slow(now) or now >= self._stop_at:
            self._too_slow = True
            if self.cycle.response_complete:
                self.transport.close()
            else:
                self.cycle.message_event.set()

    def _end_head(self) -> None:
        if self._head_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The head of the request did not arrive in time.")
        else:
            self.transport.close()

    # what is received

    def data_received(self, data: bytes) -> None:
        """Take in bytes from the socket."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        if self._pace is None:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_on(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            refused = error.__context__
            self._refuse(*(refused.args if isinstance(refused, _RefusedError) else MALFORMED))
        else:
            if self._pace is None and self._head_bytes > self._limits.max_header_bytes:
                self._refuse(*TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_since = min(self._head_since, self.loop.time())
        self._fields_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        super().on_url(url)
        self._count_fields(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a body is counted, and dropped."""
        if self._pace is None:
            super().on_header(name, value)
        self._count_fields(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Begin to answer, and to watch the body."""
        self._refuse_doubtful_host()
        self._refuse_other_codings()
        self._connections.works(self)
        self._head_since, self._head_bytes = math.inf, 0
        self._pace, self._chunks = Pace(self._limits.timeout_s, self._limits.min_bytes_per_s), 0
        refusal = self._refusal_at_the_door()
        if refusal is None:
            super().on_headers_complete()
            return
        self.cycle = ANSWERED
        self.transport.write(b"".join([STATUS_LINE[503], *self._default_headers(), refusal]))
        self.on_response_complete()

    def on_chunk_header(self) -> None:
        """Count a chunk."""
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, f"The body has more than {MAX_CHUNKS} chunks.")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._pace:
            self._pace.received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the body is complete; the parser also says so when it only gave up on it."""
        if not self.parser.should_upgrade():
            self._pace = None
            super().on_message_complete()
            self._wait_if_idle()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._wait_if_idle()

    def _refusal_at_the_door(self) -> bytes | None:
        """Return what a frame is answered at once, and nothing else done for it; None to let the request in."""
        if self.parser.get_method() != b"POST" or self._is_answering or not self.parser.should_keep_alive():
            return None
        context: Context = self.app_state["context"]
        return context.refusal(self.url, self.headers, self.client)

    def _default_headers(self) -> list[bytes]:
        return [part for name, value in self.server_state.default_headers for part in (name, b": ", value, b"\r\n")]

    def _wait_if_idle(self) -> None:
        if self._pace is None and self.cycle.response_complete:
            self._connections.waits(self)

    def _count_fields(self, size_bytes: int) -> None:
        """Refuse a head, or what follows a body, of too many fields or bytes."""
        self._fields_bytes += size_bytes
        limits = self._limits
        if self._fields_bytes > limits.max_header_bytes or len(self.headers) > limits.max_header_count:
            raise _RefusedError(*TOO_LARGE)

    def _refuse_doubtful_host(self) -> None:
        """Refuse a request that does not say, or says twice, whom it is for (RFC 9112, section 3.2)."""
        hosts = [value for name, value in self.headers if name == b"host"]
        wanted = 0 if self.parser.get_http_version() == "1.0" else 1
        if not wanted <= len(hosts) <= 1 or not all(map(HOST.fullmatch, hosts)):
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "The request must have one valid header Host.")

    def _refuse_other_codings(self) -> None:
        """Refuse a body in any transfer coding but `chunked`, which HTTP/1.0 has not (RFC 9112, section 6.1)."""
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings and (codings != [b"chunked"] or self.parser.get_http_version() == "1.0"):
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "The body must be chunked, or have a length.")

    # what is answered

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, partial(self._call, app))

    async def _call(self, app: Any, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application; it hears, instead of more of the body, that there is none in time."""

        async def receive_in_time() -> Message:
            message = await receive()
            if self._too_slow and message["type"] == "http.request":
                raise BodyTimeoutError(
                    f"The body arrived more slowly than {self._limits.min_bytes_per_s} bytes a second over "
                    f"{self._limits.timeout_s:g} s; check the network between camera and server."
                )
            return message

        await app(scope, receive_in_time, send)

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Answer what is no request, and close; where requests before it wait for their answers, only close."""
        self._refused = True
        if self._pace and self.pipeline:
            self.pipeline.popleft()  # its body will never be complete
        unanswered = self.pipeline[0][0] if self.pipeline else self._answering
        if unanswered and not unanswered.response_complete and unanswered is not (self.cycle if self._pace else None):
            unanswered.keep_alive = False
            return
        record = RequestRecord(str(uuid.uuid4()), status=status, detail=sentence)
        self.app_state["context"].count(record)
        log_request(record, None, None)
        head = [b"content-type: text/plain; charset=utf-8", b"connection: close", b"content-length: %d" % len(sentence)]
        if status == HTTPStatus.SERVICE_UNAVAILABLE:
            head.append(b"retry-after: %d" % RETRY_AFTER_S)
        self.transport.write(STATUS_LINE[status] + b"\r\n".join([*head, b"", sentence.encode()]))
        self.transport.close()

    # offers of an upgrade

    def _read_on(self, rest: bytes) -> None:
        """Read the body of the request whose head was just parsed; the connection ends with its answer."""
        self.cycle.keep_alive = False
        framing = [(name, value) for name, value in self.headers if name in {b"content-length", b"transfer-encoding"}]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in framing)
        self.parser = httptools.HttpRequestParser(_BodyOnly(self))
        self.data_received(b"POST / HTTP/1.1\r\n" + head + b"\r\n" + rest)


class _BodyOnly:
    """Passes on what a parser says of the body, and nothing of the head it was given."""

    def __init__(self, protocol: Any) -> None:
        self.on_body = protocol.on_body
        self.on_chunk_header = protocol.on_chunk_header
        self.on_message_complete = protocol.on_message_complete
