"""The server that is judged: how often, how fast and with which credentials it is asked."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

from conformance.asking.address import Address
from conformance.asking.connection import Connection, connected
from conformance.asking.credentials import Credentials, NoCredentials
from conformance.asking.messages import Answer, Headers, Request
from conformance.asking.tls import context
from conformance.errors import ExhaustedError


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a server may be asked. `rate_per_s`: requests a second; None: as fast as it answers."""

    requests: int = 2000
    duration_s: float = 300
    timeout_s: float = 10
    rate_per_s: float | None = None


@dataclass(slots=True)
class _Spent:
    requests: int = 0
    next_at: float = 0
    challenge: Answer | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Server:
    """A server at an address. It may be asked from several threads.

    Methods raise NoAnswerError, and ExhaustedError when the limits are reached.
    """

    def __init__(
        self,
        address: Address,
        limits: Limits | None = None,
        credentials: Credentials | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address, self.limits = address, limits or Limits()
        self.credentials: Credentials = credentials or NoCredentials()
        self._tls = (tls or context()) if address.scheme == "https" else None
        self._spent = _Spent()
        self._ends_at = time.monotonic() + self.limits.duration_s

    @property
    def request_count(self) -> int:
        """Return how many requests were sent so far."""
        return self._spent.requests

    def post(
        self, body: bytes, media_type: str | None = "image/jpeg", headers: Headers = (), query: str = ""
    ) -> Answer:
        """Post a frame over a fresh connection. `query`: added to that of the address."""
        kind = (("Content-Type", media_type),) if media_type is not None else ()
        return self.ask(Request(body, (*kind, *headers), target=self.target_with(query)))

    def ask(self, request: Request, credentials: Credentials | None = None) -> Answer:
        """Send a request over a fresh connection, again with what a 401 asks for. `credentials`: others than usual."""
        credentials = credentials or self.credentials
        target = _origin_form(request.target) or self.address.target
        challenge = self._spent.challenge
        answer = self.ask_once(request, credentials.headers(request.method, target, challenge))
        if answer.status != HTTPStatus.UNAUTHORIZED or not credentials.headers(request.method, target, answer):
            return answer
        if credentials is self.credentials:
            self._spent.challenge = answer
        return self.ask_once(request, credentials.headers(request.method, target, answer))

    def ask_once(self, request: Request, headers: Headers = ()) -> Answer:
        """Send a request over a fresh connection with these headers and no credentials."""
        with self.connection() as connection:
            return connection.ask(replace(request, headers=(*request.headers, ("Connection", "close"))), headers)

    @contextmanager
    def connection(self, timeout_s: float | None = None, *, is_counted: bool = False) -> Iterator[Connection]:
        """Open a connection for a block; it counts as one request, unless that was counted before."""
        if not is_counted:
            self.count()
        with connected(self.address, self._tls, timeout_s or self.limits.timeout_s) as connection:
            yield connection

    def ask_over(self, connection: Connection, request: Request) -> Answer:
        """Send a request over an open connection, again with what a 401 asks for. The caller counts the first one."""
        self.count(0)
        answer = connection.ask(request, self.usual_headers(request.method))
        if (
            answer.status != HTTPStatus.UNAUTHORIZED
            or not answer.is_reusable
            or isinstance(self.credentials, NoCredentials)
        ):
            return answer
        self._spent.challenge = answer
        self.count()
        return connection.ask(request, self.usual_headers(request.method))

    def count(self, requests: int = 1) -> None:
        """Count requests that are about to be sent, and wait for their turn."""
        spent = self._spent
        with spent.lock:
            if spent.requests + requests > self.limits.requests:
                raise ExhaustedError(f"the limit of {self.limits.requests} requests is reached")
            due_at = max(spent.next_at, time.monotonic())
            if due_at > self._ends_at:
                raise ExhaustedError(f"the limit of {self.limits.duration_s:g} s is reached")
            spent.requests += requests
            spent.next_at = due_at + (requests / self.limits.rate_per_s if self.limits.rate_per_s else 0)
        time.sleep(max(due_at - time.monotonic(), 0))

    def usual_headers(self, method: str = "POST") -> Headers:
        """Return the headers of the credentials, for requests that are not sent by `ask`."""
        return self.credentials.headers(method, self.address.target, self._spent.challenge)

    def target_with(self, query: str) -> str:
        """Return the address's path and query with more of a query."""
        if not query:
            return self.address.target
        return self.address.target + ("&" if "?" in self.address.target else "?") + query


def _origin_form(target: str | None) -> str:
    """Return the path and the query of a request target, which is what Digest signs; "" if there is none."""
    parts = urlsplit(target or "")
    return urlunsplit(("", "", parts.path, parts.query, ""))
