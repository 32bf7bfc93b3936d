"""Content-Type and Content-Encoding: rewritten as connexion reads them, or refused."""

import re

from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.errors import MalformedContentTypeError, UnsupportedContentEncodingError

MAX_LENGTH = 1024
"""Of a Content-Type; GStreamer's descriptions of raw frames have some 200 characters."""
WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
MEDIA_TYPE = re.compile(rf"({WORD}/{WORD})[ \t]*(?:;[ \t]*(.*))?", re.DOTALL)
"""RFC 9110, section 8.3.1: type/subtype and parameters, blanks around the semicolon allowed."""


class MediaTypeMiddleware:
    """Runs once the operation is known. `operations_with_body`: the operationIds of those that take a body."""

    def __init__(self, next_app: ASGIApp, operations_with_body: frozenset[str]) -> None:
        self._next_app = next_app
        self._operations_with_body = operations_with_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; raises UnsupportedContentEncodingError or MalformedContentTypeError."""
        if scope["type"] == "http":
            headers = MutableHeaders(scope=scope)
            if scope["extensions"][ROUTING_CONTEXT]["operation_id"] in self._operations_with_body:
                refuse_content_encoding(headers)
                normalise_content_type(headers)
            else:
                del headers["content-type"]  # connexion would parse a body that the operation does not take
        await self._next_app(scope, receive, send)


def refuse_content_encoding(headers: MutableHeaders) -> None:
    """Raise UnsupportedContentEncodingError for a compressed body."""
    if any(value.strip().lower() not in {"", "identity"} for value in headers.getlist("content-encoding")):
        raise UnsupportedContentEncodingError("Send the picture itself, without a Content-Encoding.")


def normalise_content_type(headers: MutableHeaders) -> None:
    """Write the type in lower case, drop the blanks around semicolons, and the header itself when it is empty.

    Raises MalformedContentTypeError when it is not type/subtype, is too long, or there are several.
    """
    values = headers.getlist("content-type")
    if not any(value.strip() for value in values):
        del headers["content-type"]
        return
    match = MEDIA_TYPE.fullmatch(values[0].strip())
    if not match or len(values) > 1 or len(values[0]) > MAX_LENGTH:
        raise MalformedContentTypeError(
            "The header Content-Type is malformed: expected one type/subtype, such as image/jpeg."
        )
    media_type, parameters = match[1].lower(), match[2]
    headers["content-type"] = f"{media_type};{parameters}" if parameters else media_type
