"""Requests as uvicorn knows them: cycles, one that is answered already, one whose body is cut off, HTTP/1.0."""

import asyncio
import math
from functools import partial
from typing import Any

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from handlers.server.wire.http_head import HTTP_1_0

LINGER_S = 2.0
"""How long the rest of a body is read and dropped after an answer that ends the connection."""


class AnsweredCycle(RequestResponseCycle):
    """A request that was answered without the application: uvicorn drops the rest of its body."""

    def __init__(self) -> None:
        self.response_complete = True
        self.disconnected = False
        self.keep_alive = True
        self.message_event = asyncio.Event()


class CutOff:
    """Why the body of one request will never be complete: its application gets the error instead of the rest."""

    def __init__(self) -> None:
        self._cycle: RequestResponseCycle | None = None
        self._error: Exception | None = None

    def begin(self, cycle: RequestResponseCycle, error: Exception) -> None:
        """Cut off the body of a request, and wake the application that waits for it."""
        self._cycle, self._error = cycle, error
        cycle.message_event.set()

    async def call(self, app: Any, cycle: RequestResponseCycle, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application; its `receive` raises the error once the body of this request is cut off."""

        async def receive_or_raise() -> Message:
            message = await receive()
            if self._error and self._cycle is cycle and message["type"] == "http.request":
                raise self._error
            return message

        answer = Http10(cycle, send).send if scope["http_version"] == HTTP_1_0 else send
        await app(scope, receive_or_raise, answer)


class Lingering:
    """What a connection does after an answer that ends it, while its client still sends: it reads on, for a while.

    If it was closed at once, the client would lose the answer (RFC 9112, section 9.6), and FFmpeg would give up.
    """

    def __init__(self) -> None:
        self._until = math.inf

    def begin(self, transport: Any) -> None:
        """Show the client the end of the answer, and drop what it sends from now on."""
        self._until = asyncio.get_running_loop().time() + LINGER_S
        if transport.can_write_eof():  # not under TLS
            transport.write_eof()

    @property
    def has_begun(self) -> bool:
        """Return whether the connection ends once its client has sent all."""
        return self._until < math.inf

    def is_over(self, now: float, stop_at: float) -> bool:
        """Return whether the client has had time enough, or the server stops; by the event loop's clock, in seconds."""
        return self.has_begun and now >= min(self._until, stop_at)


class WholeRequest:
    """An application that answers one request, with what uvicorn would lose.

    A body that is whole is delivered although its client has hung up. An answer that comes before the end of the body
    does not close the connection at once.
    """

    def __init__(self, app: Any, cycle: RequestResponseCycle, lingering: Lingering) -> None:
        self._app, self._cycle, self._lingering = app, cycle, lingering
        self._is_delivered = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request."""
        await self._app(scope, partial(self._receive, receive), partial(self._send, send))

    async def _receive(self, receive: Receive) -> Message:
        message = await receive()
        cycle, is_over = self._cycle, message["type"] == "http.disconnect"
        if is_over and not (cycle.more_body or cycle.response_complete or self._is_delivered):
            message = {"type": "http.request", "body": bytes(cycle.body), "more_body": False}
        self._is_delivered = self._is_delivered or not message.get("more_body", True)
        return message

    async def _send(self, send: Send, message: Message) -> None:
        cycle, is_last = self._cycle, message["type"] == "http.response.body" and not message.get("more_body")
        is_early = is_last and cycle.more_body and not (cycle.keep_alive or cycle.disconnected)
        cycle.keep_alive = cycle.keep_alive or is_early  # else uvicorn closes
        await send(message)
        if is_early:
            self._lingering.begin(cycle.transport)


class Http10:
    """An answer to HTTP/1.0, which knows neither chunks (RFC 9112, section 6.1) nor 100 (RFC 9110, section 10.1.1).

    Without a length it ends with the connection, which uvicorn closes after each answer to HTTP/1.0.
    """

    def __init__(self, cycle: RequestResponseCycle, send: Send) -> None:
        cycle.waiting_for_100_continue = False
        self._cycle, self._send = cycle, send
        self._has_length = True

    async def send(self, message: Message) -> None:
        """Send the head, or a part of the body."""
        if message["type"] == "http.response.start":
            self._has_length = any(name.lower() == b"content-length" for name, _ in message["headers"])
            self._cycle.chunked_encoding = None if self._has_length else False
        elif not self._has_length:
            self._cycle.expected_content_length = len(message.get("body", b""))
        await self._send(message)
