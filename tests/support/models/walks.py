"""An object of the identity model that walks over a line and into a zone.

Its box reaches from its left and top edges to the picture's lower right corner, and is half as high as the picture.
"""

from typing import Any

from PIL import Image

from lab.graphs import EDGE_UNIT, board

GATE: dict[str, Any] = {"name": "gate", "line": [[0.6, 0], [0.6, 1]]}
PORCH: dict[str, Any] = {"name": "porch", "polygon": [[0.6, 0], [1, 0], [1, 1], [0.6, 1]], "dwell_s": 2}
LEFT, RIGHT = 0.54, 0.7
"""Middles of the box's lower edge, on the two sides of the line and of the zone's edge."""
TOP = 0.49


def block(middle: float, **instructions: bool) -> Image.Image:
    """Return a frame with a box that has this middle of its lower edge."""
    left = 2 * middle - 1
    return board(round(left / EDGE_UNIT) | round(TOP / EDGE_UNIT) << 16, **instructions)
