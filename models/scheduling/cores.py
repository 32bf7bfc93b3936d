"""How many cores this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUP_ROOT = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Return the number of cores that the process may run on, within the processor time it is given; at least 1."""
    return max(1, math.ceil(min(len(os.sched_getaffinity(0)), cpu_quota())))


def cpu_quota(own_cgroups: Path = OWN_CGROUPS, root: Path = CGROUP_ROOT) -> float:
    """Return how many cores' time the control groups of this process grant it; infinity without a limit.

    Each group in the hierarchy may set one, the least holds. Source: the Linux kernel's documentation,
    admin-guide/cgroup-v2 (cpu.max) and scheduler/sched-bwc (cpu.cfs_quota_us).
    """
    try:
        lines = own_cgroups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return math.inf
    return min((quota for line in lines for quota in _quotas(line, root)), default=math.inf)


def _quotas(line: str, root: Path) -> Iterator[float]:
    """Yield the quotas of one hierarchy: a line `number:controllers:path`, without controllers for version 2."""
    _, controllers, path = line.split(":", 2)
    version_2 = not controllers
    if not version_2 and "cpu" not in controllers.split(","):
        return
    base = root if version_2 else root / controllers
    group = base / path.lstrip("/")
    # a container may see its own group as the root, and yet read its path from outside
    for folder in (group, *group.parents):
        if folder.is_relative_to(base):
            yield _quota_2(folder) if version_2 else _quota_1(folder)


def _quota_2(folder: Path) -> float:
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return math.inf if quota in {"", "max"} else int(quota) / int(period)


def _quota_1(folder: Path) -> float:
    quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota and period and int(quota) > 0 else math.inf


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
