"""HTTP/1.1 on the wire: uvicorn's protocol, mended where it would lose a frame."""

from typing import Any

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle


class HttpProtocol(HttpToolsProtocol):
    """Serves a request that offers an upgrade as if it did not (RFC 9110, section 7.8), and tells of lost connections.

    Java's HttpClient and `curl --http2` offer HTTP/2 with every frame they post. The parser takes the offer for the
    end of HTTP/1.1 and drops the body; here a second parser reads it.

    A caller may send its next request before it has its answer. If its connection is lost then, the request that is
    being answered must hear of it, too.
    """

    _answering: RequestResponseCycle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is being answered; uvicorn tells only the last one that was read."""
        super().connection_lost(exc)
        if self._answering and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        """Take in bytes from the socket."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_on(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def on_message_complete(self) -> None:
        """Note that the body is complete; the parser also says so when it only gave up on it."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def _read_on(self, rest: bytes) -> None:
        """Read the body of the request whose head was just parsed; the connection ends with its answer."""
        self.cycle.keep_alive = False
        framing = [(name, value) for name, value in self.headers if name in {b"content-length", b"transfer-encoding"}]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in framing)
        self.parser = httptools.HttpRequestParser(_BodyOnly(self))
        self.data_received(b"POST / HTTP/1.1\r\n" + head + b"\r\n" + rest)


class _BodyOnly:
    """Passes on what a parser says of the body, and nothing of the head it was given."""

    def __init__(self, protocol: Any) -> None:
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete
