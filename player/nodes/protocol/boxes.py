"""Boxes of the protocol: left, top, width and height, as shares of the picture."""

from collections.abc import Mapping
from typing import TypeAlias

from scene.geometry import BoxXyxy

Box: TypeAlias = Mapping[str, float]
"""`l`, `t`, `w` and `h`."""

DECIMALS = 6
"""Of boxes that were calculated here: enough for a hundredth of a pixel of the widest picture."""


def box_of(box_xyxy: BoxXyxy) -> Box | None:
    """Return a box of the protocol, cut off at the picture's edges; None if nothing is left of it."""
    left, top, right, bottom = (round(_share(edge), DECIMALS) for edge in box_xyxy)
    width, height = round(right - left, DECIMALS), round(bottom - top, DECIMALS)
    return {"l": left, "t": top, "w": width, "h": height} if width > 0 and height > 0 else None


def edges_of(box: Box) -> BoxXyxy:
    """Return the left, top, right and bottom edges of a box of the protocol, cut off at the picture's."""
    left, top = box["l"], box["t"]
    return _share(left), _share(top), _share(left + box["w"]), _share(top + box["h"])


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)
