"""What the head of a request must be like, beyond what the parser checks, and the answer to what is no request."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import httptools

HOST = re.compile(rb"([A-Za-z0-9._~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")
"""RFC 9110, section 7.2: a name or an address, and a port; it may be empty."""
HTTP_1_0 = "1.0"
MAX_QUERY_FIELDS = 500
"""connexion takes time by the square of their number: milliseconds for so many, seconds for what a head can hold."""
RETRY_AFTER_S = 2
"""Until connections of others may have become idle."""


class RefusedError(Exception):
    """Ends the parsing of what is refused; holds the status and the sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        """Take what is answered."""
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


MALFORMED = (HTTPStatus.BAD_REQUEST, "The request is no valid HTTP/1.1.")
TOO_LARGE = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large.")


def check_head(target: bytes, headers: Sequence[tuple[bytes, bytes]], http_version: str) -> None:
    """Raise RefusedError unless the head says whom the request is for, and how long its body is, without doubt.

    `target`: its query may have 500 fields. `headers`: by lower-case name. One Host (RFC 9112, section 3.2), none but
    for HTTP/1.0; no transfer coding but `chunked`, which HTTP/1.0 has not (section 6.1).
    """
    if target.count(b"&") >= MAX_QUERY_FIELDS:
        raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, f"The query has more than {MAX_QUERY_FIELDS} fields.")
    hosts = [value for name, value in headers if name == b"host"]
    least = 0 if http_version == HTTP_1_0 else 1
    if not least <= len(hosts) <= 1 or not all(map(HOST.fullmatch, hosts)):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The request must have one valid header Host.")
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and (codings != [b"chunked"] or http_version == HTTP_1_0):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The body must be chunked, or have a length.")


def fault_of(error: httptools.HttpParserError) -> tuple[HTTPStatus, str]:
    """Return what is wrong with a request that the parser ended at; raises the error when the fault is our own."""
    cause = error.__context__
    if isinstance(cause, RefusedError):
        return cause.status, cause.sentence
    if cause is None or isinstance(cause, httptools.HttpParserError | UnicodeError):
        return MALFORMED
    raise error


def plain_text(status: HTTPStatus, sentence: str) -> bytes:
    """Return the fields and the body of the answer to what is no request; it ends the connection."""
    fields = f"content-type: text/plain; charset=utf-8\r\ncontent-length: {len(sentence)}\r\nconnection: close\r\n"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        fields += f"retry-after: {RETRY_AFTER_S}\r\n"
    return f"{fields}\r\n{sentence}".encode()


class BodyOnly:
    """Passes on what a parser says of the body, and nothing of the head it was given."""

    def __init__(self, protocol: Any) -> None:
        """Take the protocol that is told."""
        self.on_body = protocol.on_body
        self.on_chunk_header = protocol.on_chunk_header
        self.on_message_complete = protocol.on_message_complete
