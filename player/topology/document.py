"""JSON as topologies are written in it, read strictly: every fault has a line and a column.

Reading takes time that grows with the length of the text, whatever is in it: its size, its depth and its number of
values have limits.
"""

import bisect
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from player.errors import TopologyError

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 20_000
MAX_DIGITS = 40
MAX_SHOWN = 60
"""Characters of a key or name that a message repeats."""

_TOKEN = re.compile(
    r"""[ \t\r\n]*+(?:
    (?P<mark>[{}\[\]:,])
    |(?P<string>"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+")
    |(?P<number>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+)
    |(?P<word>[A-Za-z_]++)
    |(?P<end>\Z))""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "null": None}
_SURROGATE = re.compile("[\ud800-\udfff]")


class Place(NamedTuple):
    """Where something is in a text; both count from 1, columns in characters."""

    line: int
    column: int

    def __str__(self) -> str:
        """Return it as messages begin."""
        return f"line {self.line}, column {self.column}"


class Placed(dict[str, Any]):
    """An object of JSON that knows where it and its keys are. `places`: key → place.

    `origins`: key → names of the parameters that its value was made of.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.places: dict[str, Place] = {}
        self.origins: dict[str, tuple[str, ...]] = {}

    def written(self, key: str) -> str | None:
        """Return a key as it is written here, whatever its case; None: it is not here."""
        folded = key.casefold()
        return next((own for own in self if own.casefold() == folded), None)

    def find(self, key: str) -> Any:
        """Return a key's value, whatever the key's case; None: it is not here."""
        written = self.written(key)
        return None if written is None else self[written]


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


def shown(text: str, limit: int = MAX_SHOWN) -> str:
    """Return a key or a name as a message repeats it: short, on one line."""
    line = "".join(char if char.isprintable() else "?" for char in text[:limit])
    return line if len(text) <= limit else f"{line}..."


def fault(place: Place, reason: str) -> TopologyError:
    """Return an error at a place of a text."""
    return TopologyError(f"{place}: {reason}")


def read_document(path: Path) -> Placed:
    """Return the object that a file of JSON holds; raises TopologyError, whose message does not name the file."""
    content = read_bytes(path, MAX_BYTES)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line_begin = before.rfind(b"\n") + 1
        column = len(before[line_begin:].decode("utf-8", "replace")) + 1
        raise fault(Place(before.count(b"\n") + 1, column), "expected text in UTF-8.") from None
    value = parse(text)
    if not isinstance(value, Placed):
        raise fault(Place(1, 1), "expected an object, {...}.")
    return value


def read_bytes(path: Path, limit: int) -> bytes:
    """Return what a file holds; raises TopologyError, also for one of more than `limit` bytes."""
    try:
        if path.exists() and not path.is_file():
            raise TopologyError("this is no file.")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise TopologyError(f"it cannot be read: {reason or 'its name is not possible'}.") from None
    if len(content) > limit:
        raise TopologyError(f"it is too large; expected at most {limit} bytes.")
    return content


def parse(text: str) -> Any:
    """Return what a text of JSON says, objects as Placed; raises TopologyError with the place."""
    return _Parser(text).document()


class _Parser:
    """Goes through one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._values = self._depth = self._end = 0
        self._token = self._next()

    def document(self) -> Any:
        value = self._value("a value")
        if self._token.kind != "end":
            raise self._broken("expected nothing after the end of the value.")
        return value

    def _next(self) -> _Token:
        """Go on to the next token."""
        match = _TOKEN.match(self._text, self._end)
        if match is None:
            offset = len(self._text) - len(self._text[self._end :].lstrip(" \t\r\n"))
            raise fault(self._place(offset), f"this is not JSON: {_odd_one(self._text[offset])}")
        kind = match.lastgroup or "end"
        self._end = match.end()
        self._token = _Token(kind, match[kind], match.start(kind))
        return self._token

    def _broken(self, reason: str) -> TopologyError:
        return fault(self._here, f"this is not JSON: {reason}")

    @property
    def _here(self) -> Place:
        return self._place(self._token.offset)

    def _place(self, offset: int) -> Place:
        line = bisect.bisect_left(self._breaks, offset)
        return Place(line + 1, offset - (self._breaks[line - 1] if line else -1))

    def _is_mark(self, mark: str) -> bool:
        return self._token.kind == "mark" and self._token.text == mark

    def _expect(self, mark: str, reason: str) -> None:
        if not self._is_mark(mark):
            raise self._broken(reason)
        self._next()

    def _value(self, expected: str) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise fault(self._here, f"expected at most {MAX_VALUES} values.")
        if self._is_mark("{") or self._is_mark("["):
            return self._nested()
        value = self._scalar(expected)
        self._next()
        return value

    def _nested(self) -> Any:
        """Return an object or a list."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise fault(self._here, f"expected at most {MAX_DEPTH} levels inside each other.")
        value = self._object() if self._is_mark("{") else self._list()
        self._depth -= 1
        return value

    def _scalar(self, expected: str) -> Any:
        kind, text, _ = self._token
        if kind == "string":
            return self._string()
        if kind == "number":
            return self._number()
        if kind == "word" and text in _WORDS:
            return _WORDS[text]
        if kind == "word":
            raise self._broken("expected a value in double quotes, a number, true, false or null.")
        raise self._broken(f"expected {expected}.")

    def _string(self) -> str:
        text = str(json.loads(self._token.text))
        if _SURROGATE.search(text):
            raise self._broken("half of a character: one \\u escape of a pair.")
        return text

    def _number(self) -> int | float:
        if len(self._token.text) > MAX_DIGITS:
            raise self._broken(f"expected a number of at most {MAX_DIGITS} characters.")
        number: int | float = json.loads(self._token.text)
        if number in (float("inf"), float("-inf")):
            raise self._broken("this number is too large.")
        return number

    def _object(self) -> Placed:
        section = Placed(self._here)
        folded: set[str] = set()
        self._next()
        while not self._is_mark("}"):
            if section:
                self._expect(",", "expected a comma or } after a value.")
            if self._token.kind != "string":
                raise self._broken("expected a key in double quotes.")
            key, place = self._string(), self._here
            if key.casefold() in folded:
                raise fault(place, f"the key {shown(key)} is there twice; keys in other letter cases are the same.")
            folded.add(key.casefold())
            self._next()
            self._expect(":", "expected a colon after a key.")
            section.places[key] = place
            section[key] = self._value("a value")
        self._next()
        return section

    def _list(self) -> list[Any]:
        values: list[Any] = []
        self._next()
        while not self._is_mark("]"):
            if values:
                self._expect(",", "expected a comma or ] after a value.")
            values.append(self._value("a value" if values else "a value or ]"))
        self._next()
        return values


def _odd_one(character: str) -> str:
    """Return what is wrong with a character that begins nothing."""
    match character:
        case '"':
            return "this string does not end, or holds a line break, a tab or an unknown escape."
        case "'":
            return "expected double quotes."
        case "/" | "#":
            return "it has no comments."
        case _:
            return "no value begins with this character; perhaps a double quote before it lacks its \\."
