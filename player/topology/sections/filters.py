"""What counts among events: lines that are crossed, and which events open a signal gate."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from player.errors import TopologyError
from player.topology.document import parse
from player.topology.sections.keys import Keyed, folded, tail

LineType: TypeAlias = Literal["NamedLineString"]
Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Point: TypeAlias = tuple[Fraction, Fraction]
LineName: TypeAlias = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]{1,64}$")]
MAX_LINE_LENGTH = 400


def _points(line: Any) -> Any:
    """Return the points of a line that is written as a string: JSON, or four numbers with commas or blanks between."""
    if not isinstance(line, str):
        return line
    if len(line) > MAX_LINE_LENGTH:
        raise ValueError(f"expected at most {MAX_LINE_LENGTH} characters")
    if line.lstrip().startswith("["):
        try:
            return parse(line)
        except TopologyError as error:
            raise ValueError(
                f"expected a line such as [[0.5,0.1],[0.5,0.9]]; in this string, {error}".rstrip(".")
            ) from None
    match line.replace(",", " ").split():
        case [x1, y1, x2, y2]:
            return [[x1, y1], [x2, y2]]
    raise ValueError("expected a line such as [[0.5,0.1],[0.5,0.9]], or 0.5,0.1,0.5,0.9")


def _is_line(name: Any) -> Any:
    """Refuse what spatial analysis has, by name."""
    kind = tail(name) if isinstance(name, str) else name
    if kind == "namedpolygonstring":
        raise ValueError("NamedPolygonString belongs to spatial analysis; expected NamedLineString")
    return kind


class NamedLineString(Keyed):
    """A line. `line`: two points, as shares of the picture's width and height from its top left corner."""

    type: Annotated[LineType, folded(LineType), BeforeValidator(_is_line)] = "NamedLineString"
    name: LineName
    line: Annotated[tuple[Point, Point], BeforeValidator(_points)]

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.line[0] == self.line[1]:
            raise ValueError("line: expected two different points")
        return self


def _named_once(lines: tuple[NamedLineString, ...]) -> tuple[NamedLineString, ...]:
    if len({line.name for line in lines}) < len(lines):
        raise ValueError("expected a name of its own for each line")
    return lines


Lines: TypeAlias = Annotated[
    tuple[NamedLineString, ...], Field(min_length=1, max_length=16), AfterValidator(_named_once)
]


def _listed(names: Any) -> Any:
    """Return the names of a string, with commas between."""
    return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names


Names: TypeAlias = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=200)], ...], Field(max_length=100), BeforeValidator(_listed)
]


class TriggerFilter(Keyed):
    """Which events open a signal gate; a key of our own. Absent keys let all through.

    `labels`: of objects. `minimum_confidence`: of an object. `events`: the names of lines. Both lists may be strings
    with commas between the names.
    """

    labels: Names = ()
    minimum_confidence: Fraction = 0
    events: Names = ()
