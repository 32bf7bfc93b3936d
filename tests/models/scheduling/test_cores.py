"""How many cores may be used: affinity, and the quotas of control groups."""

import math
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from models.scheduling.cores import cpu_quota, usable_cores


@pytest.mark.parametrize(
    ("own_cgroups", "files", "quota"),
    [
        ("0::/\n", {}, math.inf),
        ("0::/\n", {"cpu.max": "max 100000"}, math.inf),
        ("0::/\n", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/system.slice/framehook.service\n", {"system.slice/framehook.service/cpu.max": "200000 100000"}, 2),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "300000 100000"}, 0.5),
        ("0::/docker/unseen\n", {"cpu.max": "400000 100000"}, 4),
        ("4:cpu,cpuacct:/a\n", {"cpu,cpuacct/a/cpu.cfs_quota_us": "250000"}, math.inf),
        (
            "5:memory:/\n4:cpu,cpuacct:/a\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "250000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"},
            2.5,
        ),
        (
            "4:cpu,cpuacct:/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            math.inf,
        ),
        ("3:cpuset:/\n", {"cpuset/cpu.cfs_quota_us": "1", "cpuset/cpu.cfs_period_us": "1"}, math.inf),
    ],
    ids=[
        "no files", "v2 without a limit", "v2 at the root", "v2 systemd", "v2 the least of all above",
        "v2 in a container that reads its path from outside", "v1 without a period", "v1", "v1 without a limit",
        "v1 of another controller",
    ],
)  # fmt: skip
def test_the_quota(tmp_path: Path, own_cgroups: str, files: Mapping[str, str], quota: float) -> None:
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    own.write_text(own_cgroups)
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content + "\n")
    assert cpu_quota(own, root) == quota


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "none", tmp_path) == math.inf


def test_affinity_counts() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("quota", "cores"), [(0.2, 1), (1.5, 2), (math.inf, 3), (8, 3)])
def test_a_part_of_a_core_counts_as_one(monkeypatch: pytest.MonkeyPatch, quota: float, cores: int) -> None:
    monkeypatch.setattr("models.scheduling.cores.cpu_quota", lambda: quota)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    assert usable_cores() == cores
