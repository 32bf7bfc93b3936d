"""Lines that objects cross."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scene.events import Event, LineTotals, Sighting
from scene.geometry import Point, Segment
from scene.lines import BEYOND, Line, LineCounter

DOWN: Segment = ((0.5, 0.1), (0.5, 0.9))
"""Intel's example: from left to right is counterclockwise."""
HEIGHT = 0.2


def sighting(x: float, y: float = 0.5, track: str = "a", label: str = "person", **changes: bool) -> Sighting:
    return Sighting(f"{track} at {x}", track, label, (x, y), HEIGHT, 0, **changes)


def counter(segment: Segment = DOWN, labels: Iterable[str] = ()) -> LineCounter:
    return LineCounter(Line("gate", segment, frozenset(labels)), map(str, itertools.count()).__next__)


def walk(line: LineCounter, *points: Point, aspect: float = 1) -> list[Event]:
    """Return the events of one object that is seen at these points."""
    return [event for x, y in points for event in line.update([sighting(x, y)], aspect)]


def directions(events: Iterable[Event]) -> list[str]:
    return [dict(event.properties)["direction"] for event in events]


def test_the_event_has_the_facts_of_the_published_sample() -> None:
    line = counter()
    for _ in range(2):
        walk(line, (0.3, 0.5), (0.7, 0.5))
    [event] = walk(line, (0.3, 0.5))[-1:]
    assert (event.kind, event.name, event.sightings) == ("lineCrossing", "gate", ("a at 0.3",))
    assert dict(event.properties) == {
        "direction": "clockwise",
        "clockwiseTotal": "2",
        "counterclockwiseTotal": "2",
        "total": "4",
    }
    assert line.totals == LineTotals("gate", clockwise=2, counterclockwise=2)


@pytest.mark.parametrize(
    ("segment", "start", "end", "expected"),
    [
        (DOWN, (0.3, 0.5), (0.7, 0.5), ["counterclockwise"]),
        (DOWN, (0.7, 0.5), (0.3, 0.5), ["clockwise"]),
        (DOWN[::-1], (0.3, 0.5), (0.7, 0.5), ["clockwise"]),
        (((0.1, 0.5), (0.9, 0.5)), (0.5, 0.7), (0.5, 0.3), ["counterclockwise"]),
        (((0.1, 0.5), (0.9, 0.5)), (0.5, 0.3), (0.5, 0.7), ["clockwise"]),
        (((0.1, 0.1), (0.9, 0.9)), (0.2, 0.8), (0.8, 0.2), ["counterclockwise"]),
        (DOWN, (0.3, 0.05), (0.7, 0.05), []),
        (DOWN, (0.3, 0.95), (0.7, 0.95), []),
        (DOWN, (0.3, 0.2), (0.3, 0.8), []),
        (DOWN, (0.3, 0.5), (0.5, 0.5), []),
    ],
    ids=["right", "left", "swapped", "up", "down", "slanted", "above its end", "below its end", "along", "onto it"],
)
def test_which_way_an_object_crosses(segment: Segment, start: Point, end: Point, expected: list[str]) -> None:
    assert directions(walk(counter(segment), start, end)) == expected


def test_an_object_that_stands_on_the_line_counts_once() -> None:
    """It comes from the left, trembles on the line by less than the margin, and goes on to the right."""
    within = 0.099 * HEIGHT
    trembling = [(0.5 + within * math.sin(7 * step), 0.5) for step in range(200)]
    line = counter()
    assert directions(walk(line, (0.3, 0.5), *trembling)) == []
    assert directions(walk(line, (0.7, 0.5))) == ["counterclockwise"]
    assert directions(walk(line, *trembling, (0.7, 0.5))) == []


def test_an_object_that_appears_on_the_line_counts_when_it_leaves_on_the_other_side() -> None:
    assert directions(walk(counter(), (0.499, 0.5), (0.7, 0.5))) == ["counterclockwise"]
    assert directions(walk(counter(), (0.501, 0.5), (0.7, 0.5))) == []


@example([(0.5, 0.5), (0.7, 0.5)], 1.0)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=30), st.sampled_from([1.0, 16 / 9]))
def test_an_endless_line_is_crossed_to_and_fro(points: list[Point], aspect: float) -> None:
    """Directions alternate; forwards and backwards, and with swapped ends, they are opposites."""
    endless: Segment = ((0.5, -1e3), (0.5, 1e3))
    found = directions(walk(counter(endless), *points, aspect=aspect))
    assert all(one != other for one, other in itertools.pairwise(found))
    swapped = directions(walk(counter(endless[::-1]), *points, aspect=aspect))
    other = {"clockwise": "counterclockwise", "counterclockwise": "clockwise"}
    assert swapped == [other[direction] for direction in found]


