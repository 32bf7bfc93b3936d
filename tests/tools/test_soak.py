"""The soak's judgement: does memory rise?"""

import numpy as np
import pytest
from numpy.typing import NDArray

from tools.soak.judging import INCONCLUSIVE, LEAK, NO_LEAK, verdict
from tools.soak.trend import trend

TIMES_S = np.arange(0, 1440, 36.0)


def waves(slope_mib_per_h: float) -> NDArray[np.float64]:
    """Return 200 MiB with this slope, with waves and noise of one MiB on top."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.5, len(TIMES_S)) + 0.5 * np.sin(TIMES_S / 60)
    return np.asarray(200 + slope_mib_per_h / 3600 * TIMES_S + noise)


@pytest.mark.parametrize(("slope", "expected"), [(0, NO_LEAK), (30, LEAK), (200, LEAK), (-30, NO_LEAK)])
def test_a_leak_is_distinguished_from_waves(slope: float, expected: str) -> None:
    found = trend(TIMES_S, waves(slope))
    low, high = found.low * 3600, found.high * 3600
    assert low <= slope <= high
    assert verdict(low, high, len(TIMES_S)) == expected


@pytest.mark.parametrize(
    ("low", "high", "samples"), [(-1.0, 0.5, 5), (-500.0, 500.0, 300), (float("nan"), float("nan"), 1)]
)
def test_inconclusive_measurements_are_not_accepted(low: float, high: float, samples: int) -> None:
    assert verdict(low, high, samples) == INCONCLUSIVE
