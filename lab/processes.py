"""The processes that services have started: the workers of those that this process runs, and all that descend."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

POLL_S, ENDS_S = 0.01, 60.0
PARENT = 1
CPU_TICKS = slice(11, 13)
"""Places of the parent's process id and of the CPU time behind the command's name in /proc/PID/stat, proc(5)."""


def worker_pids(service: int | None = None) -> list[int]:
    """Return the process ids of the workers that a process has started, by default this one, oldest first."""
    parent = service or os.getpid()
    return sorted(pid for pid, its in _parents().items() if its == parent and b"models.workers.child" in _command(pid))


def descendants(ancestor: int, title: bytes = b"") -> list[int]:
    """Return the process ids of what a process has started, and of what these have, that have a title, oldest first."""
    parents, found = _parents(), {ancestor}
    while new := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= new
    return sorted(pid for pid in found - {ancestor} if title in _command(pid))


def kill_workers(service: int | None = None) -> None:
    """Kill all workers of a process, as a crash would; return once they have ended."""
    workers = worker_pids(service)
    for pid in workers:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + ENDS_S
    while not all(map(_has_ended, workers)):
        if time.monotonic() > deadline:
            raise RuntimeError(f"The processes {workers} do not end.")
        time.sleep(POLL_S)


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used so far, in seconds; 0 once it has ended."""
    ticks = _read(Path(f"/proc/{pid}/stat")).decode().rpartition(") ")[2].split()[CPU_TICKS]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _has_ended(pid: int) -> bool:
    """Return whether a process has ended with all of its threads, whether or not its parent has noticed."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return True
    return len(threads) == 1 and b") Z " in _read(Path(f"/proc/{pid}/stat"))


def _parents() -> dict[int, int]:
    """Return the parent of each process."""
    stats = {int(path.parent.name): _read(path).decode() for path in Path("/proc").glob("[0-9]*/stat")}
    return {pid: int(stat.rpartition(") ")[2].split()[PARENT]) for pid, stat in stats.items()}


def _command(pid: int) -> bytes:
    return _read(Path(f"/proc/{pid}/cmdline"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b"() ? 0"
