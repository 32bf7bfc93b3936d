"""Who may do what: the schemes of the contract, and the permissions that its operations ask for."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn, TypeAlias

from connexion.lifecycle import ConnexionRequest
from connexion.middleware.abstract import ROUTING_CONTEXT
from connexion.security import NO_VALUE, AbstractSecurityHandler
from starlette.types import Scope

from handlers.context import Context, RequestRecord
from handlers.errors import ForbiddenError, UnauthorizedError
from handlers.server.back_off import BackOff
from handlers.server.credentials import REALM, Credential, Permission, token_hash
from handlers.server.digest import ALGORITHMS, Algorithm, DigestAnswer, Nonces, expected_response, parse_answer
from handlers.server.passwords import Passwords

Scheme: TypeAlias = str
Check: TypeAlias = Callable[[ConnexionRequest], Any]

LATER = object()
"""Stands for the credential of a caller whose token may come in the body, which is not yet read."""

NOBODY = Credential(name="nobody", digest_sha256=secrets.token_hex(32))
"""Stands for users that are not known, so that the way is the same as for those that are."""


@dataclass(slots=True)
class Security:
    """Recognises callers, and tells what they may do.

    `anonymous_may`: permissions that need no credential. `default_model`: the one behind operations that take frames
    without a model in their path. `api_key_header`: the header for tokens.
    """

    credentials: Collection[Credential]
    anonymous_may: Collection[Permission]
    default_model: str
    digest_md5: bool
    api_key_header: str
    _back_off: BackOff = field(default_factory=BackOff)
    _nonces: Nonces = field(default_factory=Nonces)
    _passwords: Passwords = field(init=False)
    _by_name: dict[str, Credential] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the credentials by how they come."""
        self._passwords = Passwords(self.credentials)
        self._by_name = {credential.name: credential for credential in self.credentials}

    @property
    def is_on(self) -> bool:
        """Tell whether there are any credentials; without, everything is open but what only administrators may."""
        return bool(self.credentials)

    def is_open(self, permission: str) -> bool:
        """Tell whether operations that ask for this permission need no credential."""
        return permission != "admin" and (not self.is_on or permission in self.anonymous_may)

    @property
    def schemes(self) -> tuple[Scheme, ...]:
        """Return the contract's schemes in which one of the credentials could come."""
        has_tokens = any(credential.token_sha256 for credential in self.credentials)
        on_offer = {
            "digest": bool(self._algorithms),
            "basic": bool(self._passwords),
            "bearer": has_tokens,
            "apiKey": has_tokens,
        }
        return tuple(scheme for scheme, is_on_offer in on_offer.items() if is_on_offer)

    @property
    def _algorithms(self) -> tuple[Algorithm, ...]:
        allowed = ALGORITHMS if self.digest_md5 else ALGORITHMS[:1]
        return tuple(name for name in allowed if any(each.digest_secret(name) for each in self.credentials))

    def handlers(
        self, permissions: Mapping[str, Permission], forms: Collection[str] = ()
    ) -> dict[Scheme, Callable[[], AbstractSecurityHandler]]:
        """Return what connexion calls, one handler a scheme.

        `permissions`: operationId → what it asks for. `forms`: the operations to which a token may come in a form.
        """
        api_key = partial(self._api_key, forms)
        checks: dict[Scheme, Check] = {
            "digest": self._digest,
            "basic": self._basic,
            "bearer": self._bearer,
            "apiKey": api_key,
        }
        return {scheme: partial(_Handler, partial(self._check, permissions, check)) for scheme, check in checks.items()}

    def challenges(self, *, is_stale: bool = False) -> list[str]:
        """Return the values of WWW-Authenticate, the best one first."""
        nonce, stale = self._nonces.new(), ", stale=true" if is_stale else ""
        fields = f'realm="{REALM}", qop="auth", nonce="{nonce}", charset=UTF-8, userhash=false{stale}'
        values = [f"Digest {fields}, algorithm={algorithm}" for algorithm in self._algorithms]
        if "basic" in self.schemes:
            values.append(f'Basic realm="{REALM}", charset="UTF-8"')
        if "bearer" in self.schemes:
            values.append(f'Bearer realm="{REALM}"')
        return values

    async def _check(self, permissions: Mapping[str, Permission], check: Check, request: ConnexionRequest) -> Any:
        """Have one scheme look at a request: who sent it, or NO_VALUE when it is none of the scheme's.

        Raises UnauthorizedError, ForbiddenError and TooManyFailuresError.
        """
        scope: Scope = request.scope
        record: RequestRecord = scope["state"]["record"]
        record.peer = _peer(request)
        permission = permissions[scope["extensions"][ROUTING_CONTEXT]["operation_id"]]
        if not any(permission in credential.may for credential in self.credentials):
            raise ForbiddenError(f"Nobody is allowed to do that here; it takes a credential that may {permission}.")
        credential = await check(request)
        if credential is NO_VALUE:
            return NO_VALUE
        if credential is LATER:
            record.check_key = lambda token: self._admit(self._whose(token), permission, scope)
            return {}
        self._admit(credential, permission, scope)
        return {"sub": credential.name}

    def _admit(self, credential: Credential, permission: Permission, scope: Scope) -> None:
        """Take note of whose credential it is; raises ForbiddenError when it may not do what is asked for."""
        scope["state"]["record"].credential = credential.name
        context: Context = scope["state"]["context"]
        model = context.model_for(scope) or (self.default_model if permission == "infer" else None)
        is_for_others = credential.models and model is not None and model not in credential.models
        if permission not in credential.may or is_for_others:
            raise ForbiddenError(
                "This credential is not allowed to do that; its entry among the credentials says what it may do."
            )

    async def _digest(self, request: ConnexionRequest) -> Any:
        fields = _authorization(request, "digest")
        if fields is None:
            return NO_VALUE
        answer = parse_answer(fields)
        if answer is None or answer.algorithm not in self._algorithms:
            _refuse()
        suspect = _peer(request), answer.username
        self._back_off.refuse_if_too_soon(suspect)
        credential = self._answered_by(answer, request.method)
        if credential is None or answer.uri != _target(request.scope):
            self._back_off.note_failure(suspect)
            _refuse()
        if not (self._nonces.is_fresh(answer.nonce) and self._nonces.count(answer.nonce, int(answer.nc, 16))):
            _refuse(is_stale=True)
        self._back_off.note_success(suspect)
        return credential

    def _answered_by(self, answer: DigestAnswer, method: str) -> Credential | None:
        """Return whose password the answer was made with; the way is the same for users that are not known."""
        credential = self._by_name.get(answer.username, NOBODY)
        secret = credential.digest_secret(answer.algorithm)
        expected = expected_response(answer, secret or str(NOBODY.digest_sha256), method)
        is_right = hmac.compare_digest(expected.encode(), answer.response.encode("utf-8", "surrogateescape"))
        return credential if is_right and secret and credential is not NOBODY else None

    async def _basic(self, request: ConnexionRequest) -> Any:
        fields = _authorization(request, "basic")
        if fields is None:
            return NO_VALUE
        name, password = _name_and_password(fields)
        known = self._passwords.remembered(name, password)
        if known:
            return known
        suspect = _peer(request), name
        self._back_off.refuse_if_too_soon(suspect)
        credential = await self._passwords.check(name, password, suspect[0])
        if credential is None:
            self._back_off.note_failure(suspect)
            _refuse()
        self._back_off.note_success(suspect)
        return credential

    async def _bearer(self, request: ConnexionRequest) -> Any:
        token = _authorization(request, "bearer")
        return NO_VALUE if token is None else self._whose(token)

    async def _api_key(self, forms: Collection[str], request: ConnexionRequest) -> Any:
        """Return whose token the header has; LATER when no header has a credential, and the form may."""
        tokens = request.headers.getlist(self.api_key_header)
        if len(tokens) == 1:
            return self._whose(_text(tokens[0]))
        takes_form = request.scope["extensions"][ROUTING_CONTEXT]["operation_id"] in forms
        has_form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
        may_come = takes_form and has_form and not tokens and "authorization" not in request.headers
        return LATER if may_come else NO_VALUE

    def _whose(self, token: str) -> Credential:
        """Return who has a token. All are compared, whatever is found. Nobody has to wait: tokens cannot be guessed."""
        presented = token_hash(token.strip())
        found = [each for each in self.credentials if hmac.compare_digest(each.token_sha256 or "", presented)]
        if not found:
            _refuse()
        return found[0]


