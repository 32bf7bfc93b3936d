"""Authentication fails closed: no answer leaves an operation that has not checked the key of its form."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.deepstack.dialect import PendingKey, pending_key
from handlers.errors import EdgeError, ForbiddenError, TooManyFailuresError, UnauthorizedError
from handlers.server.middleware.problems import HANG_UP_ERRORS, INTERNAL_PROBLEM, find_problem
from models.errors import ModelsError

SHOWN_ERRORS = (UnauthorizedError, TooManyFailuresError, ForbiddenError, *HANG_UP_ERRORS)
"""Refusals that a client may see while its key is pending: of the key itself, and of a body that was not read."""


class PendingKeyMiddleware:
    """Replaces answers with 401 while a key is pending. Runs right after access control, before any other layer.

    Only the answer is withheld: what the operation did before it answered is done.
    """

    def __init__(self, next_app: ASGIApp) -> None:
        self._next_app = next_app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection; raises UnauthorizedError instead of an answer before its first byte is sent."""
        key = pending_key(scope) if scope["type"] == "http" else None
        if key is None:
            await self._next_app(scope, receive, send)
            return

        async def send_if_admitted(message: Message) -> None:
            if not key.is_admitted:
                raise UnauthorizedError
            await send(message)

        try:
            await self._next_app(scope, receive, send_if_admitted)
        except (EdgeError, ModelsError, HTTPException) as error:
            if _must_hide(error, key):
                raise UnauthorizedError from error
            raise


def _must_hide(error: Exception, key: PendingKey) -> bool:
    """Return whether a refusal must become 401: its key is pending, and it describes the request or the models.

    Failures of our own and refusals by a busy service stay: their sentences are the same for every request.
    """
    is_descriptive = find_problem(error).status < INTERNAL_PROBLEM.status and not isinstance(error, SHOWN_ERRORS)
    return is_descriptive and not key.is_admitted
