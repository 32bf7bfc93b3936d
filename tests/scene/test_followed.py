"""Objects, lines and zones of one stream together."""

import itertools
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scene.events import Event, LineTotals, Sighting, ZoneTotals
from scene.followed import Followed, Rules
from scene.lines import Line
from scene.tracks import AT_MOST, TrackRules
from scene.zones import Zone

LABELS = ("person", "car")
RULES = Rules(
    TrackRules(lost_s=1),
    lines=(Line("gate", ((0.5, 0.0), (0.5, 1.0))),),
    zones=(Zone("right", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))),),
)
WIDTH, HEIGHT, TOP = 0.1, 0.4, 0.3


def followed(rules: Rules = RULES) -> Followed:
    return Followed(rules, LABELS, map(str, itertools.count()).__next__)


def see(scene: Followed, at_s: float, *middles: float, labels: Sequence[int] = (), sure: bool = True) -> list[Sighting]:
    """Let a frame show objects with these middles; return their sightings."""
    boxes = np.array([(x - WIDTH / 2, TOP, x + WIDTH / 2, TOP + HEIGHT) for x in middles]).reshape(-1, 4)
    class_ids = np.array(list(labels) or [0] * len(middles), np.intp)
    scene.reported()
    found = scene.update(boxes, class_ids, np.full(len(middles), sure), 4 / 3, at_s)
    return [sighting for sighting in found if sighting]


def kinds(events: Sequence[Event]) -> list[str]:
    return [event.kind for event in events]


def test_one_walk_over_the_line_into_the_zone_and_out_of_sight() -> None:
    scene, said = followed(), []
    for number, middle in enumerate((0.4, 0.45, 0.52, 0.6)):
        [sighting] = see(scene, number / 4, middle)
        said.append(kinds(scene.scene.events))
    assert said == [[], [], ["zoneEnter", "zoneCount"], ["lineCrossing"]], (
        "a zone counts at once, a line beyond a margin"
    )
    assert sighting.label == "person"
    assert scene.scene.lines == (LineTotals("gate", clockwise=0, counterclockwise=1),)
    assert scene.scene.zones == (ZoneTotals("right", count=1, entered=1),)
    for number in range(4, 12):
        see(scene, number / 4)
    assert scene.scene.objects == ()
    assert scene.scene.zones == (ZoneTotals("right", count=0, entered=1),)


def test_an_object_is_in_a_zone_from_its_second_frame_on() -> None:
    """One frame may be mistaken."""
    scene = followed()
    see(scene, 0, 0.7)
    assert not scene.scene.events
    see(scene, 0.2)
    see(scene, 0.4, 0.7)
    assert kinds(scene.scene.events) == ["zoneEnter", "zoneCount"]


def test_an_object_that_is_not_seen_keeps_its_last_sighting() -> None:
    scene = followed()
    see(scene, 0, 0.7)
    [last] = see(scene, 0.2, 0.7)
    for at_s in (0.4, 0.6, 0.8, 1.0, 2.0):
        see(scene, at_s)
    [leaving, _] = scene.scene.events
    assert (leaving.kind, leaving.sightings) == ("zoneExit", (last.id,))


def test_what_the_scene_says_of_an_object() -> None:
    scene = followed()
    see(scene, 10, 0.3, 0.7, labels=(0, 1))
    see(scene, 10.5, 0.3)
    person, car = scene.scene.objects
    assert (person.label, person.is_seen, person.present_for_s) == ("person", True, 0.5)
    assert (car.label, car.is_seen, car.present_for_s) == ("car", False, 0.5)
    assert car.box_xyxy == (0.7 - WIDTH / 2, TOP, 0.7 + WIDTH / 2, TOP + HEIGHT)


def test_a_moving_object_is_known() -> None:
    scene = followed()
    for number in range(5):
        see(scene, number, 0.3)
    assert not len(scene.restless_xyxy)
    for number in range(5, 8):
        see(scene, number, 0.3 + 0.1 * (number - 4))
    assert len(scene.restless_xyxy) == 1


@given(st.lists(st.lists(st.floats(0.05, 0.95), max_size=5), max_size=15), st.floats(0.1, 2))
def test_what_was_counted_is_what_was_said(frames: list[list[float]], every_s: float) -> None:
    """For any objects: identifiers differ, and totals are the events that came before."""
    scene, events, sightings = followed(), list[Event](), list[Sighting]()
    for number, middles in enumerate(frames):
        sightings += see(scene, number * every_s, *middles)
        events += scene.scene.events
        [line], [zone] = scene.scene.lines, scene.scene.zones
        said = kinds(events)
        assert line.clockwise + line.counterclockwise == said.count("lineCrossing")
        assert zone.entered == said.count("zoneEnter")
        assert zone.count == said.count("zoneEnter") - said.count("zoneExit")
        assert zone.count <= len(scene.scene.objects) <= AT_MOST
    assert len({event.id for event in events} | {sighting.id for sighting in sightings}) == len(events) + len(sightings)
    seen = {sighting.id for sighting in sightings}
    assert all(seen >= set(event.sightings) for event in events)


def test_people_who_stand_still_keep_their_tracks_when_the_picture_changes_its_shape() -> None:
    scene, tracks = followed(), set()
    for number, aspect in enumerate((4 / 3, 4 / 3, 16 / 9, 9 / 16)):
        boxes = np.array([(x - 0.03, 0.4, x + 0.03, 0.7) for x in (0.4, 0.55, 0.8)])
        found = scene.update(boxes, np.zeros(3, np.intp), np.ones(3, np.bool_), aspect, number / 5)
        tracks.add(tuple(sighting.track for sighting in found if sighting))
    assert len(tracks) == 1
    assert scene.scene.zones == (ZoneTotals("right", count=2, entered=2),)


def test_while_nothing_moves_only_time_passes() -> None:
    """Nobody is looked for, so nobody is given up; who was seen is still there."""
    scene = followed()
    for at_s in (0, 0.2):
        see(scene, at_s, 0.7, 0.9)
    see(scene, 0.4, 0.7)
    for at_s in range(1, 60):
        scene.reported()
        scene.stay(4 / 3, at_s)
        assert not scene.scene.events
    seen, hidden = scene.scene.objects
    assert (seen.is_seen, hidden.is_seen) == (True, False)
    assert seen.present_for_s == 59
    [again, found] = see(scene, 60, 0.7, 0.9)
    assert (again.track, found.track) == (seen.track, hidden.track)


def test_events_of_a_frame_that_failed_come_with_the_next() -> None:
    scene = followed()
    see(scene, 0, 0.7)
    see(scene, 0.2, 0.7)
    before = scene.scene.events
    scene.stay(4 / 3, 0.4)
    assert scene.scene.events == before
    scene.reported()
    scene.stay(4 / 3, 0.6)
    assert not scene.scene.events
