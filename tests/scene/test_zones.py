"""Zones that objects enter and leave."""

import itertools
from collections.abc import Iterable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from scene.events import Event, Sighting, ZoneTotals
from scene.geometry import Point
from scene.zones import OUTSIDE, Zone, ZoneWatch

SQUARE = ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6))
INSIDE, AWAY = (0.5, 0.5), (0.9, 0.9)
HEIGHT = 0.2


def sighting(at_xy: Point, at_s: float = 0, track: str = "a", label: str = "person", **changes: bool) -> Sighting:
    return Sighting(f"{track} at {at_s:g}", track, label, at_xy, HEIGHT, at_s, **changes)


def watch(labels: Iterable[str] = (), dwell_s: float | None = None) -> ZoneWatch:
    zone = Zone("porch", SQUARE, frozenset(labels), dwell_s)
    return ZoneWatch(zone, map(str, itertools.count()).__next__)


def told(events: Iterable[Event]) -> list[tuple[str, dict[str, str], tuple[str, ...]]]:
    return [(event.kind, dict(event.properties), event.sightings) for event in events]


def kinds(zone: ZoneWatch, *points: Point) -> list[list[str]]:
    """Return the events of an object at these points, one second after the other."""
    return [[event.kind for event in zone.update([sighting(xy, at_s)], 1)] for at_s, xy in enumerate(points)]


def test_one_object_enters_stays_and_leaves() -> None:
    zone = watch(dwell_s=2)
    assert told(zone.update([sighting(AWAY, 0)], 1)) == []
    assert told(zone.update([sighting(INSIDE, 1)], 1)) == [
        ("zoneEnter", {"count": "1"}, ("a at 1",)),
        ("zoneCount", {"count": "1"}, ("a at 1",)),
    ]
    assert told(zone.update([sighting(INSIDE, 2)], 1)) == []
    assert told(zone.update([sighting(INSIDE, 3)], 1)) == [("zoneDwell", {"dwellSeconds": "2.0"}, ("a at 3",))]
    assert told(zone.update([sighting(INSIDE, 4)], 1)) == []
    assert zone.totals == ZoneTotals("porch", count=1, entered=1)
    assert told(zone.update([sighting(AWAY, 5.5)], 1)) == [
        ("zoneExit", {"count": "0", "dwellSeconds": "4.5"}, ("a at 5.5",)),
        ("zoneCount", {"count": "0"}, ()),
    ]
    assert zone.totals == ZoneTotals("porch", count=0, entered=1)


def test_an_object_that_is_not_followed_any_more_has_left() -> None:
    """It has been there until it was last seen, and the event names that sighting."""
    zone = watch()
    for at_s in (0, 3):
        list(zone.update([sighting(INSIDE, at_s)], 1))
    assert told(zone.update([sighting(INSIDE, 3, is_seen=False)], 1)) == []
    assert told(zone.update([], 1))[0] == ("zoneExit", {"count": "0", "dwellSeconds": "3.0"}, ("a at 3",))


def test_an_object_that_stands_on_the_edge_enters_once() -> None:
    within = 0.099 * HEIGHT
    trembling = [(0.6 + within * sign, 0.5) for sign in (-1, 1) * 20]
    assert kinds(watch(), *trembling, (0.6 + 1.1 * OUTSIDE * HEIGHT, 0.5)) == [
        ["zoneEnter", "zoneCount"],
        *[[]] * 39,
        ["zoneExit", "zoneCount"],
    ]


def test_one_that_leaves_as_another_enters_does_not_change_the_count() -> None:
    zone = watch()
    list(zone.update([sighting(INSIDE, track="a"), sighting(AWAY, track="b")], 1))
    events = list(zone.update([sighting(AWAY, track="a"), sighting(INSIDE, track="b")], 1))
    assert [event.kind for event in events] == ["zoneExit", "zoneEnter"]
    assert [dict(event.properties)["count"] for event in events] == ["0", "1"]


def test_only_its_labels_count() -> None:
    zone = watch(labels=["person"])
    events = zone.update([sighting(INSIDE, track="dog", label="dog"), sighting(INSIDE)], 1)
    assert [event.sightings for event in events] == [("a at 0",)] * 2


@given(
    st.lists(st.lists(st.sampled_from([None, INSIDE, AWAY]), min_size=3, max_size=3), max_size=20),
    st.sampled_from([None, 0, 2.5]),
)
def test_what_was_said_adds_up(frames: Sequence[Sequence[Point | None]], dwell_s: float | None) -> None:
    """Of any objects that come and go: entries less exits is the count, and each stay dwells at most once."""
    zone, events = watch(dwell_s=dwell_s), list[Event]()
    for at_s, points in enumerate(frames):
        sightings = [sighting(xy, at_s, track) for track, xy in zip("abc", points, strict=True) if xy]
        before = zone.totals.count
        new = list(zone.update(sightings, 1))
        events += new
        inside = sum(xy == INSIDE for xy in points)
        assert zone.totals.count == inside
        assert ("zoneCount" in {event.kind for event in new}) == (inside != before)
    said = [event.kind for event in events]
    assert said.count("zoneEnter") - said.count("zoneExit") == zone.totals.count
    assert said.count("zoneEnter") == zone.totals.entered
    assert said.count("zoneDwell") <= said.count("zoneEnter")
    assert len({event.id for event in events}) == len(events)
