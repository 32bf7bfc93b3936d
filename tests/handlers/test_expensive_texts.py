"""Parsing a text from a client takes time proportional to its length, never to its square."""

import re
from collections.abc import Callable, Iterator

import pytest

from handlers.annotate import preferred
from handlers.decoding import description
from handlers.parsing.numbers import read_number, read_whole_number
from handlers.parsing.queries import known_fields
from lab.graphs import write_identity_model
from lab.texts import FIELD_BYTES, PLACES, QUERY_BYTES, UNITS, text_of
from lab.wire import statuses, talk
from tests.support.cost import costs_at_most
from tests.support.credentials import GUARDED
from tests.support.server import LiveServer, serving

MOST_CPU_S = 0.1
"""Of the event loop, for one request; most take 2 ms, the most expensive ones 10."""
TRIES = 20
"""Another thread's garbage may count, and the time in which a virtual machine stands still; not each time."""

LONG = 60_000
"""The most that a head can hold. Quadratic parsing takes 15 s to a minute, linear parsing milliseconds."""
TEXTS: dict[str, tuple[Callable[[str], object], str]] = {
    "a number": (read_number, "0" * LONG + "x"),
    "a long number": (read_number, "0" * LONG),
    "a fraction": (read_number, "0." + "0" * LONG + "x"),
    "a whole number": (read_whole_number, "0" * LONG + "x"),
    "blanks in a media type": (description.PARAMETER.findall, "image/x-raw;a=" + " " * LONG + '"'),
    "blanks before a name": (description.PARAMETER.findall, "image/x-raw;" + " " * LONG),
    "a name of a media type": (description.PARAMETER.findall, "image/x-raw;" + "a" * LONG),
    "a value of a media type": (description.PARAMETER.findall, "image/x-raw;a=" + "b" * LONG + '"'),
    "media ranges": (preferred, "a/b;q=0.1," * (LONG // 10)),
    "names of a query": (lambda text: known_fields(text.encode(), {"stream"}), "A" * LONG + "&" * LONG),
    "percent signs in a query": (lambda text: known_fields(text.encode(), {"stream"}), "stream=" + "%" * LONG),
    "quotes in a media type": (description.PARAMETER.findall, 'image/x-raw;a="' * (LONG // 14)),
}


@pytest.mark.parametrize(("read", "text"), TEXTS.values(), ids=TEXTS)
def test_no_text_is_expensive(read: Callable[[str], object], text: str) -> None:
    with costs_at_most(2):
        read(text)


def test_media_types_are_read_as_before() -> None:
    """The pattern does not backtrack; with backtracking it would match the same."""
    backtracking = re.compile(re.sub(r"([*+])\+", r"\1", description.PARAMETER.pattern))
    for text in (
        "image/x-raw; width=(int)640 ;height=480",
        'video/x-raw;format="RGB" ; width = 1',
        "a;b=;c= ;=d;e",
        ';a="b;c";d="e',
        "; a = (x) (y) ;b=(z)",
    ):
        assert description.PARAMETER.findall(text) == backtracking.findall(text)


@pytest.fixture(scope="module", params=["open", "guarded"])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service that lets everybody in, and one that needs credentials."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    is_open = request.param == "open"
    with serving(folder, queue_size=1000, wait_until_ready=is_open, **({} if is_open else GUARDED)) as live:
        yield live


def cpu_s(server: LiveServer, request: bytes) -> float:
    """Return the CPU time that the event loop takes for a request, which must be answered once and without a 5xx."""
    before_s = server.loop_cpu_s()
    received = talk(server.port, request)
    [status] = statuses(received)
    assert status < 500
    return server.loop_cpu_s() - before_s


@pytest.mark.parametrize("place", PLACES)
def test_no_text_in_a_request_is_expensive(reader: LiveServer, place: str) -> None:
    for name, unit in UNITS.items():
        for size_bytes in (QUERY_BYTES, FIELD_BYTES):
            request = PLACES[place](text_of(unit, size_bytes))
            is_cheap = any(cpu_s(reader, request) < MOST_CPU_S for _ in range(TRIES))
            assert is_cheap, f"{size_bytes} bytes of {name}"


def test_parameters_that_the_contract_does_not_name_are_dropped() -> None:
    names = {"stream", "object"}
    assert known_fields(b"stream=a&STREAM=b&a=b&object=c&=&&object", names) == b"stream=a&object=c&object"
    assert known_fields(b"%73tream=a%2&o%62ject=%25+%zz", names) == b"%73tream=a%252&o%62ject=%25+%25zz"
    assert known_fields(b"stream" + b"%20" * QUERY_BYTES, names) == b""
