"""Asks an extension server what is in a picture, over HTTP."""

import contextlib
import logging
import os
import re
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from player.errors import ExtensionBusyError, ExtensionError, ExtensionRefusedError, TopologyError
from player.flow import Inference, Picture
from player.nodes.protocol.answers import read_answer
from player.nodes.protocol.credentials import HIDDEN, HeaderCredential, UserPassword, prover
from player.nodes.protocol.encoding import Body, ImageSettings, encode
from player.nodes.protocol.scaling import restored

LOG = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs each request, with what is secret in its URL
logging.getLogger("httpcore").setLevel(logging.WARNING)  # it logs the headers of each answer: servers may repeat ours

MAX_ANSWER_BYTES = 16 << 20
CONNECT_S, CLOSE_S = 5.0, 1.0
IDLE_S = 60.0
"""A connection is kept so long for the next request."""
USUAL_RETRY_S, LONGEST_RETRY_S = 1.0, 300.0
"""How long a busy server is left alone if it does not say, and at most."""
TEXT_CHARACTERS = 500
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Control characters, and those that turn the direction of text."""


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """How a server's certificate is checked. `trusted_pem`: authorities instead of the system's; none: the system's.

    Without a signature nothing proves the host name, so `ignores_signature` ignores that, too.
    """

    ignores_hostname: bool = False
    ignores_signature: bool = False
    trusted_pem: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """A server, and how it is reached.

    `url`: may hold a user and a password, or a key in its query. `timeout_s`: until the answer about a picture is
    complete.
    """

    url: str = field(repr=False)
    credential: UserPassword | HeaderCredential | None = None
    tls: TlsSettings = field(default_factory=TlsSettings)
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def beginning(self) -> str:
        """Return more than a message shows: a secret at its end must be known as a whole."""
        return UNPRINTABLE.sub(" ", self.content[: 4 * TEXT_CHARACTERS].decode(errors="replace")).strip()


class HttpExtension:
    """An extension server. Used by one thread at a time, but for `close`.

    Redirects are not followed, compressed answers not accepted, cookies and the environment's proxies not used. Raises
    TopologyError if the settings cannot be used. `dropped`: how many inferences did not follow the protocol.
    """

    def __init__(self, server: ServerSettings, image: ImageSettings | None = None) -> None:
        self._url, credential = _separated(server)
        self._prover = prover(credential)
        self._image = image or ImageSettings()
        self._name = f"{self._url.scheme}://{self._url.netloc.decode('ascii')}{self._url.path}"
        self._timeout_s = server.timeout_s
        self._connection, self._asking = _Connection(), threading.Lock()
        timeout = httpx.Timeout(server.timeout_s, connect=min(CONNECT_S, server.timeout_s))
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_S)
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        headers = {"User-Agent": "framehook", "Accept": "application/json", "Accept-Encoding": "identity"}
        self._client = httpx.Client(
            verify=_context(server.tls),
            timeout=timeout,
            limits=limits,
            cookies=no_cookies,
            headers=headers,
            trust_env=False,
        )
        self.dropped = 0

    def ask(self, picture: Picture, at_s: float) -> tuple[Inference, ...]:
        """Return what is in a picture; boxes are shares of it. Raises ExtensionError."""
        return self.prepare(picture, at_s)()

    def prepare(self, picture: Picture, at_s: float) -> Callable[[], tuple[Inference, ...]]:  # noqa: ARG002
        """Encode a picture; return what asks about it, in any thread."""
        body = encode(picture, self._image)
        return lambda: self._answer(body)

    def close(self) -> None:
        """End the connection, also during a request: it fails then. May be called by another thread."""
        self._connection.is_closed = True
        self._connection.cut()
        if self._asking.acquire(timeout=CLOSE_S):  # else the request ends it when it times out
            self._client.close()
            self._asking.release()

    def _answer(self, body: Body) -> tuple[Inference, ...]:
        reply = self._reply(body)
        if reply.status == HTTPStatus.SERVICE_UNAVAILABLE:
            raise ExtensionBusyError(f"{self._name} is busy.", _retry_after_s(reply.headers.get("Retry-After", "")))
        if reply.status == HTTPStatus.NO_CONTENT:
            return ()
        if reply.status != HTTPStatus.OK:
            text = self._hidden(reply.beginning)[:TEXT_CHARACTERS]
            said = f": {text}" if text else "."
            raise ExtensionRefusedError(f"{self._name} answered with status {reply.status}{said}", reply.status, text)
        answer = read_answer(reply.headers.get("Content-Type", ""), reply.content)
        if answer.dropped and not self.dropped:
            LOG.warning("%s sent inferences that do not follow the protocol; they are dropped", self._name)
        self.dropped += answer.dropped
        return tuple(filter(None, (restored(inference, body.placement) for inference in answer.inferences)))

    def _hidden(self, text: str) -> str:
        """Return a text without secrets, and without the URL's query, which may hold a key."""
        query = self._url.query.decode("ascii")
        return self._prover.hide(text.replace(query, HIDDEN) if query else text)

    def _reply(self, body: Body) -> _Reply:
        """Return the answer to a request; to a second one if the first was asked to prove who sends it."""
        until_s = time.monotonic() + self._timeout_s
        with self._asking, self._connection.cut_after(self._timeout_s), self._translated(until_s):
            reply = self._sent(body, until_s)
            if reply.status == HTTPStatus.UNAUTHORIZED and self._prover.learn(
                reply.headers.get_list("WWW-Authenticate")
            ):
                reply = self._sent(body, until_s)
            return reply

    def _sent(self, body: Body, until_s: float) -> _Reply:
        """Send a request, again on a new connection if the server had ended the old one meanwhile."""
        self._connection.is_new = False
        try:
            return self._exchange(body, until_s)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if self._connection.is_new or self._connection.is_closed or time.monotonic() >= until_s:
                raise
            return self._exchange(body, until_s)

    def _exchange(self, body: Body, until_s: float) -> _Reply:
        proof = self._prover.headers(self._url.raw_path.decode("ascii"))
        headers = {"Content-Type": body.media_type, "x-ms-client-request-id": str(uuid.uuid4()), **proof}
        trace = {"trace": self._connection.note}
        with self._client.stream(
            "POST", self._url, content=body.content, headers=headers, extensions=trace
        ) as response:
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise ExtensionError(f"{self._name} sent a compressed answer, which was not asked for.")
            content = b"".join(self._bounded(response.iter_raw(), until_s))
            return _Reply(response.status_code, response.headers, content)

    def _bounded(self, chunks: Iterator[bytes], until_s: float) -> Iterator[bytes]:
        total = 0
        for chunk in chunks:
            total += len(chunk)
            if total > MAX_ANSWER_BYTES:
                raise ExtensionError(f"{self._name} sent an answer of more than {MAX_ANSWER_BYTES >> 20} MiB.")
            if time.monotonic() >= until_s:
                break
            yield chunk
        if time.monotonic() >= until_s or self._connection.is_closed:  # what ended it may have been the cut
            raise httpx.ReadTimeout("cut")

    @contextlib.contextmanager
    def _translated(self, until_s: float) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise self._late() from error
        except httpx.ConnectError as error:  # its text is the system's
            raise ExtensionError(f"{self._name} cannot be reached: {UNPRINTABLE.sub(' ', str(error))}.") from error
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: the client was closed meanwhile
            if time.monotonic() >= until_s:
                raise self._late() from error
            raise ExtensionError(f"{self._name} ended the connection, or does not speak HTTP.") from error

    def _late(self) -> ExtensionError:
        return ExtensionError(f"{self._name} did not answer within {self._timeout_s:g} s.")


