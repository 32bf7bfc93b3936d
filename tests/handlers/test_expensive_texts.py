"""Parsing a text from a client takes time proportional to its length, never to its square."""

import re
import time
from collections.abc import Callable

import pytest

from handlers.decoding import description
from handlers.numbers import read_number, read_whole_number

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
    "quotes in a media type": (description.PARAMETER.findall, 'image/x-raw;a="' * (LONG // 14)),
}


@pytest.mark.parametrize(("read", "text"), TEXTS.values(), ids=TEXTS)
def test_no_text_is_expensive(read: Callable[[str], object], text: str) -> None:
    started_at_s = time.process_time()
    read(text)
    assert time.process_time() - started_at_s < 1


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
