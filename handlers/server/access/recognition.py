"""Authentication: finds the credential that a request carries, in any of the contract's schemes."""

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Collection
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias

from handlers.errors import TooManyFailuresError, UnauthorizedError
from handlers.server.access.back_off import BackOff
from handlers.server.access.credentials import MAX_NAME_LENGTH, REALM, Credential, token_hash
from handlers.server.access.digest import ALGORITHMS, Algorithm, DigestAnswer, Nonces, expected_response, parse_answer
from handlers.server.access.passwords import Passwords

if TYPE_CHECKING:  # the command line imports this module without a web framework
    from starlette.requests import HTTPConnection

Scheme: TypeAlias = Literal["digest", "basic", "bearer", "apiKey"]

NOBODY = Credential(name="nobody", digest_sha256=secrets.token_hex(32))
"""Stands for unknown users, so that they take the same path as known ones."""


class Recognition:
    """Identifies the credentials of requests.

    `api_key_header`: the header for tokens, beside Authorization. `digest_md5`: whether Digest may use MD5. `schemes`:
    those that at least one credential can use, and `algorithms` of Digest: both are offered, best first.
    """

    def __init__(self, credentials: Collection[Credential], api_key_header: str, *, digest_md5: bool) -> None:
        self.credentials = credentials
        self._api_key_header = api_key_header
        self._by_name = {credential.name: credential for credential in credentials}
        self._by_token = {each.token_sha256: each for each in credentials if each.token_sha256}
        self._passwords = Passwords(credentials)
        self._back_off, self._nonces = BackOff(), Nonces()
        self.algorithms: tuple[Algorithm, ...] = tuple(
            algorithm
            for algorithm in (ALGORITHMS if digest_md5 else ALGORITHMS[:1])
            if any(credential.digest_secret(algorithm) for credential in credentials)
        )
        on_offer: dict[Scheme, bool] = {
            "digest": bool(self.algorithms),
            "basic": bool(self._passwords),
            "bearer": bool(self._by_token),
            "apiKey": bool(self._by_token),
        }
        self.schemes = tuple(scheme for scheme, is_on_offer in on_offer.items() if is_on_offer)

    def accepts(self, credential: Credential) -> bool:
        """Return whether at least one of the schemes offered works with this credential."""
        secrets_of_digest = [credential.digest_secret(algorithm) for algorithm in self.algorithms]
        return bool(credential.token_sha256 or credential.password_scrypt or any(secrets_of_digest))

    def close(self) -> None:
        """Stop checking passwords."""
        self._passwords.close()

    def challenges(self, *, is_stale: bool = False) -> list[str]:
        """Return the values of WWW-Authenticate, the best one first."""
        nonce, stale = self._nonces.new(), ", stale=true" if is_stale else ""
        fields = f'realm="{REALM}", qop="auth", nonce="{nonce}", charset=UTF-8, userhash=false{stale}'
        values = [f"Digest {fields}, algorithm={algorithm}" for algorithm in self.algorithms]
        if "basic" in self.schemes:
            values.append(f'Basic realm="{REALM}", charset="UTF-8"')
        if "bearer" in self.schemes:
            values.append(f'Bearer realm="{REALM}"')
        return values

    def has_credential(self, request: "HTTPConnection") -> bool:
        """Return whether a request has a credential in a header, right or wrong."""
        return self._api_key_header in request.headers or "authorization" in request.headers

    async def identify(self, request: "HTTPConnection") -> Credential:
        """Return the credential of a request: that in the header for tokens, else that in Authorization.

        Raises UnauthorizedError when it is missing or wrong, and TooManyFailuresError.
        """
        tokens, values = (request.headers.getlist(name) for name in (self._api_key_header, "authorization"))
        if tokens:
            return self.identify_token(_only(tokens))
        scheme, _, fields = _only(values).partition(" ")
        if scheme.lower() == "bearer":
            return self.identify_token(fields.strip())
        if scheme.lower() == "digest":
            return self._digest(request, fields.strip())
        if scheme.lower() != "basic":
            _refuse()
        return await self._basic(request, fields.strip())

    def identify_token(self, token: str) -> Credential:
        """Return the credential with this token; raises UnauthorizedError.

        Wrong tokens have no back-off, because tokens cannot be guessed. The lookup is by hash, so that its time reveals
        nothing about the known tokens.
        """
        return (self._by_token.get(token_hash(token)) if token else None) or _refuse()

    def _digest(self, request: "HTTPConnection", fields: str) -> Credential:
        answer = parse_answer(fields)
        if answer is None or answer.algorithm not in self.algorithms or len(answer.username) > MAX_NAME_LENGTH:
            _refuse()
        suspect = self._back_off.suspect(peer_of(request), answer.username)
        # a session that works does not wait for guessers
        if not self._nonces.was_used_by(answer.nonce, answer.username):
            self._back_off.refuse_if_too_soon(suspect)
        credential = self._answered_by(answer, request.scope["method"])
        if credential is None:
            self._back_off.record_failure(suspect)
            _refuse()
        if not _is_target(answer.uri, request):
            _refuse()
        if not self._nonces.accept(answer.nonce, answer.nc, answer.username):
            _refuse(is_stale=True)
        return credential

    def _answered_by(self, answer: DigestAnswer, method: str) -> Credential | None:
        """Return the credential whose password made the answer; unknown users take the same path."""
        credential = self._by_name.get(answer.username, NOBODY)
        secret = credential.digest_secret(answer.algorithm)
        expected = expected_response(answer, secret or str(NOBODY.digest_sha256), method)
        is_right = hmac.compare_digest(expected.encode(), answer.response.encode())
        return credential if is_right and secret and credential is not NOBODY else None

    async def _basic(self, request: "HTTPConnection", fields: str) -> Credential:
        name, password = _name_and_password(fields)
        known = self._passwords.remembered(name, password)
        if known:
            return known
        suspect, turn = self._back_off.suspect(peer_of(request), name), 0.0
        is_first = not self._passwords.is_under_way(name, password)
        if is_first:
            self._back_off.refuse_if_too_soon(suspect)
            # Withdrawn if it succeeds, so that parallel guesses all count.
            turn = self._back_off.record_failure(suspect)
        try:
            credential = await self._passwords.check(name, password, turn)
        except TooManyFailuresError:  # too many others wait: this password was not checked
            if is_first:
                self._back_off.withdraw_failure(suspect)
            raise
        if credential is None:
            _refuse()
        if is_first:
            self._back_off.withdraw_failure(suspect)
        return credential


