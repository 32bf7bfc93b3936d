"""The byte limit of bodies, enforced before routing."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.errors import BodyTooLargeError


class BodyLimitMiddleware:
    """Refuses bodies of more than `max_body_bytes`.

    A declared length is refused before a byte is read; otherwise the bytes are counted as they arrive.
    """

    def __init__(self, next_app: ASGIApp, max_body_bytes: int) -> None:
        self._next_app = next_app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; raises BodyTooLargeError."""
        if scope["type"] != "http":
            await self._next_app(scope, receive, send)
            return
        self._refuse_too_large(declared_bytes(scope))
        received_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            self._refuse_too_large(received_bytes)
            return message

        await self._next_app(scope, receive_counted, send)

    def _refuse_too_large(self, size_bytes: int) -> None:
        if size_bytes > self._max_body_bytes:
            raise BodyTooLargeError(
                f"The body is larger than the limit of {self._max_body_bytes} bytes; "
                "send smaller frames, or raise FRAMEHOOK_MAX_BODY_BYTES."
            )


def declared_bytes(scope: Scope) -> int:
    """Return the Content-Length, or 0 without one; uvicorn has refused anything but digits."""
    return int(Headers(scope=scope).get("content-length", "0"))
