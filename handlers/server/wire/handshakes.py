"""TLS handshakes: counted and bounded like every other connection, from when the socket is accepted.

Were uvicorn given the certificate, a connection would be unknown here until its handshake is over: nothing would bound
how many there are, nor count those that fail. So the socket is accepted in the clear, and TLS begins on it.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from uvloop.loop import SSLProtocol  # type: ignore[attr-defined]

from handlers.server.wire.connections import Connections
from handlers.server.wire.http_protocol import HttpProtocol
from handlers.server.wire.tls import Tls

SHUTDOWN_S = 3600
"""Longer than any connection takes to end: HttpProtocol sees to that itself."""

EVICTED = "evicted"
FAILURES = ("client_certificate", EVICTED, "hung_up", "not_tls", "other", "refused_by_client", "timeout", "version")
"""Why a handshake fails; docs/metrics.md explains them."""
OPENSSL_REASONS = {
    "CERTIFICATE_VERIFY_FAILED": "client_certificate",
    "HTTP_REQUEST": "not_tls",
    "NO_SHARED_CIPHER": "version",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "client_certificate",
    "UNSUPPORTED_PROTOCOL": "version",
    "WRONG_VERSION_NUMBER": "not_tls",
}

logger = logging.getLogger("framehook")


class Handshake(asyncio.Protocol):
    """A connection that is not yet encrypted. Idle to the register of connections: it gives way when there are many.

    It stands on both sides of uvloop's TLS: it is told of the socket, then of the encrypted connection. The loop's
    public `start_tls` comes too late here: what the client has sent by then is lost.
    """

    def __init__(self, connections: Connections, **options: Any) -> None:
        """Take the register of all connections, and what uvicorn gives a protocol, for the one that follows."""
        self._connections = connections
        self._make_protocol = partial(HttpProtocol, connections=connections, **options)
        self._tls: Tls = options["app_state"]["tls"]
        self._count_failure: Callable[[str], None] = options["app_state"]["count_handshake_failure"]
        self._known_to_uvicorn: set[Any] = options["server_state"].connections
        self._wire: Any = None
        """The transport of the socket."""
        self._is_encrypted = False

    def connection_made(self, transport: Any) -> None:
        """Hear of the socket, or of the end of the handshake."""
        if self._wire:
            self._hand_on(transport)
            return
        self._wire = transport
        self._known_to_uvicorn.add(self)
        if self._connections.add(self):
            self._connections.mark_idle(self)
            self._begin()
        else:
            self._fail(EVICTED)
            transport.abort()

    def check(self, now: float) -> None:
        """Do nothing: the deadline is the handshake's own."""

    def evict(self) -> None:
        """Close at once: somebody else needs the place more."""
        self._wire.abort()

    def shutdown(self) -> None:
        """Close at once: the service ends, and no request has come."""
        self._wire.abort()

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        over.add_done_callback(self._end)
        encrypted = SSLProtocol(
            loop,
            self,
            self._tls.served.context,
            over,
            server_side=True,
            ssl_handshake_timeout=self._connections.limits.receive_timeout_s,
            ssl_shutdown_timeout=SHUTDOWN_S,
        )
        self._wire.set_protocol(encrypted)
        encrypted.connection_made(self._wire)

    def _hand_on(self, transport: Any) -> None:
        self._leave()
        self._is_encrypted = True
        protocol = self._make_protocol(wire=self._wire)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def _end(self, over: asyncio.Future[None]) -> None:
        """Note why it failed, if it did; one that was evicted has no error."""
        error = over.exception()
        if not self._is_encrypted:
            self._fail(_failure(error) if error else EVICTED)

    def _leave(self) -> None:
        self._connections.remove(self)
        self._known_to_uvicorn.discard(self)

    def _fail(self, failure: str) -> None:
        self._leave()
        self._count_failure(failure)
        logger.debug("handshake failed", extra={"facts": {"reason": failure}})


def _failure(error: BaseException) -> str:
    """Return the kind of failure."""
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        return "refused_by_client" if "ALERT" in reason else OPENSSL_REASONS.get(reason, "other")
    return "timeout" if isinstance(error, ConnectionAbortedError) else "hung_up"
