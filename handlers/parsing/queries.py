"""What is read of a query before connexion reads it, in time proportional to its length."""

import re
from collections.abc import Collection
from functools import lru_cache
from urllib.parse import parse_qsl, unquote_plus

STREAM_NAME = re.compile(r"[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]{1,128}")
"""Names that callers give to streams: whatever a camera is called, without control characters and those that end a line
or turn the direction of text."""
STREAM_PARAMETERS = ("stream", "id")
"""The query parameters that name a stream; the first one takes precedence."""
LONE_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
MAX_NAME_BYTES = 64
"""Of a query parameter, as written; longer than each name in the contract, with all its letters escaped."""
MAX_CACHED_BYTES = 1024
"""Of a query. Cameras repeat short ones; keeping longer ones would take too much memory."""


def known_fields(query: bytes, names: Collection[str]) -> bytes:
    """Return the fields of a query that have one of these names, as they were written.

    A percent sign that escapes nothing is escaped itself: Python takes ten times as long to read it, again and again.
    """
    known = b"&".join(field for field in query.split(b"&") if _name_of(field) in names)
    return LONE_PERCENT.sub(b"%25", known)


def stream_of(query: bytes) -> str:
    """Return the name of a frame's stream, from the query; empty when it has none, or none that is well formed."""
    return _read_stream(query) if len(query) > MAX_CACHED_BYTES else _cached_stream(query)


def _read_stream(query: bytes) -> str:
    known = known_fields(query, STREAM_PARAMETERS).decode("latin-1")
    fields = dict(parse_qsl(known, keep_blank_values=True)) if known else {}
    name = next((fields[parameter] for parameter in STREAM_PARAMETERS if parameter in fields), "")
    return name if STREAM_NAME.fullmatch(name) else ""


_cached_stream = lru_cache(maxsize=1024)(_read_stream)


def _name_of(field: bytes) -> str:
    """Return the name of a field of a query; empty when it is too long for a parameter of the contract."""
    name, _, _ = field.partition(b"=")
    return unquote_plus(name.decode("latin-1")) if len(name) <= MAX_NAME_BYTES else ""
