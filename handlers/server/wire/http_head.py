"""What a request's head must satisfy beyond the parser's checks, and the answer to what is not a request."""

import re
from collections.abc import Sequence
from http import HTTPStatus

import httptools

from handlers.parsing.request_names import RequestNames

HOST = re.compile(rb"([A-Za-z0-9._~%!$&'()*+,;=-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]*)?")
"""RFC 9110, section 7.2: a name or an address, and a port; it may be empty."""
HTTP_1_0 = "1.0"
MAX_HEADER_FIELDS = 100
"""Of one request; more are answered with 431."""
MAX_FIELD_BYTES = 8192
"""Of one header field, its name included, as in Apache and nginx: no reader of a header gets more."""
MAX_PATH_BYTES = 2048
"""Of a target before its query; far more than any path of the contract has."""
MAX_QUERY_BYTES = 4096
"""Enough for the labels of any model; each escaped byte is read twice, by Python."""
MAX_QUERY_FIELDS = 500
"""connexion's time grows with the square of their number: milliseconds for 500, seconds for what a head can hold."""
RETRY_AFTER_S = 2
"""By then other connections may have become idle."""


class RefusedError(Exception):
    """Ends the parsing of a refused request. `status` and `sentence` are the answer."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


MALFORMED = (HTTPStatus.BAD_REQUEST, "The request is no valid HTTP/1.1.")
TOO_LARGE = (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large.")


def check_head(target: bytes, headers: Sequence[tuple[bytes, bytes]], http_version: str) -> None:
    """Raise RefusedError unless the head names one host and leaves no doubt about the length of the body.

    `target`: at most 2048 bytes and a query of 4096, which may have 500 fields. `headers`: by lower-case name, each of
    at most 8192 bytes. Exactly one Host (RFC 9112, section 3.2), which HTTP/1.0 may omit; no transfer coding except
    `chunked`, which HTTP/1.0 lacks (section 6.1).
    """
    _check_target(target)
    if any(len(name) + len(value) > MAX_FIELD_BYTES for name, value in headers):
        raise RefusedError(*TOO_LARGE)
    hosts = [value for name, value in headers if name == b"host"]
    min_hosts = 0 if http_version == HTTP_1_0 else 1
    if not min_hosts <= len(hosts) <= 1 or not all(map(HOST.fullmatch, hosts)):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The request must have one valid header Host.")
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and (codings != [b"chunked"] or http_version == HTTP_1_0):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "The body must be chunked, or have a length.")


def _check_target(target: bytes) -> None:
    path, _, query = target.partition(b"?")
    for size, limit, sentence in (
        (len(path), MAX_PATH_BYTES, "The path has more than {} bytes."),
        (len(query), MAX_QUERY_BYTES, "The query has more than {} bytes."),
        (1 + query.count(b"&"), MAX_QUERY_FIELDS, "The query has more than {} fields."),
    ):
        if size > limit:
            raise RefusedError(HTTPStatus.REQUEST_URI_TOO_LONG, sentence.format(limit))


def in_origin_form(target: bytes) -> bytes:
    """Return a target with a path: the absolute form may leave it out (RFC 9112, section 3.2.2).

    Raises httptools.HttpParserInvalidURLError for what is no URL.
    """
    if target.startswith(b"/"):
        return target
    parsed = httptools.parse_url(target)
    query = b"?" + parsed.query if parsed.query else b""
    return target if parsed.path else b"/" + query


def refusal_for(error: httptools.HttpParserError) -> tuple[HTTPStatus, str]:
    """Return status and sentence for a request that the parser rejected; raises the error when the fault is ours."""
    cause = error.__context__
    if isinstance(cause, RefusedError):
        return cause.status, cause.sentence
    if cause is None or isinstance(cause, httptools.HttpParserError | UnicodeError):
        return MALFORMED
    raise error


def plain_text(status: HTTPStatus, sentence: str, names: RequestNames) -> bytes:
    """Return header fields and body of an answer in plain text, after which the connection is closed.

    `names`: what the caller calls the request, as far as it is known.
    """
    fields = f"content-type: text/plain; charset=utf-8\r\ncontent-length: {len(sentence)}\r\nconnection: close\r\n"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        fields += f"retry-after: {RETRY_AFTER_S}\r\n"
    if names.header:
        fields += f"{names.header}: {names.request_id}\r\n"
    return f"{fields}\r\n{sentence}".encode()
