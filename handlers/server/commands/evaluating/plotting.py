"""Curves of precision over recall, drawn with Pillow."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from handlers.encoding.captions import MAIN_FONT
from handlers.errors import ConfigurationError
from handlers.server.commands.evaluating.scoring import Score

SIZE_WH, FINER = (900, 640), 3
"""It is drawn three times as large and scaled down, so that slanted lines are smooth."""
LEFT, TOP, RIGHT, BOTTOM = 80, 30, 870, 570
INK, GRID = "#202020", "#d8d8d8"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""M. Okabe and K. Ito's, which people with any colour vision can tell apart."""
STEPS = 5
FONT = MAIN_FONT.load(15 * FINER)


def draw_curves(scores: Mapping[str, Score], path: Path) -> None:
    """Write a PNG with one curve per model: precision over recall at an IoU of 0.5, mean over labels.

    Raises ConfigurationError if it cannot be written.
    """
    width, height = SIZE_WH
    picture = Image.new("RGB", (width * FINER, height * FINER), "white")
    draw = ImageDraw.Draw(picture)
    _draw_axes(draw)
    for number, (name, score) in enumerate(scores.items()):
        colour = COLOURS[number % len(COLOURS)]
        recalls = np.linspace(0, 1, len(score.curve))
        draw.line(_points(recalls, score.curve), colour, 3 * FINER, joint="curve")
        ap50 = "-" if score.ap50 is None else f"{100 * score.ap50:.1f}"
        place_y = BOTTOM - 20 - 24 * number  # where curves seldom are
        draw.line([_scaled(LEFT + 15, place_y), _scaled(LEFT + 45, place_y)], colour, 3 * FINER)
        draw.text(_scaled(LEFT + 55, place_y), f"{name:.30} (AP50 {ap50})", INK, FONT, anchor="lm")
    try:
        picture.reduce(FINER).save(path, "PNG")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from error


def _draw_axes(draw: ImageDraw.ImageDraw) -> None:
    for step in range(STEPS + 1):
        share = step / STEPS
        x, y = LEFT + share * (RIGHT - LEFT), BOTTOM - share * (BOTTOM - TOP)
        draw.line([_scaled(x, TOP), _scaled(x, BOTTOM)], GRID, FINER)
        draw.line([_scaled(LEFT, y), _scaled(RIGHT, y)], GRID, FINER)
        draw.text(_scaled(x, BOTTOM + 8), f"{share:.1f}", INK, FONT, anchor="ma")
        draw.text(_scaled(LEFT - 8, y), f"{share:.1f}", INK, FONT, anchor="rm")
    draw.text(_scaled((LEFT + RIGHT) / 2, BOTTOM + 34), "recall", INK, FONT, anchor="ma")
    draw.text(_scaled(LEFT, TOP - 22), "precision, at an IoU of 0.5", INK, FONT)


def _points(recalls: NDArray[np.float64], precisions: NDArray[np.float64]) -> list[tuple[float, float]]:
    xs, ys = LEFT + recalls * (RIGHT - LEFT), BOTTOM - precisions * (BOTTOM - TOP)
    return [_scaled(x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]


def _scaled(x: float, y: float) -> tuple[float, float]:
    return x * FINER, y * FINER
