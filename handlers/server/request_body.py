"""What is settled about a body before the contract is consulted: its size, its coding, and its label."""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.errors import BodyTooLargeError, MalformedContentTypeError, UnsupportedContentEncodingError

BODILESS_METHODS = ("GET", "HEAD")
WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
MEDIA_TYPE = re.compile(rf"({WORD}/{WORD})[ \t]*(?:;[ \t]*(.*))?", re.DOTALL)
"""RFC 9110, section 8.3.1: type/subtype and parameters, blanks around the semicolon allowed."""


class RequestBodyMiddleware:
    """Refuses bodies that are too large or compressed, and brings their Content-Type into the form connexion reads.

    The size is checked before a byte is read where the length is declared, and as the bytes arrive where it is not.
    """

    def __init__(self, next_app: ASGIApp, max_body_bytes: int) -> None:
        """Refuse bodies of more than `max_body_bytes`."""
        self._next_app = next_app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._next_app(scope, receive, send)
            return
        if scope["method"] in BODILESS_METHODS:
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
            await self._next_app(scope, receive, send)
            return
        headers = MutableHeaders(scope=scope)
        self._refuse_too_large(declared_bytes(headers))
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise UnsupportedContentEncodingError("Send the picture itself, without a Content-Encoding.")
        normalise_content_type(headers)
        await self._next_app(scope, self._counting(receive), send)

    def _counting(self, receive: Receive) -> Receive:
        received_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            self._refuse_too_large(received_bytes)
            return message

        return receive_counted

    def _refuse_too_large(self, size_bytes: int) -> None:
        if size_bytes > self._max_body_bytes:
            raise BodyTooLargeError(
                f"The body is larger than the limit of {self._max_body_bytes} bytes; "
                "send smaller frames or raise max_body_bytes."
            )


def declared_bytes(headers: Headers) -> int:
    """Return the Content-Length, or 0 without one; uvicorn has refused anything but digits."""
    return int(headers.get("content-length", "0"))


def normalise_content_type(headers: MutableHeaders) -> None:
    """Drop the blanks around semicolons, and the header itself when it is empty.

    Raises MalformedContentTypeError when it is not type/subtype.
    """
    value = headers.get("content-type", "").strip()
    if not value:
        del headers["content-type"]
        return
    match = MEDIA_TYPE.fullmatch(value)
    if not match:
        raise MalformedContentTypeError(
            "The header Content-Type is malformed: expected type/subtype, such as image/jpeg."
        )
    media_type, parameters = match.groups()
    headers["content-type"] = f"{media_type};{parameters}" if parameters else media_type
