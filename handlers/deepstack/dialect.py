"""What sets the dialect's requests apart: their paths, the shape of refusals, keys in forms, forms left unparsed.

The operations of the dialect use this module, and so do the server's middleware and access control.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import Receive, Scope

FORM_TYPE = "multipart/form-data"

PATH_PREFIX = "/v1/"
"""Clients of these paths expect refusals in the shape of DeepStack."""

SENTENCES = {
    "unauthorized": "Send a known credential. With a picture, a token in the form's field api_key is enough; "
    "the header WWW-Authenticate lists the other schemes.",
}
"""Sentences of the dialect's own: the last part of a problem's type → what its clients read instead."""

PENDING_KEY = "pending_key"
FORM_CONTENT_TYPE = "form_content_type"
"""Names in the request's state."""


def is_dialect(path: str) -> bool:
    """Return whether a path is one of the dialect's."""
    return path.startswith(PATH_PREFIX)


def is_form(content_type: str) -> bool:
    """Return whether a body of this Content-Type is a form, which may hold a key."""
    return content_type.lower().startswith(FORM_TYPE)


def refusal(status: int, slug: str, sentence: str) -> tuple[str, str]:
    """Return the sentence that the dialect's clients read, and the JSON document that holds it.

    `slug`: the last part of the problem's type. `sentence`: what other clients read.
    """
    sentence = SENTENCES.get(slug, sentence)
    return sentence, json.dumps({"success": False, "error": sentence, "code": status}, ensure_ascii=False)


@dataclass(slots=True)
class PendingKey:
    """The key of a form that was admitted without a credential in its headers: access is decided once it is read.

    `admit`: checks a key; raises UnauthorizedError or ForbiddenError. `is_admitted`: whether it has accepted one.
    """

    admit: Callable[[str], None]
    is_admitted: bool = False

    def check(self, key: str) -> None:
        """Check the form's key, empty when the form has none; raises UnauthorizedError or ForbiddenError."""
        self.admit(key)
        self.is_admitted = True


def pending_key(scope: Scope) -> PendingKey | None:
    """Return the key that a request's form still has to show; None when access is already decided."""
    key: PendingKey | None = scope["state"].get(PENDING_KEY)
    return key


class UnparsedForm:
    """Replaces connexion's validator of forms: the operations read forms themselves, within limits and in memory.

    connexion parses a form, into files, wherever it sees the header Content-Type. So the header moves to the request's
    state, under `FORM_CONTENT_TYPE`.
    """

    def __init__(self, **_: Any) -> None:
        pass  # connexion passes a validator's options

    async def wrap_receive(self, receive: Receive, *, scope: Scope) -> tuple[Receive, Scope]:
        """Return the request as the next layers see it."""
        scope = {**scope, "headers": list(scope["headers"])}
        headers = MutableHeaders(scope=scope)
        scope["state"][FORM_CONTENT_TYPE] = headers.get("content-type", "")
        del headers["content-type"]
        return receive, scope
