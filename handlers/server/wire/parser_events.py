"""What the parser reports: counted against the limits first, then passed on to uvicorn's protocol."""

from collections.abc import Sequence
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from handlers.server.wire.http_head import MAX_HEADER_FIELDS, TOO_LARGE, RefusedError
from handlers.server.wire.progress import MAX_CHUNKS, RequestProgress


class ParserEvents:
    """The callbacks of httptools. They raise RefusedError, which ends the parsing, when a request is too large.

    `max_header_bytes`: of the target and all header fields of one request, trailers included.
    """

    def __init__(self, protocol: HttpToolsProtocol, progress: RequestProgress, max_header_bytes: int) -> None:
        self._protocol, self._progress, self._max_header_bytes = protocol, progress, max_header_bytes
        self.on_headers_complete = protocol.on_headers_complete
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._protocol.on_message_begin()
        self._progress.head.start(self._protocol.loop.time())
        self._progress.fields_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Add a part of the target."""
        self._protocol.on_url(url)
        self._count_fields(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header field; trailers are counted and dropped."""
        if self._progress.body is None:
            self._protocol.on_header(name, value)
        self._count_fields(len(name) + len(value))

    def on_chunk_header(self) -> None:
        """Count a chunk of the body."""
        body = self._progress.body
        if body is None:
            return
        body.add_chunk()
        if body.has_too_many_chunks:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"The body has more than {MAX_CHUNKS} chunks.")

    def on_body(self, body: bytes) -> None:
        """Add a part of the body."""
        if self._progress.body is not None:
            self._progress.body.add_content(len(body))
        self._protocol.on_body(body)

    def _count_fields(self, size_bytes: int) -> None:
        self._progress.fields_bytes += size_bytes
        has_too_many = len(self._protocol.headers) > MAX_HEADER_FIELDS
        if has_too_many or self._progress.fields_bytes > self._max_header_bytes:
            raise RefusedError(*TOO_LARGE)


class BodyEvents:
    """Passes on what a second parser reports of a body, and nothing of the head that it was given."""

    def __init__(self, events: ParserEvents) -> None:
        self.on_body = events.on_body
        self.on_chunk_header = events.on_chunk_header
        self.on_message_complete = events.on_message_complete


def head_for_body(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return a head that makes a second parser read the body that follows `headers`, and nothing behind it."""
    framing = [(name, value) for name, value in headers if name in {b"content-length", b"transfer-encoding"}]
    fields = b"".join(name + b": " + value + b"\r\n" for name, value in framing)
    return b"POST / HTTP/1.1\r\nConnection: close\r\n" + fields + b"\r\n"
