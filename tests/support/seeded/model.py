"""What the seeded server finds: one object of each of three colours, and its box. Its mistakes in boxes are here."""

import random
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Box = tuple[float, float, float, float]
Pixels = NDArray[np.uint8]
COLOURS = {"sun": (255, 200, 0), "sea": (0, 120, 255), "leaf": (0, 190, 60)}
MAX_DIFFERENCE, MIN_PIXELS = 60, 24
BACKGROUND = (90, 90, 90)
SIDE_PX = 416
SHAPES: dict[str, Box] = {"sun": (30, 50, 150, 260), "sea": (180, 90, 330, 200), "leaf": (250, 250, 390, 330)}
MAX_BLACK = 40


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
    for label, colour in COLOURS.items():
        difference = np.abs(looked_at.astype(np.int16) - np.array(colour, np.int16)).max(axis=2)
        ys, xs = np.nonzero(difference < MAX_DIFFERENCE)
        if len(xs) >= MIN_PIXELS:
            share = round(1 - float(difference[ys, xs].mean()) / 100, 4)
            box = (float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
            inferences.append(_entity(label, share, _relative(box, looked_at, mistakes)))
    return inferences


def _entity(label: str, confidence: float, box: dict[str, float]) -> dict[str, Any]:
    tag = {"value": label, "confidence": confidence}
    return {"type": "entity", "entity": {"tag": tag, "box": box}, "extensions": {"colour": label}}


def _relative(box_xyxy: Box, pixels: Pixels, mistakes: Collection[str]) -> dict[str, float]:
    height, width = pixels.shape[:2]
    left, top, right, bottom = box_xyxy
    if "boxes-pixels" in mistakes:
        width = height = 1
    if "boxes-letterboxed" in mistakes:
        side = max(width, height)
        left, right = left + (side - width) / 2, right + (side - width) / 2
        top, bottom = top + (side - height) / 2, bottom + (side - height) / 2
        width = height = side
    if "boxes-upper-left" in mistakes:
        width = height = max(width, height)
    if "boxes-one-size" in mistakes:
        width = height = SIDE_PX
    if "boxes-fixed" in mistakes:
        left, top, right, bottom = 0.1 * width, 0.2 * height, 0.4 * width, 0.4 * height
    if "boxes-jitter" in mistakes:
        left, right = left + random.uniform(-0.1, 0.1) * width, right + random.uniform(-0.1, 0.1) * width
    if "boxes-unclamped" in mistakes:
        left, top = left - 4, top - 4
    left, top, right, bottom = left / width, top / height, right / width, bottom / height
    if "boxes-swapped" in mistakes:
        left, top, right, bottom = top, left, bottom, right
    box = {"l": left, "t": top, "w": right - left, "h": bottom - top}
    if "boxes-centre" in mistakes:
        box |= {"l": (left + right) / 2, "t": (top + bottom) / 2}
    if "boxes-corners" in mistakes:
        box |= {"w": right, "h": bottom}
    if "boxes-yxyx" in mistakes:
        box = {"l": top, "t": left, "w": bottom, "h": right}
    if "boxes-from-below" in mistakes:
        box["t"] = 1 - bottom
    if "boxes-wide" in mistakes and right == 1:
        box["w"] += min(0.02, left)
    return box


def _middle(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    return pixels[top : top + side, left : left + side]


def _without_bars(pixels: Pixels) -> Pixels:
    lit = pixels.max(axis=2) > MAX_BLACK
    ys, xs = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    return pixels[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1] if len(ys) else pixels
