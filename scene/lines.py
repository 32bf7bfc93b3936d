"""Counts the objects that cross a line.

The direction is that of Intel's `object_line_crossing`, the only published implementation of the words that Azure's
video analyzer uses: `counterclockwise` is how the object turns around the line's first point, as seen on the picture.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from scene.events import Event, LineTotals, Sighting
from scene.geometry import Point, Segment, beyond, in_heights, intersect

Direction: TypeAlias = Literal["clockwise", "counterclockwise"]

BEYOND = 0.1
"""An object has crossed once it is so far beyond the line, in its own heights: one that stands on it counts once."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a scene; only objects with these labels count, all if there are none."""

    name: str
    segment: Segment
    labels: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Way:
    """The way of one object. `foot_xy`: where it was seen last, in shares of the picture.

    `was_left`: on which side it was last clearly, as seen from the line's first point to its second. `has_crossed`:
    whether its way since then has crossed the line, an odd number of times.
    """

    foot_xy: Point
    was_left: bool
    has_crossed: bool = False


class LineCounter:
    """Counts for one line. `new_id`: names events."""

    def __init__(self, line: Line, new_id: Callable[[], str]) -> None:
        self._line, self._new_id = line, new_id
        self._ways: dict[str, _Way] = {}
        self._counts: dict[Direction, int] = {"clockwise": 0, "counterclockwise": 0}

    @property
    def totals(self) -> LineTotals:
        """Return how often the line has been crossed."""
        return LineTotals(self._line.name, self._counts["clockwise"], self._counts["counterclockwise"])

    def update(self, sightings: Collection[Sighting], aspect: float) -> Iterator[Event]:
        """Yield an event for each object that is now clearly on the other side, having crossed the line on its way.

        `sightings`: of all objects that are followed; the others are forgotten. `aspect`: width over height of the
        picture.
        """
        followed = {sighting.track for sighting in sightings}
        self._ways = {track: way for track, way in self._ways.items() if track in followed}
        for sighting in sightings:
            if sighting.is_seen and (not self._line.labels or sighting.label in self._line.labels):
                direction = self._moved(sighting, aspect)
                if direction:
                    yield self._crossing(sighting, direction)

    def _moved(self, sighting: Sighting, aspect: float) -> Direction | None:
        """Let an object go on; return the direction in which it has crossed the line, if that is clear now."""
        start, end = (in_heights(point, aspect) for point in self._line.segment)
        foot_xy = in_heights(sighting.foot_xy, aspect)
        distance = beyond((start, end), foot_xy)
        is_left = distance > 0
        way = self._ways.get(sighting.track)
        if way is None:
            if distance:  # one that begins on the line is on neither side
                self._ways[sighting.track] = _Way(sighting.foot_xy, is_left)
            return None
        before_xy, way.foot_xy = in_heights(way.foot_xy, aspect), sighting.foot_xy
        changes_sides = (beyond((start, end), before_xy) > 0) != is_left
        way.has_crossed ^= changes_sides and intersect((before_xy, foot_xy), (start, end))
        if abs(distance) < BEYOND * sighting.height:
            return None
        has_crossed = way.has_crossed and way.was_left != is_left
        way.was_left, way.has_crossed = is_left, False
        if not has_crossed:
            return None
        return "counterclockwise" if is_left else "clockwise"

    def _crossing(self, sighting: Sighting, direction: Direction) -> Event:
        self._counts[direction] += 1
        properties = {
            "direction": direction,
            "clockwiseTotal": str(self._counts["clockwise"]),
            "counterclockwiseTotal": str(self._counts["counterclockwise"]),
            "total": str(sum(self._counts.values())),
        }
        return Event(self._new_id(), "lineCrossing", self._line.name, tuple(properties.items()), (sighting.id,))
