"""People who cross a line, at 15 frames and two samples a second."""

from collections.abc import Callable, Iterable, Sequence

import pytest

from conformance.published import PUBLISHED
from player.flow import Finding, Frame, Inference, Signal
from player.nodes.line_crossing import LineCrossing
from player.nodes.tracker import ObjectTracking
from scene.geometry import BoxXyxy
from scene.lines import Line
from tests.player.nodes.pictures import BEGIN_S, frame
from tests.player.nodes.test_tracker import FPS, person, sampled, walker

DOOR = Line("door", ((0.5, 0.1), (0.5, 0.9)))


def crossings(
    found: Callable[[float], Sequence[Inference]], seconds: float, lines: Sequence[Line] = (DOOR,)
) -> list[Inference]:
    """Return the events of what a detector finds, through a tracker."""
    tracker, counter = ObjectTracking("tracker", "detector"), LineCrossing("lines", "tracker", lines)
    events: list[Inference] = []
    for number in range(round(seconds * FPS)):
        for tracked in tracker.take(sampled(number, found(number / FPS)), 0):
            [one] = counter.take(tracked, 0)
            assert isinstance(one, Frame)
            assert all(finding.node == "lines" for finding in one.findings)
            events += [inference for finding in one.findings for inference in finding.inferences]
    return events


def facts(events: Iterable[Inference]) -> list[tuple[str, str, str]]:
    return [
        (event["event"]["name"], event["event"]["properties"]["direction"], event["event"]["properties"]["total"])
        for event in events
    ]


def test_a_crossing_is_reported_as_the_video_analyzer_does() -> None:
    [event] = crossings(lambda at_s: [person(walker(at_s))], 8)
    assert event["type"] == "event"
    assert event["subtype"] == "lineCrossing"
    assert len(event["relatedInferences"]) == 1
    assert event["event"] == {
        "name": "door",
        "properties": {
            "direction": "counterclockwise",
            "clockwiseTotal": "0",
            "counterclockwiseTotal": "1",
            "total": "1",
        },
    }
    PUBLISHED.validate({"inferences": [event]})


def test_both_directions_are_counted() -> None:
    events = crossings(lambda at_s: [person(walker(at_s)), person(walker(at_s, 0.9, 0.2, -0.1))], 9)
    assert sorted(facts(events)) == [("door", "clockwise", "2"), ("door", "counterclockwise", "1")]
    assert events[-1]["event"]["properties"]["clockwiseTotal"] == "1"


def test_each_line_counts() -> None:
    lines = (DOOR, Line("gate", ((0.7, 0.1), (0.7, 0.9))))
    assert facts(crossings(lambda at_s: [person(walker(at_s))], 9, lines)) == [
        ("door", "counterclockwise", "1"),
        ("gate", "counterclockwise", "1"),
    ]


@pytest.mark.parametrize("missed_s", [4.0, 4.4, 4.8])
def test_an_object_that_is_missed_at_the_line_counts(missed_s: float) -> None:
    """For two samples."""
    events = crossings(lambda at_s: [] if missed_s <= at_s < missed_s + 1 else [person(walker(at_s))], 9)
    assert facts(events) == [("door", "counterclockwise", "1")]


def test_what_trembles_on_the_line_counts_once() -> None:
    def trembling(at_s: float) -> BoxXyxy:
        left, top, right, bottom = walker(min(at_s, 4.1))
        shift = 0.004 * (-1) ** round(at_s * FPS / 7)
        return left + shift, top, right + shift, bottom

    assert len(crossings(lambda at_s: [person(trembling(at_s))], 20)) <= 1


def test_people_who_walk_beside_the_line_do_not_count() -> None:
    assert not crossings(lambda at_s: [person(walker(at_s, 0.2, y=0.1 * at_s, speed=0))], 6)


def test_the_event_refers_to_the_sighting() -> None:
    tracker, counter = ObjectTracking("tracker", "detector"), LineCrossing("lines", "tracker", [DOOR])
    seen: set[str] = set()
    events: list[Inference] = []
    for number in range(120):
        [tracked] = tracker.take(sampled(number, [person(walker(number / FPS))]), 0)
        assert isinstance(tracked, Frame)
        now = {inference["inferenceId"] for finding in tracked.findings for inference in finding.inferences}
        [one] = counter.take(tracked, 0)
        assert isinstance(one, Frame)
        for finding in one.findings:
            events += finding.inferences
            assert {*finding.inferences[0]["relatedInferences"]} <= now
        seen |= now
    assert len(events) == 1


def test_sequences_of_an_extension_count() -> None:
    """Without a tracker; what has no sequence does not."""
    counter = LineCrossing("lines", "detector", [DOOR])
    events: list[Inference] = []
    for number in range(18):
        found = (
            person(walker(number / 2), sequenceId="7"),
            person(walker(number / 2)),
            {"type": "motion", "motion": {}},
        )
        others = Finding("motion", (person(walker(number / 2), sequenceId="8"),))
        picture_less = frame(number / 2, Finding("detector", found), others, picture=None, is_sampled=True)
        [one] = counter.take(picture_less, 0)
        assert isinstance(one, Frame)
        events += [inference for finding in one.findings for inference in finding.inferences]
    [event] = events
    assert event["relatedInferences"] == ["7"]


def test_objects_are_forgotten() -> None:
    counter = LineCrossing("lines", "detector", [DOOR])

    def take(at_s: float, *tracks: str) -> None:
        found = Finding("detector", tuple(person(walker(0), sequenceId=track) for track in tracks))
        assert list(counter.take(frame(at_s, found, is_sampled=True), 0))

    take(0, *(f"{number}" for number in range(1500)))
    assert len(counter._seen) == 1000  # noqa: SLF001, what it costs is its promise
    for number in range(10):
        take(1 + number / 10, "new")
    assert len(counter._seen) == 1000  # noqa: SLF001
    take(11, "new")
    assert list(counter._seen) == ["new"]  # noqa: SLF001
    assert not counter._unseen_frames  # noqa: SLF001


def test_other_items_pass() -> None:
    signal = Signal(BEGIN_S)
    assert list(LineCrossing("lines", "tracker", [DOOR]).take(signal, 0)) == [signal]