def peer_of(request: "HTTPConnection") -> str:
    """Return the client's address."""
    return str((request.scope["client"] or ("",))[0])


def _only(values: list[str]) -> str:
    """Return the only value of a header as UTF-8, or as Latin-1 when it is not UTF-8; raises UnauthorizedError."""
    if len(values) != 1:
        _refuse()
    return _text(values[0])


def _text(value: str) -> str:
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _name_and_password(fields: str) -> tuple[str, str]:
    """Return the name and the password of a Basic header (RFC 7617); raises UnauthorizedError."""
    try:
        name, colon, password = _text(base64.b64decode(fields, validate=True).decode("latin-1")).partition(":")
    except (binascii.Error, ValueError):
        _refuse()
    if not colon or len(name) > MAX_NAME_LENGTH:
        _refuse()
    return name, password


def _is_target(uri: str, request: "HTTPConnection") -> bool:
    """Return whether a Digest's `uri` is the target of the request line; the host of an absolute one is ignored."""
    target, query = (request.scope[name].decode("latin-1") for name in ("raw_path", "query_string"))
    asked = f"{target}?{query}" if query else target
    return re.sub(r"^https?://[^/?#]*", "", uri).removesuffix("" if query else "?") == asked


def _refuse(*, is_stale: bool = False) -> NoReturn:
    raise UnauthorizedError(is_stale=is_stale)
