"""Who may do what: the permissions that operations ask for, and those that credentials have."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from connexion.lifecycle import ConnexionRequest
from connexion.middleware.abstract import ROUTING_CONTEXT
from connexion.security import NO_VALUE, AbstractSecurityHandler
from starlette.types import Scope

from handlers.context import Context, RequestRecord
from handlers.errors import ForbiddenError
from handlers.server.access.credentials import Credential, Permission
from handlers.server.access.recognition import Recognition, Scheme, peer_of

OF_ONE_MODEL = {"infer", "admin"}
"""Permissions that a credential may have for some models only."""


@dataclass(frozen=True, slots=True)
class Security:
    """What is open, and what else credentials may do.

    `anonymous_may`: permissions that need no credential. `default_model`: the one behind operations that take frames
    without a model in their path.
    """

    recognition: Recognition
    anonymous_may: Collection[Permission]
    default_model: str

    @property
    def is_on(self) -> bool:
        """Tell whether there are any credentials; without, everything is open but what only administrators may."""
        return bool(self.recognition.credentials)

    def is_open(self, permission: str) -> bool:
        """Tell whether operations that ask for this permission need no credential."""
        return permission != "admin" and (not self.is_on or permission in self.anonymous_may)

    def handlers(
        self, permissions: Mapping[str, Permission], forms: Collection[str] = ()
    ) -> dict[Scheme, Callable[[], AbstractSecurityHandler]]:
        """Return what connexion calls, for each scheme.

        `permissions`: operationId → what it asks for. `forms`: the operations to which a token may come in a form.
        """
        make = partial(_Handler, partial(self._decide, permissions, forms))
        return {"digest": make, "basic": make, "bearer": make, "apiKey": make}

    async def _decide(
        self, permissions: Mapping[str, Permission], forms: Collection[str], request: ConnexionRequest
    ) -> dict[str, str]:
        """Let a request in, for now where its token may come in the body, which is not yet read.

        Raises UnauthorizedError, TooManyFailuresError and ForbiddenError.
        """
        scope: Scope = request.scope
        record: RequestRecord = scope["state"]["record"]
        record.peer = peer_of(request)
        operation = scope["extensions"][ROUTING_CONTEXT]["operation_id"]
        permission = permissions[operation]
        if not self.is_on:
            raise ForbiddenError(f"Nobody is allowed to do that here; it takes a credential that may {permission}.")
        if operation in forms and is_form(request) and not self.recognition.is_brought(request):
            record.check_key = lambda token: self._admit(self.recognition.whose(token), permission, scope)
            return {}
        credential = await self.recognition.who(request)
        self._admit(credential, permission, scope)
        return {"sub": credential.name}

    def _admit(self, credential: Credential, permission: Permission, scope: Scope) -> None:
        """Take note of whose credential it is; raises ForbiddenError when it may not do what is asked for."""
        scope["state"]["record"].credential = credential.name
        context: Context = scope["state"]["context"]
        model = context.model_for(scope) or self.default_model
        is_for_others = credential.models is not None and model not in credential.models
        if permission not in credential.may or (is_for_others and permission in OF_ONE_MODEL):
            raise ForbiddenError(
                "This credential is not allowed to do that; its entry among the credentials says what it may do."
            )


def is_form(request: ConnexionRequest) -> bool:
    """Tell whether the body of a request is a form, in which a token may come."""
    return bool(request.headers.get("content-type", "").lower().startswith("multipart/form-data"))


class _Handler(AbstractSecurityHandler):  # type: ignore[misc]  # connexion has no types
    """One scheme, as connexion wants it.

    connexion asks the handlers of all schemes one after the other, and takes a later one's yes for an earlier one's no;
    so the first that is asked decides for all, and the others have nothing to say.
    """

    def __init__(self, decide: Callable[[ConnexionRequest], Any]) -> None:
        self._decide = decide

    def get_fn(self, security_scheme: dict[str, Any], required_scopes: list[str]) -> Any:  # noqa: ARG002
        """Return what checks a request."""
        return self._check

    async def _check(self, request: ConnexionRequest) -> Any:
        state = request.scope["state"]
        if state.get("is_decided"):
            return NO_VALUE
        state["is_decided"] = True
        return await self._decide(request)
