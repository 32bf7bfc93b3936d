"""A signal ends `framehook play` in order, whenever it comes."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lab.wire import free_port
from tests.support.process import FRAMEHOOK
from tests.support.waiting import PATIENCE_S, wait_for

AT_ANY_MOMENT = """
import random, signal, time
from handlers.server.commands.playing.running import Over
now = []
signal.signal(signal.SIGALRM, lambda *_: now[-1].set())
until_s = time.monotonic() + 2
while time.monotonic() < until_s:
    now.append(Over())
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 4e-5))
    while not now[-1].wait(0.05):
        pass
"""


def test_no_signal_stops_the_wait_for_its_end() -> None:
    subprocess.run([sys.executable, "-c", AT_ANY_MOMENT], check=True, timeout=PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_while_the_server_starts_ends_the_command_without_a_fault(number: signal.Signals) -> None:
    command: list[str | Path] = [FRAMEHOOK, "play", "detect", "--serve", "--port", str(free_port())]
    command += ["--source", "gone.mp4", "--loop"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr
        next(line for line in process.stderr if '"listening"' in line)
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_second_signal_ends_it_at_once(second: signal.Signals) -> None:
    command: list[str | Path] = [FRAMEHOOK, "play", "detect", "--source", "gone.mp4", "--loop"]
    command += ["--to", f"http://127.0.0.1:{free_port()}"]  # an event waits for five seconds
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        next(line for line in process.stderr if '"source lost"' in line)
        process.send_signal(signal.SIGINT)
        wait_for(lambda: not is_caught(process.pid, second))
        process.send_signal(second)
        assert process.wait(PATIENCE_S) == -second


def is_caught(pid: int, number: signal.Signals) -> bool:
    """Return whether a process has a handler for a signal: proc_pid_status(5)."""
    [mask] = re.findall(r"^SigCgt:\s*([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(mask, 16) >> (number - 1) & 1)
