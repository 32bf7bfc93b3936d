"""Requests as uvicorn knows them: its cycles, one that was answered already, and one whose body was cut off."""

import asyncio
from typing import Any

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


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

        await app(scope, receive_or_raise, send)
