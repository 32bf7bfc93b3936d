"""One HTTP/1.1 connection of the load generator: just enough of the protocol for answers to posted frames.

Written by hand because the generator shares two cores with the server it measures.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

RESET_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing sends RST."""
NO_CONTENT = 204
NOT_HTTP = 0
"""Status of bytes that are not an HTTP reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a server. `headers` by lower-case name."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Listener(Protocol):
    """Receives the events of a connection."""

    def replied(self, connection: "Connection", reply: Reply) -> None:
        """Handle the reply to the last request; the connection is free again."""

    def surplus(self) -> None:
        """Handle bytes that no request asked for."""

    def closed(self, connection: "Connection") -> None:
        """Handle the end of the connection."""


class Connection(asyncio.Protocol):
    """Sends one request at a time and reports replies to its listener.

    `exchange`: the listener's record of the reply it awaits here.
    """

    def __init__(self, listener: Listener) -> None:
        self.exchange: Any = None
        self.reusable = True
        self.idle_since_s = 0.0
        self._listener = listener
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self._transport = transport

    def send(self, exchange: Any, parts: Sequence[bytes]) -> None:
        """Send a request whose reply belongs to `exchange`."""
        self.exchange = exchange
        if self._transport:
            self._transport.writelines(parts)

    def data_received(self, data: bytes) -> None:
        """Collect bytes; report the reply once it is complete."""
        self._received += data
        if self.exchange is None:
            self._listener.surplus()
            self.abort()
            return
        reply = self._take_reply()
        if reply is None:
            return
        if self._received:
            self._listener.surplus()
            self.reusable = False
        if not reply.status or reply.headers.get("connection", "").lower() == "close":
            self.reusable = False
        self._listener.replied(self, reply)

    def connection_lost(self, _: Exception | None) -> None:
        """Report the end of the connection."""
        self._listener.closed(self)

    def abort(self) -> None:
        """Close now and drop unsent bytes."""
        self.reusable = False
        if self._transport:
            self._transport.abort()

    def reset(self) -> None:
        """Hang up with RST."""
        if self._transport and not self._transport.is_closing():
            descriptor = self._transport.get_extra_info("socket").fileno()
            with socket.socket(fileno=os.dup(descriptor)) as twin:  # uvloop's own object cannot set options
                twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        self.abort()

    def _take_reply(self) -> Reply | None:
        """Return the reply if it is complete, and drop its bytes."""
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        try:
            reply, length = _read_head(self._received[:end].decode("latin-1"))
        except ValueError:
            self._received.clear()
            return Reply(NOT_HTTP)
        start = end + 4
        if len(self._received) < start + length:
            return None
        body = bytes(self._received[start : start + length])
        del self._received[: start + length]
        return Reply(reply.status, reply.headers, body)


def _read_head(head: str) -> tuple[Reply, int]:
    """Return status and headers, and the length of the body; raises ValueError."""
    status_line, *lines = head.split("\r\n")
    protocol, status = status_line.split(" ", 2)[:2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if protocol != "HTTP/1.1" or "transfer-encoding" in headers:
        raise ValueError("expected HTTP/1.1 and a Content-Length")
    length = 0 if int(status) == NO_CONTENT else int(headers.get("content-length", "none"))
    return Reply(int(status), headers), length
