"""How a client proves to an extension server who it is: by a header, or by Basic or Digest (RFC 7616) on demand."""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias
from urllib.parse import quote
from urllib.request import parse_http_list, parse_keqv_list

from player.errors import TopologyError

Challenge: TypeAlias = tuple[str, Mapping[str, str]]
"""What a server asks for: the scheme in lower case, and its parameters."""

HIDDEN = "***"
HEADER_NAME, HEADER_VALUE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"), re.compile(r"[\t\x20-\x7e]*")
SCHEME = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ ]+(.*))?")
HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {"sha-256": hashlib.sha256, "md5": hashlib.md5}
"""The best first."""


@dataclass(frozen=True, slots=True)
class UserPassword:
    """Sent only if the server asks for it: by Digest if it offers that, else by Basic."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeaderCredential:
    """A header that is sent with each request, such as `Authorization: Bearer …`. Its name and value are ASCII."""

    name: str
    value: str = field(repr=False)


class Prover(Protocol):
    """Proves to one server who the client is."""

    def headers(self, path: str) -> Mapping[str, str]:
        """Return the headers that prove it, for a POST to a path with its query."""
        ...

    def learn(self, challenges: Sequence[str]) -> bool:
        """Learn from the WWW-Authenticate headers of a refusal; return whether another request may succeed."""
        ...

    def hide(self, text: str) -> str:
        """Return a text without secrets."""
        ...


def prover(credential: UserPassword | HeaderCredential | None) -> Prover:
    """Return what proves a credential. Raises TopologyError for a header that cannot be sent."""
    if isinstance(credential, UserPassword):
        return _OnDemand(credential)
    return _Fixed(credential)


class _Fixed:
    """A header, or nothing at all."""

    def __init__(self, header: HeaderCredential | None) -> None:
        if header and not (HEADER_NAME.fullmatch(header.name) and HEADER_VALUE.fullmatch(header.value)):
            raise TopologyError("The header credential of an extension needs a name and a value of ASCII characters.")
        self._headers = {header.name: header.value} if header else {}
        self._secrets = (header.value, header.value.rpartition(" ")[2]) if header else ()

    def headers(self, path: str) -> Mapping[str, str]:  # noqa: ARG002, the same for each path
        return self._headers

    def learn(self, challenges: Sequence[str]) -> bool:  # noqa: ARG002, there is nothing else to send
        return False

    def hide(self, text: str) -> str:
        return _without(text, self._secrets)


class _OnDemand:
    """A user and a password; nothing is sent before the server has asked for it."""

    def __init__(self, credential: UserPassword) -> None:
        self._credential = credential
        self._basic = base64.b64encode(f"{credential.user}:{credential.password}".encode()).decode()
        self._digest: _Digest | None = None
        self._is_basic = False

    def headers(self, path: str) -> Mapping[str, str]:
        if self._digest:
            return {"Authorization": self._digest.header(path)}
        return {"Authorization": f"Basic {self._basic}"} if self._is_basic else {}

    def learn(self, challenges: Sequence[str]) -> bool:
        offered = [challenge for value in challenges for challenge in parse_challenges(value)]
        digests = [facts for scheme, facts in offered if scheme == "digest" and _is_usable(facts)]
        if digests:
            best = min(digests, key=lambda facts: [*HASHES].index(_algorithm(facts)))
            self._digest = _Digest(self._credential, best)
            return True
        was_basic, self._is_basic = self._is_basic, any(scheme == "basic" for scheme, _ in offered)
        self._digest = None
        return self._is_basic and not was_basic

    def hide(self, text: str) -> str:
        return _without(text, (self._credential.password, self._basic))


class _Digest:
    """Answers to one challenge; each request has a number of its own."""

    def __init__(self, credential: UserPassword, facts: Mapping[str, str]) -> None:
        self._credential, self._facts = credential, facts
        self._requests = 0

    def header(self, path: str) -> str:
        self._requests += 1
        facts, count, nonce = self._facts, f"{self._requests:08x}", secrets.token_hex(16)
        user = self._credential.user
        who = f'username="{_quoted(user)}"' if user.isascii() else f"username*=UTF-8''{quote(user, safe='')}"
        fields = [who, *(f'{name}="{_quoted(facts[name])}"' for name in ("realm", "nonce", "opaque") if name in facts)]
        fields += [f'uri="{path}"', f'response="{self._response(path, count, nonce)}"']
        if "algorithm" in facts:
            fields.append(f"algorithm={facts['algorithm']}")
        if "qop" in facts:
            fields += ["qop=auth", f"nc={count}", f'cnonce="{nonce}"']
        return f"Digest {', '.join(fields)}"

    def _response(self, path: str, count: str, nonce: str) -> str:
        facts, credential = self._facts, self._credential
        secret = self._hash(credential.user, facts["realm"], credential.password)
        if facts.get("algorithm", "").lower().endswith("-sess"):
            secret = self._hash(secret, facts["nonce"], nonce)
        request = self._hash("POST", path)
        if "qop" in facts:
            return self._hash(secret, facts["nonce"], count, nonce, "auth", request)
        return self._hash(secret, facts["nonce"], request)

    def _hash(self, *parts: str) -> str:
        return HASHES[_algorithm(self._facts)](":".join(parts).encode()).hexdigest()


def parse_challenges(header: str) -> list[Challenge]:
    """Return the challenges of one WWW-Authenticate header; what is malformed is left out."""
    challenges: list[tuple[str, list[str]]] = []
    for part in parse_http_list(header):
        begins = SCHEME.fullmatch(part)
        if begins:
            challenges.append((begins[1].lower(), [begins[2]] if begins[2] else []))
        elif challenges:
            challenges[-1][1].append(part)
    return [(scheme, _facts(parts)) for scheme, parts in challenges]


def _facts(parts: Sequence[str]) -> Mapping[str, str]:
    facts = parse_keqv_list([part for part in parts if part.partition("=")[2]])
    return {name.strip().lower(): value for name, value in facts.items() if HEADER_VALUE.fullmatch(value)}


def _is_usable(facts: Mapping[str, str]) -> bool:
    asks_for = {word.strip().lower() for word in facts.get("qop", "auth").split(",")}
    return {"realm", "nonce"} <= facts.keys() and _algorithm(facts) in HASHES and "auth" in asks_for


def _algorithm(facts: Mapping[str, str]) -> str:
    return facts.get("algorithm", "MD5").lower().removesuffix("-sess")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _without(text: str, hidden: Sequence[str]) -> str:
    for secret in filter(None, hidden):
        text = text.replace(secret, HIDDEN)
    return text
