"""Who may post frames to the seeded server: Basic and Digest (SHA-256), or one token."""

import base64
import hashlib
import re
import secrets
from collections.abc import Collection
from typing import Any

REALM = "seeded"


class Access:
    """Checks the credentials of requests; without a password and a token, all may come in."""

    def __init__(self, mistakes: Collection[str], user: str = "", password: str = "", token: str = "") -> None:
        self._mistakes, self._user, self._password, self._token = mistakes, user, password, token
        self._nonces: dict[str, set[str]] = {}

    def check(self, request: Any) -> None:
        """Raise an AnswerError of status 401 unless the request may come in."""
        from tests.support.seeded.server import AnswerError  # noqa: PLC0415  # it imports this module

        given = request.headers.get("authorization", "")
        if not self._password and not self._token:
            if given and "dummy-credentials" in self._mistakes:
                raise AnswerError(401, "Not needed.", {"WWW-Authenticate": "Basic"})
            return
        if not given and "open" in self._mistakes:
            return
        if not self._is_right(given, request):
            request.was_refused = True
            status = 403 if given and "wrong-is-403" in self._mistakes else 401
            raise AnswerError(status, "Wrong credentials.", self._challenge())

    def _challenge(self) -> dict[str, str]:
        if {"no-challenge", "no-challenge-bearer"} & set(self._mistakes):
            return {}
        if self._token:
            return {"WWW-Authenticate": "Bearer"}
        nonce = secrets.token_hex(8)
        self._nonces[nonce] = set()
        digest = f'Digest realm="{REALM}", qop="auth", algorithm=SHA-256, nonce="{nonce}"'
        return {"WWW-Authenticate": f'{digest}, Basic realm="{REALM}"'}

    def _is_right(self, given: str, request: Any) -> bool:
        scheme, _, rest = given.partition(" ")
        if self._token:
            return self._is_token(scheme, rest)
        if scheme.lower() == "basic":
            return self._is_password(rest, was_refused=request.was_refused)
        method = "GET" if "digest-get" in self._mistakes else request.command
        return bool(scheme.lower() == "digest" and self._is_answer(rest, method))

    def _is_token(self, scheme: str, rest: str) -> bool:
        is_bearer = scheme == "Bearer" if "scheme-case" in self._mistakes else scheme.lower() == "bearer"
        return is_bearer and (rest == self._token or "any-token" in self._mistakes)

    def _is_password(self, rest: str, *, was_refused: bool) -> bool:
        """Return whether what follows Basic is right. `was_refused`: over the same connection, before."""
        if ("basic-late" in self._mistakes and not was_refused) or ("basic-once" in self._mistakes and was_refused):
            return False
        right = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        return rest == right or "any-password" in self._mistakes

    def _is_answer(self, text: str, method: str) -> bool:
        found = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', text)}
        used = self._nonces.get(found.get("nonce", ""))
        if used is None or (found["nc"] in used and "digest-replay" not in self._mistakes):
            return False
        used.add(found["nc"])
        own = _hash(f"{self._user}:{REALM}:{self._password}")
        what = _hash(f"{method}:{found['uri']}")
        return bool(found["response"] == _hash(f"{own}:{found['nonce']}:{found['nc']}:{found['cnonce']}:auth:{what}"))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
