"""Servers are watched together with the processes they start, and leave nothing behind."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.harness.processes import ProcessTree, on_cores, running

BUSY_S = 0.3
PROGRAM = f"""
import subprocess, sys, time
child = "import time; until = time.process_time() + {BUSY_S}; block = bytearray(b'x' * 50_000_000)\\n"
child += "while time.process_time() < until: pass\\ntime.sleep(60)"
subprocess.Popen([sys.executable, "-c", child])
print("started", flush=True)
time.sleep(60)
"""


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def pids(tree: ProcessTree) -> list[int]:
    return [pid for pid, _ in tree._members()]  # noqa: SLF001


def test_children_count_and_end_with_their_parent(tmp_path: Path) -> None:
    with running([sys.executable, "-c", PROGRAM], {}, tmp_path / "log") as tree:
        assert wait_for(lambda: tree.cpu_s() >= BUSY_S)
        assert wait_for(lambda: tree.memory_mib() > 50)
        assert len(pids(tree)) == 2
        assert wait_for(lambda: (tmp_path / "log").read_text() == "started\n")
    assert wait_for(lambda: not pids(tree))
    assert tree.memory_mib() == 0


def test_a_server_stays_on_its_core(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    program = "import os; print(*os.sched_getaffinity(0), flush=True)"
    log = tmp_path / "log"
    with running([sys.executable, "-c", program], {"PYTHONUNBUFFERED": "1"}, log, {core}):
        assert wait_for(lambda: log.read_text().endswith("\n"))
    assert log.read_text() == f"{core}\n"
    assert os.sched_getaffinity(0) == before


def test_cores_are_given_back() -> None:
    before = os.sched_getaffinity(0)
    with on_cores({min(before)}):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before
