"""Admission: frames are refused at once when no lane, no queue place or no memory is left for them."""

from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.context import Context, RequestRecord
from handlers.deepstack.dialect import pending_key
from handlers.parsing.queries import stream_of
from handlers.server.access.callers import caller_of
from handlers.server.middleware.body_limit import declared_bytes
from handlers.server.middleware.bytes_in_flight import BytesBudget
from models.errors import ModelNotFoundError


class AdmissionMiddleware:
    """Guards the `operations` (by operationId) that take frames, before a byte of the body is read.

    Bytes in flight count as they arrive, until the request ends: a client that declares much and sends little holds
    little. There must be room for the declared length, though. The queue place is taken once the body is complete.
    """

    def __init__(self, next_app: ASGIApp, operations: frozenset[str], budget: BytesBudget) -> None:
        self._next_app = next_app
        self._operations = operations
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; raises ModelNotFoundError, or an UnavailableError."""
        if scope["type"] != "http" or scope["extensions"][ROUTING_CONTEXT]["operation_id"] not in self._operations:
            await self._next_app(scope, receive, send)
            return
        context: Context = scope["state"]["context"]
        record: RequestRecord = scope["state"]["record"]
        caller, stream = caller_of(scope["client"]), stream_of(scope["query_string"])
        scope["state"]["caller"], scope["state"]["stream"] = caller, stream
        record.stream, record.caller = stream, caller
        try:
            context.dataplane.refuse_if_unavailable(context.model_for(scope), stream, caller)
        except ModelNotFoundError:
            if pending_key(scope) is None:  # else the operation reports it, once it knows who asks
                raise
        self._budget.refuse_if_no_room(caller, declared_bytes(scope))
        with self._budget.reservation(caller) as reservation:

            async def receive_reserved() -> Message:
                message = await receive()
                reservation.grow(len(message.get("body", b"")))
                return message

            await self._next_app(scope, receive_reserved, send)
