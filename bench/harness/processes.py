"""Servers under measurement: started, watched and ended here, each in a process session of its own."""

import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
STOP_S = 15
KIB_PER_MIB = 1024
STATE, SESSION, CPU_TICKS = 0, 3, slice(11, 15)
"""Field indices in /proc/PID/stat after the command's name, proc(5). Ticks: user, system, both of reaped children."""

IDLE_PLACES = (3, 4)
"""Indices of idle and iowait in the first line of /proc/stat."""


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """A command and all processes it started. `pid`: of the command, which leads the session."""

    pid: int

    def cpu_s(self) -> float:
        """Return the CPU time used so far, user and system."""
        ticks = [sum(int(field) for field in fields[CPU_TICKS]) for _, fields in self._members()]
        return sum(ticks) / TICKS_PER_S

    def memory_mib(self) -> float:
        """Return the memory in use; pages shared by several processes count once (proportional set size)."""
        return sum(memory_mib(pid) for pid, _ in self._members())

    def _members(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the process id and the fields of /proc/PID/stat of every live process."""
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(") ")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[SESSION]) == self.pid and fields[STATE] != "Z":
                yield int(path.parent.name), fields


@dataclass(frozen=True, slots=True)
class Clocks:
    """Wall time, and the CPU time of a server, of this program and of the whole machine, in seconds."""

    wall_s: float
    server_s: float
    own_s: float
    machine_s: float

    @classmethod
    def read(cls, tree: ProcessTree | None) -> "Clocks":
        """Return the times now; without a server only this program counts."""
        return cls(time.perf_counter(), tree.cpu_s() if tree else 0, time.process_time(), machine_cpu_s())

    def since(self, before: "Clocks") -> "Clocks":
        """Return what has passed."""
        return Clocks(
            self.wall_s - before.wall_s,
            self.server_s - before.server_s,
            self.own_s - before.own_s,
            self.machine_s - before.machine_s,
        )

    @property
    def elsewhere_cores(self) -> float:
        """Return how many cores other work used during this time."""
        return max(0.0, self.machine_s - self.server_s - self.own_s) / self.wall_s


def memory_mib(pid: int) -> float:
    """Return the proportional set size of one process; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0) / KIB_PER_MIB


def machine_cpu_s() -> float:
    """Return how long the machine's cores have been busy so far, with any work; stolen time counts."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    busy = [int(ticks) for place, ticks in enumerate(fields[:8]) if place not in IDLE_PLACES]
    return sum(busy) / TICKS_PER_S


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], log: Path, cores: Collection[int] | None = None
) -> Iterator[ProcessTree]:
    """Run a command on these cores until the block ends; its output goes to `log`."""
    with on_cores(cores):
        process = start(command, environment, log)
    try:
        yield ProcessTree(process.pid)
    finally:
        end(process)


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command as the leader of a new session; the caller must `end` it."""
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@contextmanager
def on_cores(cores: Collection[int] | None) -> Iterator[None]:
    """Pin this thread, and what it starts, to these cores until the block ends."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to stop, then kill the rest of its group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
