"""Detectors that give one row a cell of their grid: a box, an objectness, and the probability of each class."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats
from models.families.candidates import count_broken

Places: TypeAlias = NDArray[np.intp]

BOX_SIZE = 4
OBJECTNESS = 4
ROW_START = 5
"""Where the probabilities of the classes begin in a row."""


def best_of_rows(rows: Floats, least: float) -> tuple[Places, Places, Floats]:
    """Return the anchors, the class ids and the confidences of all that reach the least confidence.

    `rows` [anchors, 5 + classes]; the confidence is the objectness times the probability of a class. As no
    probability is above 1, nothing else is read of an anchor whose objectness is too low.
    """
    anchors = np.flatnonzero(rows[:, OBJECTNESS] >= least)
    with np.errstate(over="ignore", invalid="ignore"):  # of what is no number, which is dropped later
        levels = rows[anchors, OBJECTNESS, None] * rows[anchors, ROW_START:]
    places = np.flatnonzero(levels >= least)
    chosen, class_ids = np.divmod(places, levels.shape[1])
    return anchors[chosen], class_ids, levels.take(places)


def count_broken_rows(rows: Floats) -> int:
    """Return how many candidates, anchors times classes, rows [anchors, 5 + classes] spoil by a NaN or an infinity."""
    if np.isfinite(rows).all():
        return 0
    return count_broken(rows[:, :ROW_START], rows[:, ROW_START:])
