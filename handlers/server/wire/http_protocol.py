"""HTTP/1.1 on the wire: uvicorn's protocol, with the deadlines and limits that it lacks."""

import asyncio
import math
import uuid
from functools import partial
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import httptools
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from handlers.context import RequestRecord
from handlers.errors import BodyTimeoutError, UndecodableFrameError
from handlers.server.middleware.logs import Report
from handlers.server.wire.connections import Connections, ReceiveRate
from handlers.server.wire.http_head import TOO_LARGE, BodyOnly, RefusedError, check_head, fault_of, plain_text
from handlers.server.wire.shedding import LoadShedder
from models.errors import DrainingError

MAX_CHUNKS = 65_536
"""Of one body: frames come in some hundreds, and each chunk costs the event loop microseconds."""
MAX_PIPELINED = 16
"""Requests of one connection that wait for those before them; one read brings thousands of small ones."""
MAX_SHED_AT_ONCE = 16
"""Requests of one connection that are refused in one go; the event loop has others to see to."""
SHUTDOWN_BODY_S = 3.0
"""How long a body may still take to arrive once the server is stopping; less than `shutdown_timeout_s` by default."""


class HttpProtocol(HttpToolsProtocol):
    """Ends what is malformed, too large or too slow, before any application sees it.

    It serves a request that offers an upgrade as if it did not (RFC 9110, section 7.8): Java's HttpClient and
    `curl --http2` offer HTTP/2 with every frame they post. The parser takes the offer for the end of HTTP/1.1 and drops
    the body; here a second parser reads it.

    A caller may send its next request before it has its answer. If its connection is lost then, the request that is
    being answered must hear of it, too.
    """

    def __init__(self, *arguments: Any, connections: Connections, wire: Any = None, **options: Any) -> None:
        """Take uvicorn's arguments, the register of all connections, and under TLS the transport below it."""
        super().__init__(*arguments, **options)
        self._wire = wire
        self._connections, self._limits = connections, connections.limits
        self._shedder: LoadShedder = self.app_state["shedder"]
        self._report: Report = self.app_state["report"]
        self._answering: RequestResponseCycle | None = None
        self._body: ReceiveRate | None = None
        """Of the body that is being received; None between bodies."""
        self._cut_off: tuple[RequestResponseCycle, Exception] | None = None
        """A request whose body will not be complete, and why."""
        self._head_bytes = self._fields_bytes = self._chunks = self._unsent_bytes = self._shed = 0
        self._overhead_bytes = 0
        """What arrived of a body that is no part of it: chunk extensions, trailers."""
        self._refused = False
        self._head_since = self._idle_since = self._stuck_since = self._stop_at = math.inf
        """By the loop's clock, in seconds; infinity while it is not so."""

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request; refuse when there are too many connections, and none of them is idle."""
        super().connection_made(transport)
        self._head_since = self.loop.time()
        if self._connections.add(self):
            self._connections.mark_idle(self)
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "The server has as many connections as it can hold.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered; uvicorn tells only the last one that was read."""
        self._connections.remove(self)
        super().connection_lost(exc)
        if self._answering and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def check(self, now: float) -> None:
        """End what takes too long. `now`: of the loop's clock, in seconds."""
        if self._is_sending:
            self._check_taken(now)
        elif self._body is not None:
            self._check_body(self._body, now)
        elif now - self._head_since >= self._limits.receive_timeout_s and not self._is_answering:
            self._end_head()
        elif now - self._idle_since >= self._limits.keep_alive_s:
            self.transport.close()

    def evict(self) -> None:
        """Close at once: somebody else needs the place more."""
        self.transport.abort()

    def shutdown(self) -> None:
        """Finish what has begun, and close; a body must be complete soon."""
        super().shutdown()
        self._stop_at = self.loop.time() + SHUTDOWN_BODY_S

    def resume_writing(self) -> None:
        """Note that the caller takes what it is sent."""
        super().resume_writing()
        self._stuck_since = math.inf

    @property
    def _is_answering(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    @property
    def _progress(self) -> tuple[int, int]:
        return (self._body.received if self._body else 0), self._chunks

    @property
    def _unsent(self) -> int:
        """Bytes not yet taken by the kernel; TLS hands on all it can encrypt, whether or not the wire takes it."""
        return sum(each.get_write_buffer_size() for each in (self.transport, self._wire) if each)

    @property
    def _is_sending(self) -> bool:
        return self.flow.write_paused or self.transport.is_closing() or self._unsent > HIGH_WATER_LIMIT

    def _check_taken(self, now: float) -> None:
        """Drop a caller that takes nothing of what it is sent; TLS would wait for one that says no goodbye."""
        unsent_bytes = self._unsent
        takes, self._unsent_bytes = unsent_bytes < self._unsent_bytes, unsent_bytes
        self._stuck_since = now if takes else min(self._stuck_since, now)
        is_over = self.transport.is_closing() and not unsent_bytes
        if is_over or now - self._stuck_since >= self._limits.receive_timeout_s:
            self.transport.abort()

    def _check_body(self, body: ReceiveRate, now: float) -> None:
        if now >= self._stop_at:
            self._cut(DrainingError())
        elif self.flow.read_paused:
            body.restart()
        elif body.is_too_low(now):
            sentence = f"The body arrived more slowly than {body}; check the network between camera and server."
            self._cut(BodyTimeoutError(sentence))

    def _end_head(self) -> None:
        if self._head_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The head of the request did not arrive in time.")
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Take in bytes from the socket."""
        if self._refused:
            return
        self._shed = 0
        body, progress = self._body, self._progress
        if body is None:
            self._head_since, self._idle_since = min(self._head_since, self.loop.time()), math.inf
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_on(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(*fault_of(error))
        else:
            is_overhead = self._body is body and self._progress == progress
            self._overhead_bytes = self._overhead_bytes + len(data) if is_overhead else 0
            if (self._head_bytes if self._body is None else self._overhead_bytes) > self._limits.max_header_bytes:
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
        if self._body is None:
            super().on_header(name, value)
        self._count_fields(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """Begin to answer, and to watch the body."""
        check_head(self.url, self.headers, self.parser.get_http_version())
        if len(self.pipeline) >= MAX_PIPELINED:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Too many requests wait for their answers on one connection.")
        refusal = self._refusal()
        if refusal is None:
            super().on_headers_complete()
        else:  # what still comes of its body is dropped
            answered: Any = SimpleNamespace(response_complete=True, keep_alive=True, message_event=asyncio.Event())
            self.cycle = answered
            self._write(HTTPStatus.SERVICE_UNAVAILABLE, refusal)
        self._connections.mark_busy(self)
        self._head_since, self._head_bytes, self._chunks = math.inf, 0, 0
        self._body = ReceiveRate(self._limits.receive_timeout_s, self._limits.min_body_bytes_per_s)

    def on_chunk_header(self) -> None:
        """Count a chunk."""
        self._chunks += 1
        if self._chunks > MAX_CHUNKS:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"The body has more than {MAX_CHUNKS} chunks.")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._body is not None:
            self._body.received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the body is complete; the parser also says so when it only gave up on it."""
        if not self.parser.should_upgrade():
            self._body = None
            super().on_message_complete()
            self._mark_if_idle()

    def on_response_complete(self) -> None:
        """Wait for the next request; uvicorn's own timer would be stopped by any byte."""
        super().on_response_complete()
        self._unset_keepalive_if_required()
        self._mark_if_idle()

    def _mark_if_idle(self) -> None:
        if self._body is None and self.cycle.response_complete:
            self._idle_since = self.loop.time()
            self._connections.mark_idle(self)

    def _count_fields(self, size_bytes: int) -> None:
        """Refuse a head, or what follows a body, of too many fields or bytes."""
        self._fields_bytes += size_bytes
        limits = self._limits
        if self._fields_bytes > limits.max_header_bytes or len(self.headers) > limits.max_header_count:
            raise RefusedError(*TOO_LARGE)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, partial(self._call, app, cycle))

    async def _call(self, app: Any, cycle: RequestResponseCycle, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application; instead of more of a body that was cut off it hears why."""

        async def receive_or_raise() -> Message:
            message = await receive()
            if self._cut_off and self._cut_off[0] is cycle and message["type"] == "http.request":
                raise self._cut_off[1]
            return message

        await app(scope, receive_or_raise, send)

    def _refusal(self) -> bytes | None:
        """Return what a frame that comes at a bad time is answered at once; None to let the request in."""
        parser, is_quiet = self.parser, not (self._is_answering or self.flow.write_paused)
        is_plain = parser.get_method() == b"POST" and parser.get_http_version() == "1.1" and parser.should_keep_alive()
        if not (is_quiet and is_plain) or self._shed >= MAX_SHED_AT_ONCE:
            return None
        refusal = self._shedder.refusal(self.url, self.headers, self.client)
        self._shed += refusal is not None
        return refusal

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Answer what is no request, and close; where requests before it wait for their answers, only close."""
        if self._body is not None:
            self._cut(UndecodableFrameError(sentence))
            return
        self._refused = True
        duration_ms = 1000 * max(0.0, self.loop.time() - self._head_since)
        record = RequestRecord(str(uuid.uuid4()), status=status, detail=sentence, duration_ms=round(duration_ms, 3))
        self._report(record, None, None)
        last = self.pipeline[0][0] if self.pipeline else self._answering
        if last and not last.response_complete:
            last.keep_alive = False
            return
        self._write(status, plain_text(status, sentence))
        self.transport.close()

    def _cut(self, error: Exception) -> None:
        """Give up on a body; whoever reads it hears why, and the connection ends with the answer."""
        self._refused, self._body = True, None
        self.cycle.keep_alive = False
        if self.cycle.response_complete:
            self.transport.close()
        else:
            self._cut_off = self.cycle, error
            self.cycle.message_event.set()

    def _write(self, status: HTTPStatus, rest: bytes) -> None:
        """Send an answer; `rest`: its fields and body."""
        parts = [part for name, value in self.server_state.default_headers for part in (name, b": ", value, b"\r\n")]
        self.transport.write(b"".join([STATUS_LINE[status], *parts, rest]))

    def _read_on(self, rest: bytes) -> None:
        """Read the body of the request whose head was just parsed; the connection ends with its answer."""
        self.cycle.keep_alive = False
        framing = [(name, value) for name, value in self.headers if name in {b"content-length", b"transfer-encoding"}]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in framing)
        self.parser = httptools.HttpRequestParser(BodyOnly(self))
        self.data_received(b"POST / HTTP/1.1\r\n" + head + b"\r\n" + rest)