@given(st.permutations(range(4)), st.integers(0, 3))
def test_objects_are_counted_each_by_itself(order: list[int], stays: int) -> None:
    line = counter()
    before = [sighting(0.3, track=str(number)) for number in order]
    after = [sighting(0.3 if number == stays else 0.7, track=str(number)) for number in order]
    assert list(line.update(before, 1)) == []
    crossed = Counter(event.sightings[0][0] for event in line.update(after, 1))
    assert crossed == Counter(str(number) for number in order if number != stays)


def test_only_its_labels_count() -> None:
    line = counter(labels=["person"])
    for x in (0.3, 0.7):
        events = list(line.update([sighting(x, track="dog", label="dog"), sighting(x)], 1))
    assert [event.sightings for event in events] == [("a at 0.7",)]


def test_an_object_that_is_hidden_while_it_crosses_counts_when_it_is_seen_again() -> None:
    line = counter()
    seen = [sighting(0.3), sighting(0.3, is_seen=False), sighting(0.7)]
    assert [len(list(line.update([one], 1))) for one in seen] == [0, 0, 1]


def test_an_object_that_is_not_followed_any_more_is_forgotten() -> None:
    line = counter()
    events = [list(line.update(sightings, 1)) for sightings in ([sighting(0.3)], [], [sighting(0.7)])]
    assert events == [[], [], []]


def test_the_margin_is_measured_on_the_picture_as_it_is_seen() -> None:
    """On a picture four times as wide as high, a step to the side is four times as long as its share says."""
    line, margin = counter(), BEYOND * HEIGHT / 4
    assert directions(walk(line, (0.3, 0.5), (0.5 + 0.9 * margin, 0.5), aspect=4)) == []
    assert directions(walk(line, (0.5 + 1.1 * margin, 0.5), aspect=4)) == ["counterclockwise"]


DOOR: Segment = ((0.5, 0.6), (0.5, 0.9))


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        pytest.param(
            [
                (0.44, 0.7),
                (0.46, 0.65),
                (0.48, 0.58),
                (0.49, 0.55),
                (0.51, 0.55),
                (0.52, 0.58),
                (0.54, 0.65),
                (0.56, 0.7),
            ],
            [],
            id="around the end in small steps",
        ),
        pytest.param(
            [(0.44, 0.7), (0.48, 0.7), (0.51, 0.7), (0.512, 0.6), (0.513, 0.5), (0.56, 0.3)],
            ["counterclockwise"],
            id="through it and then past its end",
        ),
        pytest.param(
            [(0.44, 0.7), (0.49, 0.7), (0.51, 0.7), (0.51, 0.5), (0.49, 0.5), (0.44, 0.7)], [], id="once around its end"
        ),
    ],
)
def test_the_whole_way_counts(way: list[Point], expected: list[str]) -> None:
    assert directions(walk(counter(DOOR), *way)) == expected


def test_an_object_on_the_line_is_on_neither_side() -> None:
    for end in (0.3, 0.7):
        assert directions(walk(counter(), (0.5, 0.5), (end, 0.5))) == []
    for start, end in ((0.3, 0.7), (0.7, 0.3)):
        assert len(walk(counter(), (start, 0.5), (0.5, 0.5), (end, 0.5))) == 1


def test_the_way_over_the_line_beyond_its_end_counts_where_it_is() -> None:
    short: Segment = ((0.5, 0.0), (0.5, 0.4))
    assert walk(counter(short), (0.4, 0.3), (0.5, 0.5), (0.6, 0.3)) == []
    assert len(walk(counter(short), (0.4, 0.45), (0.5, 0.3), (0.6, 0.55))) == 1


@pytest.mark.parametrize("aspect", [16 / 9, 9 / 16])
def test_one_that_crosses_while_the_picture_changes_its_shape_counts(aspect: float) -> None:
    line = counter()
    ways = [(0.4, 4 / 3), (0.46, 4 / 3), (0.54, aspect), (0.6, aspect)]
    assert len([event for x, shape in ways for event in line.update([sighting(x)], shape)]) == 1
