"""How a client shows who it is: like the client of the protocol, by one user name and password, or by one header."""

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from typing import Protocol
from urllib.request import parse_http_list

import httpx

from conformance.asking.messages import Answer, Headers

MAX_CHALLENGES = 256
"""How many challenges of Digest are remembered, each with the number of requests that answered it."""
MIN_SECRET = 4
"""Characters: hiding a shorter one would make texts unreadable, and so show it."""
HIDDEN = "***"
"""Stands for credentials in texts."""
TELLING = 8
"""So many letters of a longer credential are hidden, too, when the rest was cut off."""
_PARAMETER = re.compile(r"[\w-]+\s*=")


class Credentials(Protocol):
    """What is added to requests."""

    def headers(self, method: str, target: str, challenge: Answer | None) -> Headers:
        """Return the headers of a request. `challenge`: the 401 that the request before was answered with, if any."""
        ...

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what no report may show."""
        ...


@dataclass(frozen=True, slots=True)
class NoCredentials:
    """Nothing is added."""

    secrets: tuple[str, ...] = ()

    def headers(self, method: str, target: str, challenge: Answer | None) -> Headers:  # noqa: ARG002
        """Return no headers."""
        return ()


@dataclass(frozen=True, slots=True)
class OneHeader:
    """One header of any name, as a token or a key has it."""

    name: str
    value: str = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the value, and what follows a word such as Bearer."""
        return tuple(filter(None, (self.value, self.value.rpartition(" ")[2])))

    def headers(self, method: str, target: str, challenge: Answer | None) -> Headers:  # noqa: ARG002
        """Return the header."""
        return ((self.name, self.value),)


@dataclass(frozen=True, slots=True)
class _Answering:
    """The challenges that were answered: each request counts, as Digest asks."""

    by_offer: dict[str, httpx.DigestAuth] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class Password:
    """A user name and a password: Basic at once, or what a challenge asks for. It may be used from several threads."""

    user: str
    password: str = field(repr=False)
    _answering: _Answering = field(default_factory=_Answering, init=False, repr=False, compare=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the password, and how Basic writes it."""
        return tuple(filter(None, (self.password, self.basic()[0][1].partition(" ")[2])))

    def headers(self, method: str, target: str, challenge: Answer | None) -> Headers:
        """Return Basic, or Digest if the server has asked for it."""
        if challenge and "digest" in schemes(challenge):
            return self.digest(method, target, challenge)
        return self.basic()

    def basic(self) -> Headers:
        """Return the header of Basic (RFC 7617)."""
        return (("Authorization", "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()),)

    def digest(self, method: str, target: str, challenge: Answer) -> Headers:
        """Return the header that answers a challenge of Digest (RFC 7616); none if the challenge cannot be answered.

        Each answer to the same challenge has the next count.
        """
        offer = next((each for each in challenges(challenge) if each.lower().startswith("digest ")), "")
        request = httpx.Request(method, f"http://server{target}")
        with self._answering.lock:
            try:
                value = self._digest(offer, request)
            except (StopIteration, httpx.ProtocolError, LookupError, ValueError, NotImplementedError):
                return ()
        return (("Authorization", value),)

    def _digest(self, offer: str, request: httpx.Request) -> str:
        known = self._answering.by_offer
        if offer in known:
            return next(known[offer].sync_auth_flow(request)).headers["authorization"]
        auth = httpx.DigestAuth(self.user, self.password)
        flow = auth.sync_auth_flow(request)
        next(flow)
        answered = flow.send(httpx.Response(401, headers=[("www-authenticate", offer)], request=request))
        if len(known) >= MAX_CHALLENGES:
            known.clear()
        known[offer] = auth
        return answered.headers["authorization"]


def challenges(answer: Answer) -> tuple[str, ...]:
    """Return the challenges of a 401, in order: several may stand in one header, separated by commas."""
    found: list[str] = []
    for name, value in answer.headers:
        if name == "www-authenticate":
            elements = [element.strip() for element in parse_http_list(value)]
            _group(list(filter(None, elements)), found)
    return tuple(found)


def schemes(challenge: Answer) -> set[str]:
    """Return the schemes that a 401 offers, in lower case."""
    return {each.split()[0].lower() for each in challenges(challenge)}


def without_secrets(text: str, credentials: Credentials) -> str:
    """Return a text that does not show credentials: a server may send back what it was sent.

    Texts are cut, escaped and written in small letters on their way into a report: what begins like a credential, in
    any of these forms, is hidden as far as it goes on like it.
    """
    forms = {form for secret in credentials.secrets if len(secret) >= MIN_SECRET for form in _forms(secret)}
    beginnings = "|".join(re.escape(form[:TELLING]) for form in forms)
    kept, end = "", 0
    for match in re.finditer(beginnings, text, re.IGNORECASE) if forms else ():
        start = match.start()
        if start >= end:
            kept += text[end:start] + HIDDEN
            end = max(match.end(), *(start + _shared(text[start:], form) for form in forms))
    return kept + text[end:]


def _forms(secret: str) -> set[str]:
    """Return how a text may show a secret: as it is, escaped, or with its UTF-8 taken for Latin-1."""
    written = secret.encode()
    plain = {secret, written.decode("latin-1")}
    return plain | {json.dumps(each)[1:-1] for each in plain} | {repr(secret)[1:-1], repr(written)[2:-1]}


def _shared(text: str, form: str) -> int:
    """Return how many letters of a text are those of a form; 0 if too few to tell."""
    pairs = enumerate(zip(text, form, strict=False))
    shared = next((at for at, (one, other) in pairs if one.lower() != other.lower()), min(len(text), len(form)))
    return shared if shared >= min(TELLING, len(form)) else 0


def _group(elements: list[str], found: list[str]) -> None:
    """Add challenges to those found: an element that is no parameter begins the next one."""
    begun = False
    for element in elements:
        if begun and _PARAMETER.match(element):
            found[-1] += f", {element}"
        elif not _PARAMETER.match(element):
            found.append(element)
            begun = True
