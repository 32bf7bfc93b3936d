"""Does a series of measurements rise? The slope of the median pair, with its confidence interval."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 6
"""Neighbouring measurements are correlated, so they are drawn in blocks of this size."""
RESAMPLES = 400


@dataclass(frozen=True, slots=True)
class Trend:
    """A slope, in units of the measurements per second, and the 95 % interval that holds it."""

    slope: float
    low: float
    high: float


def trend(times_s: NDArray[np.float64], values: NDArray[np.float64], seed: int = 1) -> Trend:
    """Return the Theil-Sen slope of values [N] over times [N], and its interval by a moving-block bootstrap.

    The blocks are drawn from the residuals of the slope. Sources: P. K. Sen, "Estimates of the regression
    coefficient based on Kendall's tau", 1968; H. R. Künsch, "The jackknife and the bootstrap for general stationary
    observations", 1989.
    """
    slope = _slope(times_s, values)
    line = slope * times_s
    residuals = values - line
    rng, count = np.random.default_rng(seed), len(values)
    block = min(BLOCK, count)
    slopes = []
    for _ in range(RESAMPLES):
        starts = rng.integers(0, count - block + 1, -(-count // block))
        drawn = np.concatenate([residuals[start : start + block] for start in starts])[:count]
        slopes.append(_slope(times_s, line + drawn))
    low, high = np.percentile(slopes, [2.5, 97.5])
    return Trend(slope, float(low), float(high))


def _slope(times_s: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    rows, columns = np.triu_indices(len(values), 1)
    return float(np.median((values[columns] - values[rows]) / (times_s[columns] - times_s[rows])))
