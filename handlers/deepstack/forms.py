"""Forms → the picture in them and the fields beside it. Everything stays in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from handlers.decoding import foreign
from handlers.decoding.encoded import FORMAT_NAMES, UNKNOWN, format_of
from handlers.deepstack.dialect import FORM_TYPE
from handlers.errors import InvalidParameterError, UndecodableFrameError, UnsupportedMediaTypeError
from handlers.parsing.numbers import read_number

MAX_PARTS = 64
"""As the contract says; far more than any client sends. Each part costs the event loop some 30 us."""
MAX_BOUNDARY_BYTES = 70
"""RFC 2046, section 5.1.1."""
MAX_HEADER_BYTES, MAX_HEADER_COUNT = 1024, 4
MAX_HEADER_OPTIONS = 8
"""Of one header of a part. A form names two; each costs the event loop some 2 us to read, empty ones too."""
"""Of one part: enough for its name, its file's name, which clients may write twice, and its type."""
MAX_TEXT_LENGTH = 1024
"""In characters, as the contract says."""
MAX_UTF8_BYTES = 4
"""Of one character."""
PADDING = {b" ", b"\t"}
"""May follow a boundary (RFC 2046: gateways pad lines); the parser loops over each of these bytes."""

DEFAULT_MIN_CONFIDENCE = 0.4
"""The default of CodeProject.AI, and the lowest confidence that Frigate uses."""


@dataclass(frozen=True, slots=True)
class PictureForm:
    """The content of a form. `image`: the file's bytes. `min_confidence`: 0..1. `api_key`: empty if not given."""

    image: bytes
    min_confidence: float
    api_key: str


def read_form(content_type: str, body: bytes) -> PictureForm:
    """Return the content of a form; raises InvalidParameterError and UndecodableFrameError."""
    parts = _parts(content_type, body)
    fields = [part for part in parts if not part.is_file]
    return PictureForm(_image(parts), _min_confidence(fields), _text(fields, "api_key"))


def read_picture(body: bytes) -> PictureForm:
    """Return a picture without a form as one in a form without fields; raises UnsupportedMediaTypeError for no picture.

    curl --data-binary sends one, and so do scripts; their Content-Type is that of fields, or anything.
    """
    if format_of(body) == UNKNOWN:
        kind = foreign.kind_of(body)
        looks = f"; it looks like {kind.name}" if kind else ""
        raise UnsupportedMediaTypeError(
            f"This is neither a form nor a picture{looks}. Send the picture in a form, as {FORM_TYPE}, in a file named "
            "image."
        )
    return PictureForm(body, DEFAULT_MIN_CONFIDENCE, "")


@dataclass(slots=True)
class _Part:
    """One part. It is a file if it has a file name, as in HTML."""

    name: str | None = None
    is_file: bool = False
    content: bytes = b""


@dataclass(slots=True)
class _Reader:
    """Collects the parts from the parser's callbacks, which get slices of the body."""

    parts: list[_Part] = field(default_factory=list)
    header: bytes = b""
    value: bytes = b""
    pieces: list[bytes] = field(default_factory=list)

    def begin(self) -> None:
        self.parts.append(_Part())
        self.pieces = []

    def header_name(self, body: bytes, start: int, end: int) -> None:
        self.header += body[start:end]

    def header_value(self, body: bytes, start: int, end: int) -> None:
        self.value += body[start:end]

    def header_end(self) -> None:
        if self.header.lower() == b"content-disposition" and self.parts[-1].name is None:
            if self.value.count(b";") > MAX_HEADER_OPTIONS:
                raise _unreadable()
            _, options = parse_options_header(self.value)
            self.parts[-1].name = options.get(b"name", b"").decode("utf-8", "replace")
            self.parts[-1].is_file = b"filename" in options
        self.header = self.value = b""

    def data(self, body: bytes, start: int, end: int) -> None:
        self.pieces.append(body[start:end])

    def end(self) -> None:
        self.parts[-1].content = b"".join(self.pieces)


def _parts(content_type: str, body: bytes) -> list[_Part]:
    """Return the parts of a body; raises InvalidParameterError for a malformed or incomplete body."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    _refuse_expensive(body, boundary)
    reader, ended = _Reader(), []
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": reader.begin,
                "on_header_field": reader.header_name,
                "on_header_value": reader.header_value,
                "on_header_end": reader.header_end,
                "on_part_data": reader.data,
                "on_part_end": reader.end,
                "on_end": lambda: ended.append(True),
            },
            max_header_count=MAX_HEADER_COUNT,
            max_header_size=MAX_HEADER_BYTES,
        )
        parser.write(body)
    except FormParserError as error:
        raise _unreadable() from error
    if not ended:
        raise _unreadable()
    return reader.parts


def _refuse_expensive(body: bytes, boundary: bytes) -> None:
    """Raise InvalidParameterError for a body that would block the event loop.

    The parser skips over most of a body at once, but not over boundaries and text like them: those must be few.
    """
    if not 1 <= len(boundary) <= MAX_BOUNDARY_BYTES:
        raise _unreadable()
    delimiter = b"\r\n--" + boundary
    at, count = -2, 0  # the first one has no line before it
    while at != -1:
        after = at + len(delimiter)
        count += 1
        if count > MAX_PARTS + 1 or body[after : after + 1] in PADDING:
            raise _unreadable()
        at = body.find(delimiter, after)


def _unreadable() -> InvalidParameterError:
    return InvalidParameterError(
        f"The form cannot be read: expected {FORM_TYPE} with one file 'image' and a few fields."
    )


def _image(parts: Sequence[_Part]) -> bytes:
    """Return the picture: the file called image, as DeepStack has it, else the first one (CodeProject.AI: image1).

    Raises InvalidParameterError when there is none, or more than one of that name, and UndecodableFrameError when it is
    empty.
    """
    files = [part for part in parts if part.is_file]
    named = [part for part in files if part.name == "image"]
    if not files and any(part.name == "image" for part in parts):
        raise InvalidParameterError("The part 'image' of the form has no file name: send one, such as image.jpg.")
    if not files:
        raise InvalidParameterError(
            f"The form has no file: expected one {FORMAT_NAMES} picture, in a file called 'image'."
        )
    if len(named) > 1:
        raise _unreadable()
    image = (named or files)[0].content
    if not image:
        raise UndecodableFrameError(f"The file in the form is empty; expected one {FORMAT_NAMES} picture.")
    return image


def _min_confidence(fields: Sequence[_Part]) -> float:
    written = _text(fields, "min_confidence").strip()
    if not written:
        return DEFAULT_MIN_CONFIDENCE
    number = read_number(written)
    if number is not None and 0 <= number <= 1:
        return number
    raise InvalidParameterError(
        "The field 'min_confidence' is wrong: expected a number from 0 to 1, with a decimal point."
    )


def _text(fields: Sequence[_Part], name: str) -> str:
    """Return the text of a field, empty if it is missing.

    Raises InvalidParameterError for a field that is repeated or too long.
    """
    values = [part.content for part in fields if part.name == name]
    if len(values) > 1:
        raise InvalidParameterError(f"The field '{name}' is given more than once.")
    text = values[0][: MAX_UTF8_BYTES * MAX_TEXT_LENGTH + 1].decode("utf-8", "replace") if values else ""
    if len(text) > MAX_TEXT_LENGTH:
        raise InvalidParameterError(f"The field '{name}' is too long: expected at most {MAX_TEXT_LENGTH} characters.")
    return text
