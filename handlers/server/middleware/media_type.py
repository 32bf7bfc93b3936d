"""Content-Type and Content-Encoding: rewritten as connexion reads them, or refused."""

import re
from collections.abc import Mapping
from typing import Any

from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.deepstack.dialect import FORM_TYPE
from handlers.errors import MalformedContentTypeError, UnsupportedContentEncodingError

ANY_BYTES, JSON_TYPE = "application/octet-stream", "application/json"
IS_UNLISTED_TYPE = "is_unlisted_type"
"""Name in the request's state."""
MAX_LENGTH = 1024
"""Of a Content-Type; GStreamer's descriptions of raw frames have some 200 characters."""
WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
MEDIA_TYPE = re.compile(rf"({WORD}/{WORD})[ \t]*(?:;[ \t]*(.*))?", re.DOTALL)
"""RFC 9110, section 8.3.1: type/subtype and parameters, blanks around the semicolon allowed."""


class MediaTypeMiddleware:
    """Runs once the operation is known.

    `media_types`: those that the contract lists, of the operations that take a body: operationId → media types.
    `operations_with_form`: the operationIds of those that take a frame in a form. Those that take JSON read every body
    as JSON. All others take frames, whose bytes decide: an unlisted type counts as application/octet-stream, or as that
    of a form.
    """

    def __init__(
        self, next_app: ASGIApp, media_types: Mapping[str, frozenset[str]], operations_with_form: frozenset[str]
    ) -> None:
        self._next_app = next_app
        self._media_types = media_types
        self._operations_with_form = operations_with_form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; raises UnsupportedContentEncodingError or MalformedContentTypeError."""
        if scope["type"] == "http":
            headers = MutableHeaders(scope=scope)
            operation = scope["extensions"][ROUTING_CONTEXT]["operation_id"]
            if operation in self._media_types:
                refuse_content_encoding(headers)
                normalise_content_type(headers)
                if self._media_types[operation] == {JSON_TYPE}:
                    headers["content-type"] = JSON_TYPE
                else:
                    any_type = FORM_TYPE if operation in self._operations_with_form else ANY_BYTES
                    is_unlisted = replace_unlisted(headers, self._media_types[operation], any_type)
                    scope["state"][IS_UNLISTED_TYPE] = is_unlisted
            else:
                del headers["content-type"]  # connexion would parse a body that the operation does not take
        await self._next_app(scope, receive, send)


class Unparsed:
    """Replaces connexion's validator of JSON: operations read it themselves, within limits."""

    def __init__(self, **_: Any) -> None:
        pass  # connexion passes a validator's options

    async def wrap_receive(self, receive: Receive, *, scope: Scope) -> tuple[Receive, Scope]:
        """Return the request as the next layers see it."""
        return receive, scope


def refuse_content_encoding(headers: MutableHeaders) -> None:
    """Raise UnsupportedContentEncodingError for a compressed body."""
    if any(value.strip().lower() not in {"", "identity"} for value in headers.getlist("content-encoding")):
        raise UnsupportedContentEncodingError("Send the body itself, without a Content-Encoding.")


def replace_unlisted(headers: MutableHeaders, listed: frozenset[str], any_type: str) -> bool:
    """Return whether the type is not one of those listed; if so, write `any_type` instead, which is."""
    media_type = headers.get("content-type", ANY_BYTES).partition(";")[0]
    if media_type in listed:
        return False
    headers["content-type"] = any_type
    return True


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
