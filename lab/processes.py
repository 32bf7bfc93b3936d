"""The worker processes of the services that this process runs."""

import os
import signal
from pathlib import Path

PARENT = 1
"""Place of the parent's process id behind the command's name in /proc/PID/stat, proc(5)."""


def worker_pids(service: int | None = None) -> list[int]:
    """Return the process ids of the workers that a process has started, by default this one, oldest first."""
    parent = str(service or os.getpid())
    return sorted(
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"models.workers.child" in _read(path)
        and _read(path.with_name("stat")).decode().rpartition(") ")[2].split()[PARENT] == parent
    )


def kill_workers(service: int | None = None) -> None:
    """Kill all workers of a process, as a crash would."""
    for pid in worker_pids(service):
        os.kill(pid, signal.SIGKILL)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b"() ? 0"
