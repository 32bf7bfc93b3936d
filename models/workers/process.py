"""The worker that is a process of its own: what crashes it, or never ends in it, costs one job."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, Pipe
from typing import IO, Any, TypeAlias

from models.errors import LaneLostError
from models.workers.shared_body import SharedBody
from models.workers.worker import StatefulCall

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
"""Before the second try to start a process, and at most before any."""
SETUP_S = 120.0
"""How long a setup may take, such as loading a model; no model gets here that was not loaded in a trial before."""
OUTPUT_BYTES = 2000
"""Of what a process writes to its standard error, the end is kept, for the log."""
LAST_WORDS_S = 2.0
"""How long a process may take to end by itself, once it is not needed any more."""
LOST = (EOFError, OSError)
"""What a connection raises when the process at its other end has gone."""

logger = logging.getLogger("framehook")

Setup: TypeAlias = Callable[[Any], Any]
"""Called in the process with its state."""


class ProcessWorker:
    """A process that does jobs. It starts when it is first needed, and again after it was lost.

    `create_state`: called in the process, makes the state that setups and jobs work with; can be pickled.
    `environment`: of the process. `niceness`: added to its priority.
    """

    def __init__(self, create_state: Callable[[], Any], environment: Mapping[str, str], niceness: int = 0) -> None:
        self._create_state, self._environment, self._niceness = create_state, environment, niceness
        self._setups: dict[int, Setup] = {}
        """What every process has to be set up with, in this order."""
        self._to_forget: list[tuple[int, Setup]] = []
        self._changing = threading.RLock()
        """Held while the process starts or is set up."""
        self._process: subprocess.Popen[bytes] | None = None
        self._jobs: Connection
        self._control: Connection
        self._memory: SharedBody
        self._output = bytearray()
        self._is_closed = False

    def prepare(self) -> None:
        """Start the process, again if it was lost; try until it starts or the worker is closed."""
        pause_s = FIRST_PAUSE_S
        while not (self._is_alive or self._is_closed):
            try:
                self._start()
            except Exception:
                logger.exception("lane not started")
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self._forget_dropped()

    def do(self, work: StatefulCall) -> Any:
        """Let the process do one job; raises what the job raises, and LaneLostError when the process ends in it."""
        try:
            self._memory.write(work.body)
            self._jobs.send((work.call(), len(work.body)))
            succeeded, outcome = self._jobs.recv()
        except LOST as error:
            self._wait_for_end()
            raise LaneLostError from error
        self._memory.release(len(work.body))
        if succeeded:
            return outcome
        raise outcome

    def keep(self, key: int, setup: Setup) -> Any:
        """Let this process, and each one that replaces it, run the setup before any job; return what it returned.

        Raises what the setup raises, and LaneLostError when the process ends in it; then it is not kept.
        """
        with self._changing:
            if not self._is_alive:
                self._start()
            outcome = self._request(setup)
            self._setups[key] = setup
            return outcome

    def forget(self, key: int, teardown: Setup) -> None:
        """Undo a setup soon. Never waits, so that it may be called on any thread."""
        self._to_forget.append((key, teardown))

    def stop(self) -> None:
        """Kill the process: the job in progress raises LaneLostError."""
        if self._process:
            self._process.kill()

    def close(self) -> None:
        """End the process, and start no other one."""
        self._is_closed = True
        with self._changing:
            self._end()

    @property
    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _start(self) -> None:
        with self._changing:
            self._end()
            self._jobs, jobs = Pipe()
            self._control, control = Pipe()
            self._memory = SharedBody()
            files = jobs.fileno(), control.fileno(), self._memory.file
            command = [sys.executable, "-P", "-m", "models.workers.child", *map(str, (*files, self._niceness))]
            self._process = subprocess.Popen(  # noqa: S603
                command,
                env=self._environment,
                pass_fds=files,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            self._output.clear()
            threading.Thread(target=self._read_output, args=(self._process.stderr,), daemon=True).start()
            jobs.close()
            control.close()
            self._request(self._create_state)
            for setup in self._setups.values():
                self._set_up_again(setup)

    def _set_up_again(self, setup: Setup) -> None:
        """Set up a process that replaces another one. What fails is missing there, and the jobs that need it fail."""
        try:
            self._request(setup)
        except LaneLostError:
            raise
        except Exception:
            logger.exception("lane not set up")

    def _request(self, call: Callable[..., Any]) -> Any:
        try:
            self._control.send(call)
            if not self._control.poll(SETUP_S):
                self.stop()
            succeeded, outcome = self._control.recv()
        except LOST as error:
            self._wait_for_end()
            raise LaneLostError from error
        if succeeded:
            return outcome
        raise outcome

    def _wait_for_end(self) -> None:
        """Wait for a process whose connections are closed, so that it counts as ended; log how it ended."""
        if self._process:
            self._process.kill()
            facts = {"status": self._process.wait(), "output": self._output.decode(errors="replace")}
            logger.warning("lane lost", extra={"facts": facts})

    def _read_output(self, stream: IO[bytes]) -> None:
        """Keep the end of what libraries write: lines that are not JSON are not for the log."""
        with stream:
            while chunk := stream.read1(OUTPUT_BYTES):  # type: ignore[attr-defined]  # it is a BufferedReader
                self._output = (self._output + chunk)[-OUTPUT_BYTES:]

    def _forget_dropped(self) -> None:
        """Undo the setups that are not needed any more, unless the process is being set up just now."""
        if self._to_forget and self._changing.acquire(blocking=False):
            try:
                while self._to_forget and self._is_alive:
                    key, teardown = self._to_forget.pop()
                    if self._setups.pop(key, None):
                        self._request(teardown)
            finally:
                self._changing.release()

    def _end(self) -> None:
        if self._process is None:
            return
        for connection in (self._jobs, self._control):
            connection.close()  # tells the process to end
        try:
            self._process.wait(LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._memory.close()
        self._process = None


def environment_without(prefix: str) -> dict[str, str]:
    """Return the environment without the variables of that prefix, which may hold secrets."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefix)}
