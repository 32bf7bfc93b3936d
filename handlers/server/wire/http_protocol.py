"""HTTP/1.1 on the wire: uvicorn's protocol, with the deadlines and limits that it lacks."""

import math
from functools import partial
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from handlers.errors import BodyTimeoutError, UndecodableFrameError
from handlers.parsing.request_names import names_in
from handlers.server.access.callers import caller_of
from handlers.server.access.proxies import TrustedProxies
from handlers.server.middleware.bytes_in_flight import Reservation
from handlers.server.middleware.logs import Report, new_record
from handlers.server.wire.connections import SHUTDOWN_REST_S, Connections, reset_when_closed
from handlers.server.wire.cycles import AnsweredCycle, CutOff, Lingering, WholeRequest
from handlers.server.wire.http_head import TOO_LARGE, RefusedError, check_head, in_origin_form, plain_text, refusal_for
from handlers.server.wire.parser_events import BodyEvents, ParserEvents, head_for_body
from handlers.server.wire.progress import BodyProgress, Rate, RequestProgress, SendProgress
from handlers.server.wire.shedding import LoadShedder
from models.errors import DrainingError
from models.runtime.engine import Engine

MAX_PIPELINED = 16
"""Requests of one connection that wait for those before them; one read can bring thousands of small ones."""
MAX_SHED_AT_ONCE = 16
"""Requests of one connection that are refused in one read: the event loop has other connections to serve."""
SHUTDOWN_BODY_S = 3.0
"""How long a body may still take to arrive once the server is stopping; less than `shutdown_timeout_s` by default."""


