"""Polygons on a picture. A point is (x, y) as shares 0..1 of the picture's width and height, from its top left."""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Point: TypeAlias = tuple[float, float]
Polygon: TypeAlias = tuple[Point, ...]
"""Corners in order; the last one is joined to the first."""


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
