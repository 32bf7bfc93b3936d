"""Tells how far apart the answers of two files of one model are, on pictures that are the same every time."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.families import Outputs
from models.families.candidates import sigmoid
from models.frame import Frame
from models.preparation.edges import Edges
from models.runtime.loading import LoadedModel

BLOCK_PX = 30
SEED = 2016


def largest_difference(original: LoadedModel, prepared: LoadedModel, edges: Edges) -> float:
    """Return the largest difference of any two values of all outputs; see `difference`.

    Both answer black, white, a gradient, noise, and large blocks of colours, each fed by its family. Logits are
    compared after a sigmoid where the original gives confidences. NaN when an answer holds one or an infinity, and
    infinity when one has more rows than the other.
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
    """Return what the prepared model gives for an output of the original."""
    if edges.logits is None or name in answer:
        return answer[name]
    return sigmoid(answer[edges.logits[1]])


def difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the largest difference, in shares of the column's largest value where that is above 1.

    Boxes may lie in pixels, and their confidences in columns beside them. The columns are the shortest axis but the
    first: what is told of a candidate is less than there are candidates.
    """
    if one.shape != other.shape:
        return math.inf
    columns = 1 + int(np.argmin(one.shape[1:])) if one.ndim > 1 else None
    rest = tuple(axis for axis in range(one.ndim) if axis != columns)
    values, others = np.asarray(one, np.float64), np.asarray(other, np.float64)
    largest = np.abs(values).max(axis=rest, keepdims=True, initial=1)
    with np.errstate(invalid="ignore"):  # infinity less infinity, which is NaN
        return float(np.max(np.abs(values - others) / largest, initial=0))


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