class HttpProtocol(HttpToolsProtocol):
    """Ends what is malformed, too large or too slow before an application sees it.

    `HeadClock`, `BodyProgress` and `SendProgress` measure, `ParserEvents` counts what the parser reads, and
    `Connections` calls `check` four times a second. This class turns what they find into answers and closed
    connections. `wire`: under TLS, the transport of the socket.

    A request that offers an upgrade is served as if it did not (RFC 9110, section 7.8): Java's HttpClient and
    `curl --http2` offer HTTP/2 with every frame they post. The parser takes the offer for the end of HTTP/1.1 and drops
    the body, so a second parser reads it.

    Internals of uvicorn used here (ADR 9): `cycle`, `pipeline`, `flow`, `url`, `headers`, `parser`, `scope`,
    `_start_asgi_task`, `_unset_keepalive_if_required`, `STATUS_LINE`, `server_state.default_headers`; and of a cycle
    `response_complete`, `keep_alive`, `disconnected`, `message_event`, `body`, `more_body`, `transport`.
    """

    def __init__(self, *arguments: Any, connections: Connections, wire: Any = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connections, self._limits, self._wire = connections, connections.limits, wire
        self._engine: Engine = self.app_state["context"].engine
        self._shedder: LoadShedder = self.app_state["shedder"]
        self._report: Report = self.app_state["report"]
        self._proxies: TrustedProxies = self.app_state["proxies"]
        self._progress = RequestProgress(self._limits)
        self._sent = SendProgress(
            self._limits.receive_timeout_s, Rate(self._limits.receive_timeout_s, self._limits.min_body_bytes_per_s)
        )
        self._untaken: Reservation | None = None
        """The bytes of answers that the client has not taken."""
        self._cut_off, self._lingering = CutOff(), Lingering()
        self._answering: RequestResponseCycle | None = None
        self.url, self.headers = b"", []
        self._is_refused, self._shed_count = False, 0
        """Requests of this read that were refused."""
        self._stop_at = self._rest_until = math.inf
        """After that no body, and no head, is waited for, by the clock of the event loop."""
        self.parser = httptools.HttpRequestParser(ParserEvents(self, self._progress, self._limits.max_header_bytes))
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request; refuse the connection when all others are busy and there are too many."""
        super().connection_made(transport)
        self._progress.head.start(self.loop.time())
        caller = caller_of(self.client)
        self._untaken = Reservation(self.app_state["budget"], caller)
        if self._connections.add(self, caller):
            self._connections.mark_idle(self)
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "The server has as many connections as it can hold.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Disconnect the request that is being answered, too; uvicorn disconnects only the last one that was read."""
        self._forget()
        super().connection_lost(exc)
        if self._answering and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def check(self, now: float) -> None:
        """End what takes too long. `now`: of the event loop's clock, in seconds."""
        self._count_untaken()
        if self._untaken is None:
            return
        if self._is_sending or self._lingering.has_begun:
            self._check_sent(now)
            return
        self._sent.restart()
        head, body = self._progress.head, self._progress.body
        if body is not None:
            self._check_body(body, now)
        elif (head.is_late(now) or now >= self._rest_until) and not self._is_answering:
            if head.received_bytes:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The head of the request did not arrive in time.")
            else:
                self.transport.close()
        elif head.is_idle_too_long(now):
            self.transport.close()

    def evict(self) -> None:
        """Close at once, to make room for others."""
        self._forget()
        if self._unsent_bytes or not self.transport.is_closing():
            reset_when_closed(self.transport.get_extra_info("socket"))
        self.transport.abort()

    def shutdown(self) -> None:
        """Finish the requests that have begun, or begin within 0.25 s; a body must be complete within 3 s."""
        now = self.loop.time()
        self._stop_at, self._rest_until = now + SHUTDOWN_BODY_S, now + SHUTDOWN_REST_S
        if self.cycle and not self.cycle.response_complete:
            super().shutdown()

    def resume_writing(self) -> None:
        """Note that the client takes what it is sent."""
        super().resume_writing()
        self._sent.restart()

    def data_received(self, data: bytes) -> None:
        """Parse bytes from the socket; behind an answer that ends the connection, drop them."""
        if self._is_refused or self._lingering.has_begun:
            return
        self._shed_count = 0
        progress, body = self._progress, self._progress.body
        if body is None:
            progress.head.add(len(data), self.loop.time())
        behind_offer = None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            behind_offer = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._refuse(*refusal_for(error))
            return
        if behind_offer is not None:
            self._read_on(behind_offer)
            return
        if progress.body is not None:  # a body that began in this read has brought no overhead yet
            progress.body.end_read(len(data) if progress.body is body else 0)
        if progress.excess_bytes > self._limits.max_header_bytes:
            self._refuse(*TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Start answering the request, and expect its body."""
        check_head(self.url, self.headers, self.parser.get_http_version())
        self.scope["client"] = self._proxies.client_of(self.client, self.headers)
        self.url = in_origin_form(self.url)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "Too many requests wait for their answers on one connection.")
        refusal = self._shed_refusal()
        if refusal is None:
            super().on_headers_complete()
            self.cycle.keep_alive = self.cycle.keep_alive and not self._engine.is_draining
        else:
            self.cycle = AnsweredCycle()
            self._write(HTTPStatus.SERVICE_UNAVAILABLE, refusal)
        self._connections.mark_busy(self)
        self._connections.mark_idle(self)  # until its body arrives
        self._progress.begin_body()

    def on_message_complete(self) -> None:
        """Note that the body is complete; the parser also reports this when an offered upgrade ends its work."""
        if not self.parser.should_upgrade():
            self._progress.body = None
            self.headers = []  # of this request: the next one may be refused before it has any
            super().on_message_complete()
            self._connections.mark_busy(self)
            self._mark_if_idle()

    def on_response_complete(self) -> None:
        """Wait for the next request, without uvicorn's own timer: any byte would stop that."""
        super().on_response_complete()
        self._unset_keepalive_if_required()
        self._count_untaken()
        self._mark_if_idle()

    @property
    def _is_answering(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    @property
    def _is_streaming(self) -> bool:
        """Return whether an answer is being sent of which more is to come, such as a live stream."""
        answering = self._answering
        return answering is not None and answering.response_started and not answering.response_complete

    @property
    def _unsent_bytes(self) -> int:
        """Not yet taken by the kernel; TLS passes on all that it can encrypt, whether or not the socket takes it."""
        return sum(each.get_write_buffer_size() for each in (self.transport, self._wire) if each)

    @property
    def _is_sending(self) -> bool:
        return self.flow.write_paused or self.transport.is_closing() or self._unsent_bytes > HIGH_WATER_LIMIT

    def _check_sent(self, now: float) -> None:
        """Abort when the client takes nothing; TLS would wait for a client that does not say goodbye."""
        unsent_bytes = self._unsent_bytes
        is_over = (self.transport.is_closing() and not unsent_bytes) or self._lingering.is_over(now, self._stop_at)
        is_slow = self._sent.is_too_slow(unsent_bytes, now, is_complete=not self._is_streaming)
        if self._sent.is_stuck(unsent_bytes, now) or is_slow or is_over:
            self.evict()

    def _count_untaken(self) -> None:
        """Count what the client has not taken, and close when all that it holds is more than its share."""
        if self._untaken:
            self._untaken.resize(self._unsent_bytes)
            if self._untaken.held and self._untaken.is_too_much:
                self.evict()

    def _forget(self) -> None:
        self._connections.remove(self)
        if self._untaken:
            self._untaken.resize(0)
            self._untaken = None

    def _check_body(self, body: BodyProgress, now: float) -> None:
        if now >= self._stop_at:
            self._cut(DrainingError())
        elif self.flow.read_paused:
            body.rate.restart()
            self._connections.mark_busy(self)
        elif body.rate.is_too_low(now):
            self._cut(BodyTimeoutError(str(body.rate)))
        elif body.rate.is_brisk:
            self._connections.mark_busy(self)
        else:
            self._connections.mark_idle(self)

    def _mark_if_idle(self) -> None:
        if self._progress.body is None and self.cycle.response_complete:
            self._progress.head.rest(self.loop.time())
            self._connections.mark_idle(self)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        whole = WholeRequest(app, cycle, self._lingering)
        super()._start_asgi_task(cycle, partial(self._cut_off.call, whole, cycle))

    def _shed_refusal(self) -> bytes | None:
        """Return the answer to a frame that is refused at once under overload; None to let the request in."""
        parser, is_quiet = self.parser, not (self._is_answering or self.flow.write_paused)
        is_plain = parser.get_method() == b"POST" and parser.get_http_version() == "1.1" and parser.should_keep_alive()
        if not (is_quiet and is_plain) or self._shed_count >= MAX_SHED_AT_ONCE:
            return None
        refusal = self._shedder.refusal(self.url, self.headers, self.scope["client"])
        self._shed_count += refusal is not None
        return refusal

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        """Answer what is not a request, and close. While earlier requests wait for their answers, only close."""
        if self._progress.body is not None:
            self._cut(UndecodableFrameError(sentence))
            return
        self._is_refused = True
        duration_ms = round(1000 * self._progress.head.elapsed_s(self.loop.time()), 3)
        names = names_in(self.headers)
        self._report(new_record(names, status=status, detail=sentence, duration_ms=duration_ms), None, None)
        last = self.pipeline[0][0] if self.pipeline else self._answering
        if last and not last.response_complete:
            last.keep_alive = False
            return
        answer = plain_text(status, sentence, names)
        is_head = bool(self.url) and self.parser.get_method() == b"HEAD"
        self._write(status, answer.removesuffix(sentence.encode()) if is_head else answer)
        self.transport.close()

    def _cut(self, error: Exception) -> None:
        """Give up on a body: the application gets the error, and the connection ends with the answer."""
        self._is_refused, self._progress.body = True, None
        self.cycle.keep_alive = False
        if self.cycle.response_complete:
            self.transport.close()
        else:
            self._cut_off.begin(self.cycle, error)

    def _write(self, status: HTTPStatus, rest: bytes) -> None:
        """Send an answer. `rest`: its header fields and body."""
        parts = [part for name, value in self.server_state.default_headers for part in (name, b": ", value, b"\r\n")]
        self.transport.write(b"".join([STATUS_LINE[status], *parts, rest]))

    def _read_on(self, rest: bytes) -> None:
        """Read the body of a request that offers an upgrade; the connection ends with its answer."""
        self.cycle.keep_alive = False
        events = ParserEvents(self, self._progress, self._limits.max_header_bytes)
        self.parser = httptools.HttpRequestParser(BodyEvents(events))
        self.data_received(head_for_body(self.headers) + rest)
