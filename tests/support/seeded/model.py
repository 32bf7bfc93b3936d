"""What the seeded server finds: one object of each of three colours, and its box. Its mistakes in boxes are here."""

import itertools
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Box = tuple[float, float, float, float]
Measured = tuple[float, float, float, float, float, float]
Pixels = NDArray[np.uint8]
COLOURS = {"sun": (255, 200, 0), "sea": (0, 120, 255), "leaf": (0, 190, 60)}
LARGE_PX = 1000
"""Of larger pictures not every pixel is looked at."""
MAX_DIFFERENCE, MIN_PIXELS = 60, 24
BACKGROUND = (90, 90, 90)
SIDE_PX = 416
SHAPES: dict[str, Box] = {"sun": (30, 50, 150, 260), "sea": (180, 90, 330, 200), "leaf": (250, 250, 390, 330)}
MAX_BLACK = 40
_TURNS = itertools.count()


def board() -> Image.Image:
    """Return a picture with one object of each colour: different in size, place and shape."""
    image = Image.new("RGB", (SIDE_PX, SIDE_PX), BACKGROUND)
    for label, box in SHAPES.items():
        ImageDraw.Draw(image).rectangle(box, fill=COLOURS[label])
    return image


def find(pixels: Pixels, mistakes: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return the objects of a picture, HWC RGB, as inferences."""
    looked_at = pixels
    if "boxes-middle" in mistakes:
        looked_at = _middle(pixels)
    if "boxes-unpadded" in mistakes:
        looked_at = _without_bars(pixels)
    inferences = []
    step = 1 + max(looked_at.shape) // LARGE_PX
    for label, colour in COLOURS.items():
        difference = _difference(looked_at[::step, ::step], colour)
        ys, xs = np.nonzero(difference < MAX_DIFFERENCE)
        if len(xs) >= MIN_PIXELS:
            share = round(1 - float(difference[ys, xs].mean()) / 100, 4)
            left, top, right, bottom = (float(step * edge) for edge in (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
            box = _relative((left, top, right, bottom), looked_at, mistakes)
            inferences.append(_entity(label, share, box))
    return inferences


def _difference(pixels: Pixels, colour: tuple[int, int, int]) -> NDArray[np.int16]:
    """Return how far each pixel is from a colour: the largest difference of a channel."""
    far = [np.abs(pixels[..., channel].astype(np.int16) - value) for channel, value in enumerate(colour)]
    return np.maximum(np.maximum(far[0], far[1]), far[2])


def _entity(label: str, confidence: float, box: dict[str, float]) -> dict[str, Any]:
    tag = {"value": label, "confidence": confidence}
    return {"type": "entity", "entity": {"tag": tag, "box": box}, "extensions": {"colour": label}}


def _relative(box_xyxy: Box, pixels: Pixels, mistakes: Collection[str]) -> dict[str, float]:
    height, width = pixels.shape[:2]
    measured: Measured = (*box_xyxy, float(width), float(height))
    for mistake, measure in MEASURES.items():
        if mistake in mistakes:
            measured = measure(*measured)
    left, top, right, bottom, wide, high = measured
    edges = (left / wide, top / high, right / wide, bottom / high)
    chosen = next((meaning for mistake, meaning in MEANINGS.items() if mistake in mistakes), _ltwh)
    box = dict(zip("ltwh", chosen(*edges), strict=True))
    if "boxes-wide" in mistakes and edges[2] == 1:
        box["w"] += min(0.02, edges[0])
    return box


def _ltwh(left: float, top: float, right: float, bottom: float) -> Box:
    return left, top, right - left, bottom - top


def _on_canvas(*measured: float) -> Measured:
    left, top, right, bottom, width, height = measured
    side = max(width, height)
    x, y = (side - width) / 2, (side - height) / 2
    return left + x, top + y, right + x, bottom + y, side, side


def _trembling(*measured: float) -> Measured:
    left, top, right, bottom, width, height = measured
    by = 0.06 * width * (-1) ** next(_TURNS)
    return left + by, top, right + by, bottom, width, height


MEASURES: dict[str, Callable[..., Measured]] = {
    "boxes-fixed": lambda *edges: (0.1 * edges[4], 0.2 * edges[5], 0.4 * edges[4], 0.4 * edges[5], *edges[4:]),
    "boxes-jitter": _trembling,
    "boxes-letterboxed": _on_canvas,
    "boxes-letterboxed-wide": lambda *measured: _on_canvas(*measured) if measured[4] > measured[5] else measured,
    "boxes-one-size": lambda *edges: (*edges[:4], SIDE_PX, SIDE_PX),
    "boxes-pixels": lambda *edges: (*edges[:4], 1, 1),
    "boxes-unclamped": lambda left, top, *edges: (left - 4, top - 4, *edges),
    "boxes-upper-left": lambda *edges: (*edges[:4], max(edges[4:]), max(edges[4:])),
}
"""What mistakes make of left, top, right, bottom, and of the width and the height that they are divided by."""
MEANINGS: dict[str, Callable[[float, float, float, float], Box]] = {
    "boxes-centre": lambda left, top, right, bottom: (
        (left + right) / 2,
        (top + bottom) / 2,
        right - left,
        bottom - top,
    ),
    "boxes-corners": lambda left, top, right, bottom: (left, top, right, bottom),
    "boxes-from-below": lambda left, top, right, bottom: (left, 1 - bottom, right - left, bottom - top),
    "boxes-swapped": lambda left, top, right, bottom: (top, left, bottom - top, right - left),
    "boxes-yxyx": lambda left, top, right, bottom: (top, left, bottom, right),
}
"""What mistakes send as l, t, w, h."""


def _middle(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return pixels[top : top + side, left : left + side]


def _without_bars(pixels: Pixels) -> Pixels:
    lit = pixels.max(axis=2) > MAX_BLACK
    ys, xs = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    return pixels[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1] if len(ys) else pixels
