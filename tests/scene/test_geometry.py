"""Polygons contain what a drawing of them contains."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scene.geometry import Point, Polygon, contains, mask

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
