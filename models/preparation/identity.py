"""Measures how far the answers of two files of one model differ, on a fixed set of pictures."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.families import Outputs
from models.families.candidates import sigmoid
from models.frame import Frame
from models.letterbox import Size
from models.preparation.edges import Edges
from models.runtime.loading import LoadedModel

BLOCK_PX = 30
SEED = 2016


def largest_difference(original: LoadedModel, prepared: LoadedModel, edges: Edges) -> float:
    """Return the largest difference between any values of any output; see `difference`.

    Both models answer black, white, a gradient, noise, and large blocks of colour, each fed by its family. Logits are
    compared after a sigmoid if the original gives confidences. NaN if an answer has a NaN or an infinity, and infinity
    if the shapes of two outputs differ.
    """
    differences = [
        difference(value, _output(answer, name, edges))
        for frame in _frames(original.family.picture.target.size_wh)
        for answer in [_answer(prepared, frame)]
        for name, value in _answer(original, frame).items()
    ]
    return float(np.max(differences))


def _answer(model: LoadedModel, frame: Frame) -> Outputs:
    return model.session.run(model.family.picture.preprocess(frame)[0])


def _output(answer: Outputs, name: str, edges: Edges) -> NDArray[Any]:
    """Return the prepared model's values for an output of the original."""
    if edges.logits is None or name in answer:
        return answer[name]
    return sigmoid(answer[edges.logits[1]])


def difference(original: NDArray[Any], prepared: NDArray[Any]) -> float:
    """Return the largest difference between two outputs, as a share of the column's largest value if that is above 1.

    A column may hold edges of boxes in pixels and the next one confidences, hence the scaling by column. The column
    axis is taken to be the shortest one after the batch: a candidate has fewer values than there are candidates.
    Infinity if the shapes differ; NaN if there is a NaN or an infinity; 0 for empty outputs.
    """
    if original.shape != prepared.shape:
        return math.inf
    columns = 1 + int(np.argmin(original.shape[1:])) if original.ndim > 1 else None
    rest = tuple(axis for axis in range(original.ndim) if axis != columns)
    values, others = np.asarray(original, np.float64), np.asarray(prepared, np.float64)
    largest = np.abs(values).max(axis=rest, keepdims=True, initial=1)
    with np.errstate(invalid="ignore"):  # infinity less infinity, which is NaN
        return float(np.max(np.abs(values - others) / largest, initial=0))


def _frames(size_wh: Size) -> Iterator[Frame]:
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
