"""Watches which objects are in a zone, and for how long."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from scene.events import Event, EventKind, Sighting, ZoneTotals
from scene.geometry import Polygon, contains, distance, in_heights

OUTSIDE = 0.1
"""An object has left once it is so far outside, in its own heights: one that stands on the edge enters once."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of a scene; only objects with these labels count, all if there are none.

    `dwell_s`: how long an object must be in it to be reported; None: it never is.
    """

    name: str
    polygon: Polygon
    labels: frozenset[str] = frozenset()
    dwell_s: float | None = None


@dataclass(slots=True)
class _Stay:
    """An object in the zone. `dwelt`: whether it has been reported for that."""

    since_s: float
    sighting: Sighting
    dwelt: bool = False

    @property
    def duration_s(self) -> float:
        """Return for how long it has been seen there."""
        return max(0.0, self.sighting.seen_at_s - self.since_s)


class ZoneWatch:
    """Watches one zone. `new_id`: names events."""

    def __init__(self, zone: Zone, new_id: Callable[[], str]) -> None:
        self._zone, self._new_id = zone, new_id
        self._stays: dict[str, _Stay] = {}
        self._entered = 0

    @property
    def totals(self) -> ZoneTotals:
        """Return how many objects are in the zone, and how often one has entered it."""
        return ZoneTotals(self._zone.name, len(self._stays), self._entered)

    def update(self, sightings: Sequence[Sighting], aspect: float) -> Iterator[Event]:
        """Yield what has happened: who left, who entered, who has been there for long, and how many there are now.

        `sightings`: of all objects that are followed; others have left. `aspect`: width over height of the picture.
        """
        before = len(self._stays)
        yield from self._exits(sightings, aspect)
        yield from self._entries(sightings)
        yield from self._dwells()
        if len(self._stays) != before:
            present = tuple(stay.sighting.id for stay in self._stays.values())
            yield self._event("zoneCount", present, count=self._count)

    def _exits(self, sightings: Iterable[Sighting], aspect: float) -> Iterator[Event]:
        followed = {sighting.track: sighting for sighting in sightings}
        for track, stay in list(self._stays.items()):
            sighting = followed.get(track)
            stay.sighting = sighting or stay.sighting
            if sighting is None or self._is_outside(sighting, aspect):
                del self._stays[track]
                facts = {"count": self._count, "dwellSeconds": f"{stay.duration_s:.1f}"}
                yield self._event("zoneExit", (stay.sighting.id,), **facts)

    def _entries(self, sightings: Iterable[Sighting]) -> Iterator[Event]:
        zone = self._zone
        for sighting in sightings:
            is_meant = sighting.is_seen and (not zone.labels or sighting.label in zone.labels)
            if is_meant and sighting.track not in self._stays and contains(zone.polygon, sighting.foot_xy):
                self._stays[sighting.track] = _Stay(sighting.seen_at_s, sighting)
                self._entered += 1
                yield self._event("zoneEnter", (sighting.id,), count=self._count)

    def _dwells(self) -> Iterator[Event]:
        limit_s = self._zone.dwell_s
        for stay in self._stays.values():
            if limit_s is not None and not stay.dwelt and stay.duration_s >= limit_s:
                stay.dwelt = True
                yield self._event("zoneDwell", (stay.sighting.id,), dwellSeconds=f"{stay.duration_s:.1f}")

    def _is_outside(self, sighting: Sighting, aspect: float) -> bool:
        if contains(self._zone.polygon, sighting.foot_xy):
            return False
        polygon = tuple(in_heights(corner, aspect) for corner in self._zone.polygon)
        return distance(polygon, in_heights(sighting.foot_xy, aspect)) >= OUTSIDE * sighting.height

    @property
    def _count(self) -> str:
        return str(len(self._stays))

    def _event(self, kind: EventKind, sightings: tuple[str, ...], **properties: str) -> Event:
        return Event(self._new_id(), kind, self._zone.name, tuple(properties.items()), sightings)
