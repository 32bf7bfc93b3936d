"""Counts the objects that cross a line.

The direction is that of Intel's `object_line_crossing`, the only published implementation of the words that Azure's
video analyzer uses: `counterclockwise` is how the object turns around the line's first point, as seen on the picture.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from scene.events import Event, LineTotals, Sighting
from scene.geometry import Point, Segment, beyond, intersect

Direction: TypeAlias = Literal["clockwise", "counterclockwise"]

BEYOND = 0.1
"""An object has crossed once it is so far beyond the line, in its own heights: one that stands on it counts once."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a scene; only objects with these labels count, all if there are none."""

    name: str
    segment: Segment
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an object was last clearly on one side. `is_left`: as seen from the line's first point to its second."""

    foot_xy: Point
    is_left: bool


class LineCounter:
    """Counts for one line. `new_id`: names events."""

    def __init__(self, line: Line, new_id: Callable[[], str]) -> None:
        self._line, self._new_id = line, new_id
        self._places: dict[str, _Place] = {}
        self._counts: dict[Direction, int] = {"clockwise": 0, "counterclockwise": 0}

    @property
    def totals(self) -> LineTotals:
        """Return how often the line has been crossed."""
        return LineTotals(self._line.name, self._counts["clockwise"], self._counts["counterclockwise"])

    def update(self, sightings: Collection[Sighting], aspect: float) -> Iterator[Event]:
        """Yield an event for each object that has crossed the line since it was last clearly on one side of it.

        `sightings`: of all objects that are followed; the others are forgotten. `aspect`: width over height of the
        picture.
        """
        (x1, y1), (x2, y2) = self._line.segment
        segment = (x1 * aspect, y1), (x2 * aspect, y2)
        followed = {sighting.track for sighting in sightings}
        self._places = {track: place for track, place in self._places.items() if track in followed}
        for sighting in sightings:
            if sighting.is_seen and (not self._line.labels or sighting.label in self._line.labels):
                direction = self._moved(sighting, segment)
                if direction:
                    yield self._crossing(sighting, direction)

    def _moved(self, sighting: Sighting, segment: Segment) -> Direction | None:
        """Update where an object is; return the direction in which it has crossed the line, if it has."""
        distance = beyond(segment, sighting.foot_xy)
        before, now = self._places.get(sighting.track), _Place(sighting.foot_xy, distance > 0)
        if before and abs(distance) < BEYOND * sighting.height:
            return None
        self._places[sighting.track] = now
        if before is None or before.is_left == now.is_left or not intersect((before.foot_xy, now.foot_xy), segment):
            return None
        return "counterclockwise" if now.is_left else "clockwise"

    def _crossing(self, sighting: Sighting, direction: Direction) -> Event:
        self._counts[direction] += 1
        properties = {
            "direction": direction,
            "clockwiseTotal": str(self._counts["clockwise"]),
            "counterclockwiseTotal": str(self._counts["counterclockwise"]),
            "total": str(sum(self._counts.values())),
        }
        return Event(self._new_id(), "lineCrossing", self._line.name, tuple(properties.items()), (sighting.id,))
