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
        receive_whole = WholeBody(cycle, receive).receive

        async def receive_or_raise() -> Message:
            message = await receive_whole()
            if self._error and self._cycle is cycle and message["type"] == "http.request":
                raise self._error
            return message

        await app(scope, receive_or_raise, send)


class WholeBody:
    """The body of one request. It is delivered although its client has hung up, if it is whole; uvicorn forgets it."""

    def __init__(self, cycle: RequestResponseCycle, receive: Receive) -> None:
        self._cycle, self._receive = cycle, receive
        self._is_delivered = False

    async def receive(self) -> Message:
        """Return the next part of the body, or that the client has hung up."""
        message = await self._receive()
        cycle, is_over = self._cycle, message["type"] == "http.disconnect"
        if is_over and not (cycle.more_body or cycle.response_complete or self._is_delivered):
            message = {"type": "http.request", "body": bytes(cycle.body), "more_body": False}
        self._is_delivered = self._is_delivered or not message.get("more_body", True)
        return message
