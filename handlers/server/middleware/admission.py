"""Who may come in: frames are refused at once when no lane, no queue place or no memory is left for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.context import WELL_FORMED_NAME, Context, RequestRecord
from handlers.server.middleware.body_limit import declared_bytes
from models.errors import ModelNotFoundError, OverloadedError

STREAM = "stream"
"""The query parameter that names a stream."""


class AdmissionMiddleware:
    """Stands where the operation is known and no byte of the body has been read yet.

    Bytes in flight count as they arrive, for as long as the request is in the house: who declares much and sends little
    holds little. There must be room for what is declared, though. The queue place is taken once the body is complete.
    """

    def __init__(self, next_app: ASGIApp, operations: frozenset[str], budget: "BytesBudget") -> None:
        """Guard the `operations` (by operationId) that take frames; the others pass."""
        self._next_app = next_app
        self._operations = operations
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; raises ModelNotFoundError, NotReadyError or OverloadedError."""
        if scope["type"] != "http" or scope["extensions"][ROUTING_CONTEXT]["operation_id"] not in self._operations:
            await self._next_app(scope, receive, send)
            return
        context: Context = scope["state"]["context"]
        record: RequestRecord = scope["state"]["record"]
        record.stream = scope["state"]["stream"] = stream_of(scope["query_string"], scope["client"])
        self._refuse_if_unavailable(context, scope, record)
        self._budget.refuse_if_no_room(declared_bytes(scope))
        with self._budget.reservation() as reservation:

            async def receive_reserved() -> Message:
                message = await receive()
                reservation.grow(len(message.get("body", b"")))
                return message

            await self._next_app(scope, receive_reserved, send)

    @staticmethod
    def _refuse_if_unavailable(context: Context, scope: Scope, record: RequestRecord) -> None:
        try:
            context.engine.refuse_if_unavailable(context.model_for(scope), record.stream)
        except ModelNotFoundError:
            if record.check_key is None:  # else the key in the form comes first: no stranger learns the models' names
                raise


def stream_of(query: bytes, client: tuple[str, int] | None) -> str:
    """Return the stream that a frame is of: as its caller names it, else `@` and its caller's address."""
    name = QueryParams(query).get(STREAM, "") if query else ""
    return name if WELL_FORMED_NAME.fullmatch(name) else f"@{(client or ('',))[0]}"


@dataclass(slots=True)
class BytesBudget:
    """How many bytes of bodies may be in the house at once. Used on the event loop only, so it needs no lock.

    `retry_after_s`: tells how long those must wait for whom there is no room.
    """

    max_bytes: int
    retry_after_s: Callable[[], int]
    in_flight: int = 0

    def refuse_if_no_room(self, size_bytes: int) -> None:
        """Raise OverloadedError when so many bytes more would be too many."""
        if self.in_flight + size_bytes > self.max_bytes:
            raise OverloadedError(
                "Too many large frames are being received at once; send the next one a little later.",
                "bytes_in_flight",
                self.retry_after_s(),
            )

    @contextmanager
    def reservation(self) -> Iterator["Reservation"]:
        """Hold what the reservation grows by until the block ends."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self.in_flight -= reservation.held


@dataclass(slots=True)
class Reservation:
    """What one request holds of the budget."""

    budget: BytesBudget
    held: int = 0

    def grow(self, size_bytes: int) -> None:
        """Hold so many bytes more; raises OverloadedError when the budget has none left."""
        self.budget.refuse_if_no_room(size_bytes)
        self.budget.in_flight += size_bytes
        self.held += size_bytes
