"""How a client shows who it is: like the client of the protocol, by one user name and password, or by one header."""

import base64
from dataclasses import dataclass
from typing import Protocol

import httpx

from conformance.asking.messages import Answer, Headers


class Credentials(Protocol):
    """What is added to requests."""

    def headers(self, method: str, target: str, challenge: Answer | None) -> Headers:
        """Return the headers of a request. `challenge`: the 401 that the request before was answered with, if any."""
        ...


@dataclass(frozen=True, slots=True)
class NoCredentials:
    """Nothing is added."""

    def headers(self, method: str, target: str, challenge: Answer | None) -> Headers:  # noqa: ARG002
        """Return no headers."""
        return ()


@dataclass(frozen=True, slots=True)
class OneHeader:
    """One header of any name, as a token or a key has it."""

    name: str
    value: str

    def headers(self, method: str, target: str, challenge: Answer | None) -> Headers:  # noqa: ARG002
        """Return the header."""
        return ((self.name, self.value),)


@dataclass(frozen=True, slots=True)
class Password:
    """A user name and a password: Basic at once, or what a challenge asks for."""

    user: str
    password: str

    def headers(self, method: str, target: str, challenge: Answer | None) -> Headers:
        """Return Basic, or Digest if the server has asked for it."""
        if challenge and "digest" in schemes(challenge):
            return self.digest(method, target, challenge)
        return self.basic()

    def basic(self) -> Headers:
        """Return the header of Basic (RFC 7617)."""
        return (("Authorization", "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()),)

    def digest(self, method: str, target: str, challenge: Answer) -> Headers:
        """Return the header that answers a challenge of Digest (RFC 7616); none if the challenge cannot be answered."""
        request = httpx.Request(method, f"http://server{target}")
        flow = httpx.DigestAuth(self.user, self.password).sync_auth_flow(request)
        next(flow)
        offers = [value for name, value in challenge.headers if name == "www-authenticate"]
        chosen = [("www-authenticate", offer) for offer in offers if offer.lower().startswith("digest")][:1]
        try:
            answered = flow.send(httpx.Response(401, headers=chosen, request=request))
        except (StopIteration, httpx.ProtocolError, KeyError):
            return ()
        return (("Authorization", answered.headers["authorization"]),)


def schemes(challenge: Answer) -> set[str]:
    """Return the schemes that a 401 offers, in lower case."""
    offers = [value for name, value in challenge.headers if name == "www-authenticate"]
    return {offer.split()[0].lower() for offer in offers if offer.split()}