class _Connection:
    """The latest connection, to be cut from another thread: a time-out of each read alone is no limit."""

    def __init__(self) -> None:
        self.is_new = self.is_closed = False
        self._fd, self._inode = -1, -1

    def note(self, event: str, facts: Mapping[str, Any]) -> None:
        """Take note of a new connection: what httpx calls."""
        if event == "connection.connect_tcp.complete":
            self._fd = facts["return_value"].get_extra_info("socket").fileno()
            self._inode, self.is_new = os.fstat(self._fd).st_ino, True
            if self.is_closed:
                self.cut()

    def cut(self) -> None:
        """End it; who waits for it goes on. If it is closed already, its number may be that of something else."""
        with contextlib.suppress(OSError):
            copied_fd = os.dup(self._fd)
            if os.fstat(copied_fd).st_ino != self._inode:
                os.close(copied_fd)
                return
            with socket.socket(fileno=copied_fd) as same:
                same.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def cut_after(self, seconds: float) -> Iterator[None]:
        """Cut it unless the block ends in time."""
        timer = threading.Timer(seconds, self.cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _separated(server: ServerSettings) -> tuple[httpx.URL, UserPassword | HeaderCredential | None]:
    """Return the URL without a user and a password, and the credential, which may have been in it."""
    try:
        url = httpx.URL(server.url)
    except httpx.InvalidURL as error:
        raise TopologyError("The URL of an extension is not valid.") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise TopologyError("The URL of an extension must begin with http:// or https:// and name a host.")
    credential = server.credential
    if url.userinfo:
        credential = credential or UserPassword(url.username, url.password)
        url = url.copy_with(userinfo=b"")
    return url, credential


def _context(tls: TlsSettings) -> ssl.SSLContext:
    """Return how certificates are checked. A server's own certificate may be among those that are trusted."""
    try:
        context = ssl.create_default_context(cadata="\n".join(tls.trusted_pem) or None)
    except (ssl.SSLError, ValueError) as error:
        raise TopologyError("The trusted certificates of an extension are not valid PEM.") from error
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if tls.ignores_hostname or tls.ignores_signature:
        context.check_hostname = False
    if tls.ignores_signature:
        context.verify_mode = ssl.CERT_NONE
    return context


def _retry_after_s(text: str) -> float:
    """Return the seconds that a Retry-After header says, as a number or a date."""
    text = text.strip()
    try:
        if text.isascii() and text.isdigit():
            return min(float(text), LONGEST_RETRY_S)
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return USUAL_RETRY_S
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max((until - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_RETRY_S)
