"""The names that callers give to requests: what is read of them, and what is ignored."""

import pytest

from handlers.parsing.request_names import NO_NAMES, RequestNames, TraceParent, names_in

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OURS, THEIRS = b"x-ms-client-request-id", b"x-request-id"


def parent_of(*values: str, state: tuple[str, ...] = ()) -> TraceParent | None:
    headers = [(b"traceparent", value.encode("latin-1")) for value in values]
    return names_in([*headers, *((b"tracestate", each.encode("latin-1")) for each in state)]).parent


@pytest.mark.parametrize(
    ("headers", "names"),
    [
        ([], NO_NAMES),
        ([(b"host", b"x"), (b"content-type", b"image/jpeg")], NO_NAMES),
        ([(OURS, b"camera-7")], RequestNames("x-ms-client-request-id", "camera-7")),
        ([(THEIRS, b"frame-9")], RequestNames("X-Request-ID", "frame-9")),
        ([(THEIRS, b"frame-9"), (OURS, b"camera-7")], RequestNames("x-ms-client-request-id", "camera-7")),
        ([(THEIRS, b"frame-9"), (OURS, b'a"b')], RequestNames("X-Request-ID", "frame-9")),
        ([(THEIRS, b"first"), (THEIRS, b"second")], RequestNames("X-Request-ID", "first")),
        ([(THEIRS, b"x" * 129)], NO_NAMES),
        ([(THEIRS, "é".encode()), (OURS, b"")], NO_NAMES),
    ],
    ids=["none", "others", "protocol's", "usual", "both", "one malformed", "two", "long", "neither"],
)
def test_an_id_is_the_first_that_is_well_formed(headers: list[tuple[bytes, bytes]], names: RequestNames) -> None:
    assert names_in(headers) == names


@pytest.mark.parametrize(
    ("value", "is_sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-fe", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", True),
    ],
)
def test_the_span_of_a_caller_is_read(value: str, is_sampled: bool) -> None:  # noqa: FBT001  # a column
    assert parent_of(value) == TraceParent(TRACE, SPAN, is_sampled)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}-0",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01.",
        f"cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0\u0661",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_a_malformed_span_is_ignored(value: str) -> None:
    assert names_in([(b"traceparent", value.encode())]).parent is None


def test_of_two_spans_none_is_believed() -> None:
    assert parent_of(f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01") is None


@pytest.mark.parametrize(
    ("state", "read"),
    [
        ((), ""),
        (("a=1,b=2",), "a=1,b=2"),
        (("a=1", "b=2"), "a=1,b=2"),
        (("x" * 512,), "x" * 512),
        (("x" * 513,), ""),
        (("x" * 300, "y" * 300), ""),
    ],
    ids=["none", "one", "two", "longest", "too long", "too long in two"],
)
def test_the_state_of_other_systems_is_bounded(state: tuple[str, ...], read: str) -> None:
    parent = parent_of(f"00-{TRACE}-{SPAN}-01", state=state)
    assert parent
    assert parent.state == read
