"""Whether the memory of a process grows."""

from dataclasses import dataclass

import numpy as np

from tools.soak.trend import trend

WARM_UP_SHARE = 0.2
MAX_SLOPE_MIB_PER_H = 1.0
MAX_INTERVAL_MIB_PER_H = 20.0
MIN_SAMPLES = 30
LEAK, NO_LEAK, INCONCLUSIVE = "leak", "no-leak", "inconclusive"


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at rest at one time, and its peak memory in the round before."""

    time_s: float
    memory_mib: float
    files: int
    threads: int
    most_mib: float


def judge(samples: list[Sample]) -> str:
    """Print how memory, files and threads went, and return the verdict on memory."""
    counted = samples[int(len(samples) * WARM_UP_SHARE) :]
    times_s = np.array([sample.time_s for sample in counted])
    memory = trend(times_s, np.array([sample.memory_mib for sample in counted]))
    slope, low, high = (value * 3600 for value in (memory.slope, memory.low, memory.high))
    print(f"memory at rest: {counted[0].memory_mib:.1f} to {counted[-1].memory_mib:.1f} MiB after warm-up")
    print("  " + " ".join(f"{sample.memory_mib:.1f}" for sample in samples))
    print(f"memory rises by {slope:.2f} MiB an hour (95 %: {low:.2f} to {high:.2f})")
    for name in ("files", "threads"):
        values = [getattr(sample, name) for sample in counted]
        print(f"{name}: {min(values)} to {max(values)}, at the end {values[-1]}")
    found = verdict(low, high, len(counted))
    print(found)
    return found


def verdict(low_mib_per_h: float, high_mib_per_h: float, samples: int) -> str:
    """Judge an interval of slopes; too few samples or too wide an interval are inconclusive."""
    if low_mib_per_h > MAX_SLOPE_MIB_PER_H:
        return LEAK
    certain = samples >= MIN_SAMPLES and high_mib_per_h - low_mib_per_h < MAX_INTERVAL_MIB_PER_H
    return NO_LEAK if certain else INCONCLUSIVE
