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
        if not self._is_right(given, request.command):
            raise AnswerError(401, "Wrong credentials.", self._challenge())

    def _challenge(self) -> dict[str, str]:
        if "no-challenge" in self._mistakes:
            return {}
        if self._token:
            return {"WWW-Authenticate": "Bearer"}
        nonce = secrets.token_hex(8)
        self._nonces[nonce] = set()
        digest = f'Digest realm="{REALM}", qop="auth", algorithm=SHA-256, nonce="{nonce}"'
        return {"WWW-Authenticate": f'{digest}, Basic realm="{REALM}"'}

    def _is_right(self, given: str, method: str) -> bool:
        scheme, _, rest = given.partition(" ")
        if given and "any-password" in self._mistakes:
            return True
        if self._token:
            return bool(given == f"Bearer {self._token}")
        if scheme.lower() == "basic":
            return rest == base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        return bool(scheme.lower() == "digest" and self._is_answer(rest, method))

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