class _Handler(AbstractSecurityHandler):  # type: ignore[misc]  # connexion has no types
    """One scheme, as connexion wants it."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def get_fn(self, security_scheme: dict[str, Any], required_scopes: list[str]) -> Check:  # noqa: ARG002
        """Return what checks a request."""
        return self._check


def _authorization(request: ConnexionRequest, scheme: str) -> str | None:
    """Return what the header Authorization says behind this scheme; None when it names another, or there is none."""
    values = request.headers.getlist("authorization")
    if len(values) > 1:
        _refuse()
    named, _, fields = (values or [""])[0].partition(" ")
    return _text(fields.strip()) if named.lower() == scheme else None


def _name_and_password(fields: str) -> tuple[str, str]:
    """Return what Basic brings; raises UnauthorizedError when it is not as RFC 7617 has it."""
    try:
        name, colon, password = _text(base64.b64decode(fields, validate=True).decode("latin-1")).partition(":")
    except (binascii.Error, ValueError):
        _refuse()
    if not colon:
        _refuse()
    return name, password


def _text(value: str) -> str:
    """Return the text of a header, whose bytes come as Latin-1, as UTF-8; where it is none, leave it as it is."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _peer(request: ConnexionRequest) -> str:
    return str((request.scope["client"] or ("",))[0])


def _target(scope: Scope) -> str:
    """Return the target of the request line."""
    query = scope["query_string"].decode("latin-1")
    return str(scope["raw_path"].decode("latin-1")) + (f"?{query}" if query else "")


def _refuse(*, is_stale: bool = False) -> NoReturn:
    raise UnauthorizedError(is_stale=is_stale)
