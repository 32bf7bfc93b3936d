"""TLS handshakes, counted and limited like all connections from the moment when the socket is accepted.

If uvicorn had the certificate, it would report a connection only after its handshake: nothing could limit how many
handshakes there are, or count those that fail. So uvicorn accepts plain connections, and TLS begins on each here.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

from uvloop.loop import SSLProtocol  # type: ignore[attr-defined]

from handlers.server.access.callers import caller_of
from handlers.server.wire.connections import Connections
from handlers.server.wire.http_protocol import HttpProtocol
from handlers.server.wire.tls import Tls

SHUTDOWN_S = 3600
"""Longer than any connection takes to end: `HttpProtocol` has its own deadline."""

EVICTED = "evicted"
FAILURES = ("client_certificate", EVICTED, "hung_up", "not_tls", "other", "refused_by_client", "timeout", "version")
"""Why a handshake fails: labels of a metric, explained in docs/metrics.md."""
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
    """A connection that is not yet encrypted. It counts as idle, so it gives way when there are too many connections.

    It stands on both sides of uvloop's TLS: its first `connection_made` brings the socket, the second one the encrypted
    connection. The loop's public `start_tls` is of no use: what the client has sent by then is lost. `options`:
    uvicorn's, for the `HttpProtocol` that follows.
    """

    def __init__(self, connections: Connections, **options: Any) -> None:
        self._connections = connections
        self._make_protocol = partial(HttpProtocol, connections=connections, **options)
        self._tls: Tls = options["app_state"]["tls"]
        self._count_failure: Callable[[str], None] = options["app_state"]["count_handshake_failure"]
        self._known_to_uvicorn: set[Any] = options["server_state"].connections
        self._wire: Any = None
        """The transport of the socket."""
        self._is_encrypted = False

    def connection_made(self, transport: Any) -> None:
        """Start the handshake on a socket, or serve the encrypted connection when the handshake is done."""
        if self._wire:
            self._serve(transport)
            return
        self._wire = transport
        self._known_to_uvicorn.add(self)
        if self._connections.add(self, caller_of(transport.get_extra_info("peername"))):
            self._connections.mark_idle(self)
            self._start_tls()
        else:
            self._fail(EVICTED)
            transport.abort()

    def check(self, now: float) -> None:
        """Do nothing: uvloop ends a handshake that takes too long."""

    def evict(self) -> None:
        """Close at once, to make room for another connection."""
        self._wire.abort()

    def shutdown(self) -> None:
        """Close at once: the service stops, and no request has arrived."""
        self._wire.abort()

    def _start_tls(self) -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        done.add_done_callback(self._on_done)
        encrypted = SSLProtocol(
            loop,
            self,
            self._tls.served.context,
            done,
            server_side=True,
            ssl_handshake_timeout=self._connections.limits.receive_timeout_s,
            ssl_shutdown_timeout=SHUTDOWN_S,
        )
        self._wire.set_protocol(encrypted)
        encrypted.connection_made(self._wire)

    def _serve(self, transport: Any) -> None:
        self._unregister()
        self._is_encrypted = True
        protocol = self._make_protocol(wire=self._wire)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def _on_done(self, done: asyncio.Future[None]) -> None:
        """Count a failure; an evicted handshake has no error."""
        error = done.exception()
        if not self._is_encrypted:
            self._fail(_failure(error) if error else EVICTED)

    def _unregister(self) -> None:
        self._connections.remove(self)
        self._known_to_uvicorn.discard(self)

    def _fail(self, failure: str) -> None:
        self._unregister()
        self._count_failure(failure)
        logger.debug("handshake failed", extra={"facts": {"reason": failure}})


def _failure(error: BaseException) -> str:
    """Return which of FAILURES an error is."""
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        return "refused_by_client" if "ALERT" in reason else OPENSSL_REASONS.get(reason, "other")
    return "timeout" if isinstance(error, ConnectionAbortedError) else "hung_up"
