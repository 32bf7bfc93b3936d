"""How callers name a request: by an id of their own, and by the trace that it belongs to (W3C Trace Context)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""Ids that callers give to requests: they are echoed in a header."""
REQUEST_ID_HEADERS = ("x-ms-client-request-id", "X-Request-ID")
"""The headers that may hold one; the first one that is well formed takes precedence, and is echoed."""
TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-?)")
"""Version, trace, caller's span and flags. Later versions may go on behind another hyphen."""
TRACEPARENT_CHARACTERS = 55
SAMPLED = 1
"""The flag of a trace that its callers record."""
MAX_TRACESTATE_CHARACTERS = 512
"""As W3C Trace Context asks for; a longer one is ignored."""

_IDS = {name.lower().encode(): name for name in REQUEST_ID_HEADERS}
_TRACEPARENT, _TRACESTATE = b"traceparent", b"tracestate"
_READ = {*_IDS, _TRACEPARENT, _TRACESTATE}


@dataclass(frozen=True, slots=True)
class TraceParent:
    """The span that a request belongs to at its caller. `trace_id`, `span_id`: 32 and 16 hexadecimal digits.

    `is_sampled`: whether the caller records the trace. `state`: of other tracing systems, as sent; may be empty.
    """

    trace_id: str
    span_id: str
    is_sampled: bool
    state: str = ""


@dataclass(frozen=True, slots=True)
class RequestNames:
    """What a caller calls its request. `header`: where the id stands, as it is echoed; empty without an id."""

    header: str = ""
    request_id: str = ""
    parent: TraceParent | None = None


NO_NAMES = RequestNames()


def names_in(headers: Iterable[tuple[bytes, bytes]]) -> RequestNames:
    """Return what is well formed of the names in headers; anything else is ignored. `headers`: by lower-case name."""
    read = [(name, value) for name, value in headers if name in _READ]
    if not read:
        return NO_NAMES
    ids = {_IDS[name]: value.decode("latin-1") for name, value in reversed(read) if name in _IDS}
    header = next((name for name in REQUEST_ID_HEADERS if REQUEST_ID.fullmatch(ids.get(name, ""))), "")
    return RequestNames(header, ids.get(header, ""), _parent_in(read))


def _parent_in(read: list[tuple[bytes, bytes]]) -> TraceParent | None:
    """Return the caller's span; None without one, with two, and with one that is malformed."""
    values = [value for name, value in read if name == _TRACEPARENT]
    if len(values) != 1:
        return None
    text = values[0][: TRACEPARENT_CHARACTERS + 1].decode("latin-1")
    found = TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if more and version == "00":
        return None
    state = b",".join(value for name, value in read if name == _TRACESTATE)
    is_sampled = bool(int(flags, 16) & SAMPLED)
    return TraceParent(trace_id, span_id, is_sampled, _text(state) if len(state) <= MAX_TRACESTATE_CHARACTERS else "")


def _text(value: bytes) -> str:
    return value.decode("ascii", errors="ignore")
