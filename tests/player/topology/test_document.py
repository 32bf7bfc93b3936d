"""JSON is read strictly, faults are placed, and no text takes long."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from player.errors import TopologyError
from player.topology.document import MAX_BYTES, MAX_DEPTH, MAX_VALUES, Placed, parse, read_document

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children) | st.dictionaries(st.text('abcdeé\n"\\ ', max_size=3), children),
    max_leaves=20,
)  # fmt: skip
BROKEN = {
    "empty": ("", "line 1, column 1: this is not JSON: expected a value."),
    "end": ('{"a": 1', "line 1, column 8: this is not JSON: expected a comma or } after a value."),
    "list": ("[1\n 2]", "line 2, column 2: this is not JSON: expected a comma or ] after a value."),
    "comma": ('{"a": 1,}', "line 1, column 9: this is not JSON: expected a key in double quotes."),
    "list comma": ("[1,]", "line 1, column 4: this is not JSON: expected a value."),
    "colon": ('{"a" 1}', "line 1, column 6: this is not JSON: expected a colon after a key."),
    "number as key": ("{1: 2}", "line 1, column 2: this is not JSON: expected a key in double quotes."),
    "more": ('{"a": 1}\n\n x', "line 3, column 2: this is not JSON: expected nothing after the end of the value."),
    "word": (
        '{"a": yes}',
        "line 1, column 7: this is not JSON: expected a value in double quotes, a number, true, false or null.",
    ),
    "NaN": (
        "[NaN]",
        "line 1, column 2: this is not JSON: expected a value in double quotes, a number, true, false or null.",
    ),
    "-Infinity": (
        "[-Infinity]",
        (
            "line 1, column 2: this is not JSON: no value begins with this character; "
            "perhaps a double quote before it lacks its \\."
        ),
    ),
    "zero": ("[01]", "line 1, column 3: this is not JSON: expected a comma or ] after a value."),
    "large": ("[1e999]", "line 1, column 2: this is not JSON: this number is too large."),
    "long": (
        f"[{'9' * 41}]",
        "line 1, column 2: this is not JSON: expected a number of at most 40 characters.",
    ),
    "comment": ("{} // all", "line 1, column 4: this is not JSON: it has no comments."),
    "single quotes": ("{'a': 1}", "line 1, column 2: this is not JSON: expected double quotes."),
    "quote": (
        '{"a": "b "c", "d": "\\"}',
        "line 1, column 11: this is not JSON: expected a comma or } after a value.",
    ),
    "string": (
        '{"a":\n "b}',
        (
            "line 2, column 2: this is not JSON: "
            "this string does not end, or holds a line break, a tab or an unknown escape."
        ),
    ),
    "tab": (
        '["a\tb"]',
        (
            "line 1, column 2: this is not JSON: "
            "this string does not end, or holds a line break, a tab or an unknown escape."
        ),
    ),
    "half a character": (
        r'["\ud83d"]',
        "line 1, column 2: this is not JSON: half of a character: one \\u escape of a pair.",
    ),
    "twice": (
        '{"name": 1,\n "Name": 2}',
        "line 2, column 2: the key Name is there twice; keys in other letter cases are the same.",
    ),
    "deep": ("[" * 100_000, f"line 1, column {MAX_DEPTH + 1}: expected at most 32 levels inside each other."),
    "many": (f"[{'0,' * MAX_VALUES}0]", f"line 1, column {2 * MAX_VALUES}: expected at most 20000 values."),
    "list above": ("[]", "line 1, column 1: expected an object, {...}."),
    "string above": ('"a"', "line 1, column 1: expected an object, {...}."),
}
HOSTILE = {
    "levels": "[" * MAX_BYTES,
    "objects": '{"a":' * (MAX_BYTES // 5),
    "values": "[" + "0," * (MAX_BYTES // 2 - 2) + "0]",
    "keys": "{" + ",".join(f'"{number}":0' for number in range(90_000)) + "}",
    "string": '"' + "a" * (MAX_BYTES - 2),
    "escapes": '"' + "\\n" * (MAX_BYTES // 2 - 1),
    "digits": "1" * MAX_BYTES,
    "fraction": "1." + "1" * (MAX_BYTES - 3) + "e",
    "blanks": " " * MAX_BYTES,
    "lines": "\n" * MAX_BYTES,
    "word": "t" * MAX_BYTES,
}


def written(folder: Path, content: bytes) -> Path:
    path = folder / "topology.json"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_text_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    text, message = BROKEN[name]
    with pytest.raises(TopologyError) as refused:
        read_document(written(tmp_path, text.encode()))
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a":\n "\xc3\xa9\xff"}', "line 2, column 4: expected text in UTF-8."),
        ('{"a": 1}'.encode("utf-16"), "line 1, column 1: expected text in UTF-8."),
        (b" " * (MAX_BYTES + 1), "it is too large; expected at most 1048576 bytes."),
    ],
    ids=["latin", "utf-16", "large"],
)
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(TopologyError) as refused:
        read_document(written(tmp_path, content))
    assert str(refused.value) == message


def test_a_folder_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"^this is no file\.$"):
        read_document(tmp_path)
    with pytest.raises(TopologyError, match=r"^it cannot be read: No such file or directory\.$"):
        read_document(tmp_path / "none.json")
    with pytest.raises(TopologyError, match=r"^it cannot be read: its name is not possible\.$"):
        read_document(tmp_path / "a\0b")


def test_a_byte_order_mark_is_accepted_and_keys_know_their_places(tmp_path: Path) -> None:
    document = read_document(written(tmp_path, '\ufeff{\n  "Name": "é",\n  "b": {"c": 1}}'.encode()))
    assert document == {"Name": "é", "b": {"c": 1}}
    assert (document.place, document.places) == ((1, 1), {"Name": (2, 3), "b": (3, 3)})
    assert (document.find("nAME"), document.find("none"), document.written("NAME")) == ("é", None, "Name")
    assert document["b"].place == (3, 8)


@given(JSON)
def test_it_reads_what_json_reads(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=3)):
        if isinstance(value, dict) and len({key.casefold() for key in value}) < len(value):
            continue
        assert _same(parse(text), json.loads(text))


def _same(ours: Any, theirs: Any) -> bool:
    return bool(ours == theirs) and isinstance(ours, Placed) == isinstance(theirs, dict)


@given(st.text('{}[]:,"\\ \n0123456789.eE+-tfnrualseNI\tu\ud800é', max_size=60))
def test_any_text_is_read_as_json_reads_it_or_refused(text: str) -> None:
    try:
        value = parse(text)
    except TopologyError:
        return
    assert _same(value, json.loads(text))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_takes_long(name: str) -> None:
    begin = time.thread_time()
    with pytest.raises(TopologyError):
        parse(HOSTILE[name])
    assert time.thread_time() - begin < 5
