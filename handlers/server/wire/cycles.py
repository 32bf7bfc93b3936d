"""Requests as uvicorn knows them: cycles, one that is answered already, one whose body is cut off, HTTP/1.0."""

import asyncio
from typing import Any

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from handlers.server.wire.http_head import HTTP_1_0


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
