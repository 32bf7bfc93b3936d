"""Polygons contain what a drawing of them contains; lines and segments are where a ruler says."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scene.geometry import Point, Polygon, Segment, beyond, contains, distance, foot_of, intersect, mask

shares = st.floats(0, 1, width=32)
points = st.tuples(shares, shares)
polygons = st.lists(points, min_size=3, max_size=9).map(tuple)

SQUARE: Polygon = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
ARROW: Polygon = ((0, 0), (1, 0.5), (0, 1), (0.5, 0.5))
BOW_TIE: Polygon = ((0, 0), (1, 1), (1, 0), (0, 1))
TWICE_AROUND: Polygon = SQUARE + SQUARE


@pytest.mark.parametrize(
    ("polygon", "point", "inside"),
    [
        pytest.param(SQUARE, (0.5, 0.5), True, id="middle"),
        pytest.param(SQUARE, (0.1, 0.5), False, id="left"),
        pytest.param(SQUARE, (0.9, 0.5), False, id="right"),
        pytest.param(SQUARE, (0.5, 0.1), False, id="above"),
        pytest.param(ARROW, (0.25, 0.5), False, id="notch"),
        pytest.param(ARROW, (0.75, 0.5), True, id="behind the notch"),
        pytest.param(BOW_TIE, (0.5, 0.25), False, id="between the wings"),
        pytest.param(BOW_TIE, (0.1, 0.5), True, id="in a wing"),
        pytest.param(TWICE_AROUND, (0.5, 0.5), False, id="even number of edges"),
        pytest.param((), (0.5, 0.5), False, id="no corners"),
        pytest.param(((0, 0), (1, 1)), (0.5, 0.5), False, id="no area"),
    ],
)
def test_even_odd(polygon: Polygon, point: Point, inside: bool) -> None:  # noqa: FBT001  # a table's column
    assert contains(polygon, point) is inside


@given(polygons, points, st.integers(0, 8))
def test_where_a_polygon_begins_does_not_matter(polygon: Polygon, point: Point, start: int) -> None:
    start %= len(polygon)
    assert contains(polygon[start:] + polygon[:start], point) == contains(polygon, point)


@given(polygons, st.tuples(st.integers(1, 20), st.integers(1, 20)))
def test_a_mask_is_what_contains_says_of_each_centre(polygon: Polygon, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    expected = [
        [contains(polygon, ((column + 0.5) / width, (row + 0.5) / height)) for column in range(width)]
        for row in range(height)
    ]
    assert mask([polygon], size_wh).tolist() == expected


@given(st.lists(polygons, max_size=3))
def test_a_mask_of_several_is_their_union(several: list[Polygon]) -> None:
    union = np.any([mask([polygon], (9, 7)) for polygon in several] + [np.zeros((7, 9), bool)], axis=0)
    assert np.array_equal(mask(several, (9, 7)), union)


@given(st.lists(st.floats(0, 1), max_size=5), points)
def test_strips_that_share_edges_share_no_point(inner: list[float], point: Point) -> None:
    """Strips from 0 to 1 tile the picture: exactly one contains a point, but for the picture's last row and column."""
    edges = [0.0, *sorted(inner), 1.0]
    strips = [((left, 0.0), (right, 0.0), (right, 1.0), (left, 1.0)) for left, right in pairwise(edges)]
    assert sum(contains(strip, point) for strip in strips) == (max(point) < 1)


def test_an_object_that_the_lower_edge_of_the_picture_cuts_is_in_the_polygons_there() -> None:
    whole: Polygon = ((0, 0), (1, 0), (1, 1), (0, 1))
    for box in ((0.25, 0.25, 0.5, 1.0), (0.0, 0.0, 1.0, 1.0)):
        assert contains(whole, foot_of(box))
    assert foot_of((0.25, 0.25, 0.5, 0.75)) == (0.375, 0.75)


segments = st.tuples(points, points)


@pytest.mark.parametrize(
    ("segment", "point", "expected"),
    [
        pytest.param(((0.5, 0.1), (0.5, 0.9)), (0.75, 0.3), 0.25, id="right of a line that goes down"),
        pytest.param(((0.5, 0.1), (0.5, 0.9)), (0.25, 0.3), -0.25, id="left of it"),
        pytest.param(((0.1, 0.5), (0.9, 0.5)), (0.3, 0.25), 0.25, id="above a line that goes right"),
        pytest.param(((0, 0), (1, 1)), (1, 0), math.sqrt(0.5), id="slanted"),
        pytest.param(((0.5, 0.1), (0.5, 0.2)), (0.75, 5), 0.25, id="beyond its end"),
        pytest.param(((0.5, 0.5), (0.5, 0.5)), (1, 1), 0, id="without length"),
    ],
)
def test_on_which_side_and_how_far(segment: Segment, point: Point, expected: float) -> None:
    assert beyond(segment, point) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(((0, 0), (1, 1)), ((0, 1), (1, 0)), True, id="a cross"),
        pytest.param(((0, 0), (0.4, 0.4)), ((0, 1), (1, 0)), False, id="too short"),
        pytest.param(((0, 0), (0.5, 0.5)), ((0, 1), (1, 0)), True, id="touching"),
        pytest.param(((0, 0), (1, 0)), ((0, 0.5), (1, 0.5)), False, id="parallel"),
        pytest.param(((0, 0), (1, 0)), ((0.5, 0), (2, 0)), False, id="on one line"),
    ],
)
def test_segments_that_meet(one: Segment, other: Segment, expected: bool) -> None:  # noqa: FBT001  # a table's column
    assert intersect(one, other) is expected
    assert intersect(other, one[::-1]) is expected


@given(segments, segments)
def test_segments_that_meet_have_their_ends_on_two_sides(one: Segment, other: Segment) -> None:
    if intersect(one, other):
        assert beyond(one, other[0]) * beyond(one, other[1]) <= 1e-6
        assert beyond(other, one[0]) * beyond(other, one[1]) <= 1e-6


@given(polygons, points, st.floats(0, 2 * math.pi))
def test_nothing_nearer_than_the_distance_is_on_the_other_side(polygon: Polygon, point: Point, angle: float) -> None:
    """A step that is shorter than the distance crosses no edge."""
    step = 0.99 * distance(polygon, point) - 1e-6
    if step > 0:
        near = point[0] + step * math.cos(angle), point[1] + step * math.sin(angle)
        assert contains(polygon, near) == contains(polygon, point)


def test_the_distance_of_a_corner_and_of_an_edge() -> None:
    assert distance(SQUARE, (0.5, 0.15)) == pytest.approx(0.1)
    assert distance(SQUARE, (0.22, 0.21)) == pytest.approx(0.05)
    assert distance(SQUARE, (0.5, 0.5)) == pytest.approx(0.25)
