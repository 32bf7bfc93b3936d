"""Who may do what: the credentials of the operations that declare some in the contract."""

import hashlib
import hmac
from typing import Any

from connexion.lifecycle import ConnexionRequest
from connexion.security import AbstractSecurityHandler
from pydantic import SecretStr

from handlers.errors import ReloadDisabledError, UnauthorizedError

SCHEME = "bearer"


class BearerToken(AbstractSecurityHandler):  # type: ignore[misc]  # connexion has no types
    """The scheme `reloadToken` of the contract: one token, as a setting gives it."""

    def __init__(self, token: SecretStr | None) -> None:
        """Take the token; with None, nobody may come in."""
        self._digest = _digest(token.get_secret_value()) if token else None

    def get_fn(self, security_scheme: dict[str, Any], required_scopes: list[str]) -> Any:  # noqa: ARG002
        """Return what checks a request, as connexion wants it."""
        return self._check

    def _check(self, request: ConnexionRequest) -> dict[str, Any]:
        if self._digest is None:
            raise ReloadDisabledError("Models are not reloaded on request; FRAMEHOOK_RELOAD_TOKEN switches it on.")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != SCHEME or not hmac.compare_digest(_digest(token.strip()), self._digest):
            raise UnauthorizedError("Send the header Authorization: Bearer and the token of FRAMEHOOK_RELOAD_TOKEN.")
        return {}


def _digest(token: str) -> bytes:
    """Return the SHA-256, so that comparing tells nothing, not even a length."""
    return hashlib.sha256(token.encode()).digest()
