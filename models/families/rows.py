"""Detectors whose output has one row for each cell of a grid: a box, an objectness, a probability for each class."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats
from models.families.candidates import count_broken

Indices: TypeAlias = NDArray[np.intp]

BOX_SIZE = 4
OBJECTNESS = 4
ROW_START = 5
"""Index in a row of the first class's probability."""


def confident_rows(rows: Floats, threshold: float) -> tuple[Indices, Indices, Floats]:
    """Return the anchors [N], the class ids [N] and the confidences [N] of all that reach the threshold.

    `rows` [anchors, 5 + classes]. The confidence is the objectness times the probability of a class. A probability is
    at most 1, so an anchor whose objectness is under the threshold is not read any further. Confidences may be
    infinite where the model's output is; N may be 0.
    """
    anchors = np.flatnonzero(rows[:, OBJECTNESS] >= threshold)
    with np.errstate(over="ignore", invalid="ignore"):  # of NaN and infinities, which are dropped later
        levels = rows[anchors, OBJECTNESS, None] * rows[anchors, ROW_START:]
    indices = np.flatnonzero(levels >= threshold)
    chosen, class_ids = np.divmod(indices, levels.shape[1])
    return anchors[chosen], class_ids, levels.take(indices)


def count_broken_rows(rows: Floats) -> int:
    """Return how many candidates, one for each anchor and class, have a NaN or an infinity in their values.

    `rows` [anchors, 5 + classes]. A broken box or objectness breaks the candidates of all classes.
    """
    if np.isfinite(rows).all():
        return 0
    return count_broken(rows[:, :ROW_START], rows[:, ROW_START:])
