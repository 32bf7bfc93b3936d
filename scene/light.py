"""What one picture of a scene differs by from another, apart from light, noise and what a codec does.

What all pixels have in common, a change of light or exposure, is fitted, by least squares that leave out outliers. What
single pixels may differ by follows from the noise of the whole picture and from how steep the picture is there.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Luma: TypeAlias = NDArray[np.uint8]
"""[h, w], full or limited range: the whole picture, reduced to about 100 to 200 rows."""
Floats: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]

NOISE = 5.0
"""Standard deviations of the picture's noise by which a pixel may differ."""
STEEPNESS = 0.15
"""The share of the difference to its neighbours by which a pixel may differ: codecs change edges most."""
MAX_GAIN, MAX_OFFSET = 1.5, 40.0
"""The strongest change of light that is taken out; beyond it is another scene, such as a covered lens."""
MIN_VARIANCE = 4.0
"""Of luma: a flatter picture has no gain, only an offset."""
FIT_ROUNDS = 3
MEDIAN_TO_DEVIATION = 1.4826
"""Of Gaussian noise: its standard deviation over the median of its size."""


@dataclass(frozen=True, slots=True)
class Light:
    """How the luma of one picture becomes that of another, and the standard deviation of what is left."""

    gain: float = 1.0
    offset: float = 0.0
    noise: float = 0.0

    def leaves(self, before: Floats, luma: Luma, steepness: Luma, levels: float) -> Flags:
        """Return bool [h, w]: which pixels differ by more than `levels`, noise and steepness that light leaves open.

        Light explains all between a pixel as it was and as the fit predicts it: where a colour is saturated, luma
        follows the light only in part.
        """
        predicted = before * np.float32(self.gain) + np.float32(self.offset)
        slack = np.float32(max(levels, NOISE * self.noise)) + np.float32(STEEPNESS) * steepness
        low, high = np.minimum(before, predicted) - slack, np.maximum(before, predicted) + slack
        left: Flags = (luma > high) | (luma < low)
        return left


def fit(before: Floats, after: Floats) -> Light:
    """Return the light that explains most of the samples [N]; none if it changed too much, or without samples."""
    if not len(before):
        return Light()
    gain, offset = 1.0, _median(after) - _median(before)
    for _ in range(FIT_ROUNDS):
        errors = np.abs(after - before * np.float32(gain) - np.float32(offset))
        trusted = errors <= 2.5 * _median(errors) + 0.5
        gain, offset = _line(before[trusted], after[trusted])
    if not 1 / MAX_GAIN <= gain <= MAX_GAIN or abs(offset) > MAX_OFFSET:
        return Light()
    errors = np.abs(after - before * np.float32(gain) - np.float32(offset))
    return Light(gain, offset, MEDIAN_TO_DEVIATION * _median(errors))


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Return slope and offset of the least squares; slope 1 if x is almost constant."""
    mean_x, mean_y = float(x.mean()), float(y.mean())
    centred = x - np.float32(mean_x)
    variance = float(centred @ centred) / len(x)
    slope = float(centred @ y) / len(x) / variance if variance > MIN_VARIANCE else 1.0
    return slope, mean_y - slope * mean_x


def _median(samples: Floats) -> float:
    """Return the upper median; several times as fast as numpy's."""
    middle = len(samples) // 2
    return float(np.partition(samples, middle)[middle])


def steepness_of(luma: Luma) -> Luma:
    """Return uint8 [h, w]: the largest difference of each pixel to its four neighbours."""
    down = np.maximum(luma[1:], luma[:-1]) - np.minimum(luma[1:], luma[:-1])
    right = np.maximum(luma[:, 1:], luma[:, :-1]) - np.minimum(luma[:, 1:], luma[:, :-1])
    steepness = np.zeros_like(luma)
    for part, steps in (
        (steepness[1:], down),
        (steepness[:-1], down),
        (steepness[:, 1:], right),
        (steepness[:, :-1], right),
    ):
        np.maximum(part, steps, out=part)
    return steepness
