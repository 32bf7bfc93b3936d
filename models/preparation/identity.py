"""Tells how far apart the answers of two files of one model are, on pictures that are the same every time."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.families.candidates import sigmoid
from models.frame import Frame
from models.runtime.loading import LoadedModel

BLOCK_PX = 30
SEED = 2016


def largest_difference(original: LoadedModel, prepared: LoadedModel) -> float:
    """Return the largest difference of any confidence or box corner, each 0..1; NaN when an answer holds one.

    Both answer black, white, a gradient, noise, and large blocks of colours, each through the family.
    """
    differences = [
        np.abs(one - other).max()
        for frame in _frames(original.family.target.size_wh)
        for one, other in zip(_answer(original, frame), _answer(prepared, frame), strict=True)
    ]
    return float(np.max(differences))


def _answer(model: LoadedModel, frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return boxes and confidences of all candidates."""
    outputs = model.session.run(model.family.preprocess(frame)[0])
    return outputs["boxes"], outputs["scores"] if "scores" in outputs else sigmoid(outputs["logits"])


def _frames(size_wh: tuple[int, int]) -> Iterator[Frame]:
    width, height = size_wh
    random = np.random.default_rng(SEED)
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    blocks = random.integers(0, 256, (height // BLOCK_PX + 1, width // BLOCK_PX + 1, 3), np.uint8)
    for pixels_hwc in (
        np.zeros((height, width, 3), np.uint8),
        np.full((height, width, 3), 255, np.uint8),
        np.stack([across, down, 255 - across], axis=2).astype(np.uint8),
        random.integers(0, 256, (height, width, 3), np.uint8),
        blocks.repeat(BLOCK_PX, axis=0).repeat(BLOCK_PX, axis=1)[:height, :width],
    ):
        yield Frame(pixels_hwc, "rgb", size_wh)
