"""Names of files are safe, whatever patterns say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from player.topology.naming import MAX_NAME_BYTES, file_name

AT_S = 1633437296.75
"""2021-10-05, 12:34:56."""


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("door-${System.DateTime}", "door-20211005T123456Z"),
        ("${System.Runtime.DateTime}", "20211005T123456Z"),
        ("${system.datetime}-${SYSTEM.RUNTIME.DATETIME}", "20211005T123456Z-20211005T123456Z"),
        ("Tür 東京", "Tür 東京"),
        ("../../etc/passwd", "-.-etc-passwd"),
        ('a/b\\c:d*e?f"g<h>i|j\nk', "a-b-c-d-e-f-g-h-i-j-k"),
        (". a...b . ", "a.b"),
        ("..", "20211005T123456Z"),
        ("", "20211005T123456Z"),
        ("a" * 300, "a" * 183 + "-20211005T123456Z"),
        ("東" * 100 + "${System.DateTime}", "東" * 61 + "-20211005T123456Z"),
    ],
    ids=[
        "ava",
        "runtime",
        "case",
        "other scripts",
        "above",
        "separators",
        "dots",
        "only dots",
        "empty",
        "long",
        "wide",
    ],
)
def test_a_pattern_becomes_a_name(pattern: str, name: str) -> None:
    assert file_name(pattern, AT_S) == name


@given(st.text() | st.text("./\\${}System.DateTime\x00 é", max_size=400), st.floats(0, 2e9))
def test_any_pattern_becomes_the_name_of_a_file_in_a_folder(pattern: str, at_s: float) -> None:
    name = file_name(pattern, at_s)
    assert 0 < len(name.encode()) <= MAX_NAME_BYTES
    assert not set(name) & set('/\\:*?"<>|\x00\n')
    assert ".." not in name
    assert name.strip(". ") == name
