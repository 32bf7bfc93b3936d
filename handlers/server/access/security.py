"""Access control: the permissions that operations require, and those that credentials have."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from connexion.lifecycle import ConnexionRequest
from connexion.middleware.abstract import ROUTING_CONTEXT
from connexion.security import NO_VALUE, AbstractSecurityHandler
from starlette.types import Scope

from handlers.context import Context, RequestRecord
from handlers.deepstack.dialect import PENDING_KEY, PendingKey, is_form
from handlers.errors import ForbiddenError
from handlers.server.access.credentials import Credential, Permission
from handlers.server.access.recognition import Recognition, Scheme, peer_of
from models.errors import ModelNotFoundError

GUARDED = {"configure", "admin"}
"""Permissions without which nobody may change anything; they are never open."""
OF_ONE_MODEL = {"infer", "admin"}
"""Permissions that a credential may have for some models only."""


@dataclass(frozen=True, slots=True)
class Security:
    """Decides which requests are allowed.

    `anonymous_may`: permissions that need no credential. `default_model`: the model of operations whose path names
    none.
    """

    recognition: Recognition
    anonymous_may: Collection[Permission]
    default_model: str

    @property
    def is_on(self) -> bool:
        """Return whether there are any credentials; without them everything is open that is not guarded."""
        return bool(self.recognition.credentials)

    def is_open(self, permission: str) -> bool:
        """Return whether operations that require this permission need no credential."""
        return permission not in GUARDED and (not self.is_on or permission in self.anonymous_may)

    def handlers(
        self, permissions: Mapping[str, Permission], forms: Collection[str] = ()
    ) -> dict[Scheme, Callable[[], AbstractSecurityHandler]]:
        """Return connexion's security handlers, by scheme.

        `permissions`: operationId → the permission it requires. `forms`: operationIds of those that accept a token in a
        form.
        """
        make = partial(_Handler, partial(self._decide, permissions, forms))
        return {"digest": make, "basic": make, "bearer": make, "apiKey": make}

    async def _decide(
        self, permissions: Mapping[str, Permission], forms: Collection[str], request: ConnexionRequest
    ) -> dict[str, str]:
        """Admit a request, or leave a PendingKey in its state where the token may be in the body, not yet read.

        Raises UnauthorizedError, TooManyFailuresError and ForbiddenError.
        """
        scope: Scope = request.scope
        record: RequestRecord = scope["state"]["record"]
        record.peer = peer_of(request)
        operation = scope["extensions"][ROUTING_CONTEXT]["operation_id"]
        permission = permissions[operation]
        if not self.is_on:
            raise ForbiddenError(f"Nobody may do that here: no credential with the permission {permission} exists.")
        is_keyed_form = operation in forms and is_form(request.headers.get("content-type", ""))
        if is_keyed_form and not self.recognition.has_credential(request):
            scope["state"][PENDING_KEY] = PendingKey(
                lambda token: self._admit(self.recognition.identify_token(token), permission, scope)
            )
            return {}
        credential = await self.recognition.identify(request)
        self._admit(credential, permission, scope)
        return {"sub": credential.name}

    def _admit(self, credential: Credential, permission: Permission, scope: Scope) -> None:
        """Record the credential's name; raises ForbiddenError when it lacks the permission for the request's model."""
        scope["state"]["record"].credential = credential.name
        is_for_others = credential.models is not None and self._model_of(scope) not in credential.models
        if permission not in credential.may or (is_for_others and permission in OF_ONE_MODEL):
            raise ForbiddenError(
                "This credential may not do that; its entry in the credentials lists its permissions and models."
            )

    def _model_of(self, scope: Scope) -> str | None:
        """Return the name of the model that a request is for; None when no model fits, which the operation reports."""
        context: Context = scope["state"]["context"]
        try:
            return context.model_for(scope) or self.default_model
        except ModelNotFoundError:
            return None


class _Handler(AbstractSecurityHandler):  # type: ignore[misc]  # connexion has no types
    """One scheme, in connexion's interface.

    connexion calls the handlers of all schemes one after the other, and a later one may overrule an earlier refusal.
    So the first handler decides for all, and the others abstain.
    """

    def __init__(self, decide: Callable[[ConnexionRequest], Any]) -> None:
        self._decide = decide

    def get_fn(self, security_scheme: dict[str, Any], required_scopes: list[str]) -> Any:  # noqa: ARG002
        """Return the function that checks a request."""
        return self._check

    async def _check(self, request: ConnexionRequest) -> Any:
        state = request.scope["state"]
        if state.get("is_decided"):
            return NO_VALUE
        state["is_decided"] = True
        return await self._decide(request)
