"""Lines and polygons on a picture. A point is (x, y) as shares 0..1 of its width and height, from its top left."""

from collections.abc import Iterable
from math import hypot, nextafter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Point: TypeAlias = tuple[float, float]
Segment: TypeAlias = tuple[Point, Point]
Polygon: TypeAlias = tuple[Point, ...]
"""Corners in order; the last one is joined to the first."""
BoxXyxy: TypeAlias = tuple[float, float, float, float]

LOWEST = nextafter(1, 0)


def in_heights(point: Point, aspect: float) -> Point:
    """Return a point given in shares of a picture in heights of it. `aspect`: its width over its height."""
    x, y = point
    return x * aspect, y


def foot_of(box_xyxy: BoxXyxy) -> Point:
    """Return the middle of a box's lower edge; of one that reaches the picture's lower edge, a little above that.

    A point on the picture's lower edge would be in no polygon.
    """
    left, _, right, bottom = box_xyxy
    return (left + right) / 2, min(bottom, LOWEST)


def contains(polygon: Polygon, point: Point) -> bool:
    """Return whether a point lies inside, by the even-odd rule.

    Of polygons that share an edge, exactly one contains a point on it. A polygon without area contains nothing. For one
    point, numpy would take far longer.
    """
    (x, y), inside = point, False
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if (y1 > y) != (y2 > y):
            inside ^= x < x1 + (y - y1) * ((x2 - x1) / (y2 - y1))
    return inside


def mask(polygons: Iterable[Polygon], size_wh: tuple[int, int]) -> NDArray[np.bool_]:
    """Return bool [height, width]: the pixels of a picture of that size whose centres lie in any of the polygons."""
    width, height = size_wh
    xs, ys = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    inside = np.zeros((height, width), np.bool_)
    for polygon in polygons:
        inside |= _inside(polygon, xs, ys)
    return inside


def _inside(polygon: Polygon, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return bool [len(ys), len(xs)]: whether each point has an odd number of edges to its right."""
    inside = np.zeros((len(ys), len(xs)), np.bool_)
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        rows = np.flatnonzero((y1 > ys) != (y2 > ys))
        crossings = x1 + (ys[rows] - y1) * ((x2 - x1) / (y2 - y1)) if len(rows) else np.empty(0)
        inside[rows] ^= xs < crossings[:, np.newaxis]
    return inside


def beyond(segment: Segment, point: Point) -> float:
    """Return how far a point is from the line through a segment; 0 if the segment's ends are one point.

    Positive on the left as seen from the first end to the second, on a picture, whose y grows downwards: for a segment
    that goes straight down, where x is greater. In the unit of the points.
    """
    (x1, y1), (x2, y2) = segment
    x, y = point
    length = hypot(x2 - x1, y2 - y1)
    return ((y2 - y1) * (x - x2) - (y - y2) * (x2 - x1)) / length if length else 0.0


def intersect(one: Segment, other: Segment) -> bool:
    """Return whether two segments have a point in common; parallel ones never do."""
    (x1, y1), (x2, y2) = one
    (x3, y3), (x4, y4) = other
    across = (x2 - x1) * (y4 - y3) - (y2 - y1) * (x4 - x3)
    if not across:
        return False
    along_one = ((x3 - x1) * (y4 - y3) - (y3 - y1) * (x4 - x3)) / across
    along_other = ((x3 - x1) * (y2 - y1) - (y3 - y1) * (x2 - x1)) / across
    return 0 <= along_one <= 1 and 0 <= along_other <= 1


def distance(polygon: Polygon, point: Point) -> float:
    """Return how far a point is from the nearest edge of a polygon, in the unit of its points."""
    edges = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return min(_distance(edge, point) for edge in edges)


def _distance(segment: Segment, point: Point) -> float:
    (x1, y1), (x2, y2) = segment
    x, y = point
    length2 = (x2 - x1) ** 2 + (y2 - y1) ** 2
    along = min(max(((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length2, 0.0), 1.0) if length2 else 0.0
    return hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1))
