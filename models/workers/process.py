"""The worker that is a process of its own: what crashes it, or never ends in it, costs one job."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
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
logger = logging.getLogger("framehook")

Setup: TypeAlias = Callable[[Any], Any]
"""Called in the process with its state."""


class _Process:
    """One process, with its two connections and the memory that it shares. Raises OSError when it cannot start."""

    def __init__(self, environment: Mapping[str, str], niceness: int) -> None:
        with ExitStack() as opened:
            self.memory = opened.enter_context(closing(SharedBody()))
            self.jobs, jobs = map(opened.enter_context, Pipe())
            self.control, control = map(opened.enter_context, Pipe())
            files = jobs.fileno(), control.fileno(), self.memory.file
            self._popen = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", "models.workers.child", *map(str, (*files, niceness))],
                env=environment,
                pass_fds=files,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            jobs.close()
            control.close()
            self._opened = opened.pop_all()
        self._output = bytearray()
        self._reader = threading.Thread(target=self._read_output, args=(self._popen.stderr,), daemon=True)
        self._reader.start()

    @property
    def is_alive(self) -> bool:
        """Return whether it has not ended yet."""
        return self._popen.poll() is None

    def request(self, connection: Connection, *message: Any) -> Any:
        """Send a message and return the outcome, or raise it; raises LaneLostError when the process ends meanwhile."""
        try:
            connection.send(message)
            succeeded, outcome = connection.recv()
        except Exception as error:  # also MemoryError: what is left of the outcome would answer the next message
            self.kill()
            self._popen.wait()
            raise LaneLostError from error
        if succeeded:
            return outcome
        raise outcome

    def kill(self) -> None:
        """End it at once."""
        self._popen.kill()

    def close(self) -> None:
        """Let it end, and wait for that."""
        self._opened.close()  # its connections tell it to end
        try:
            self._popen.wait(LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._popen.wait()
        self._reader.join(LAST_WORDS_S)

    def facts(self) -> dict[str, Any]:
        """Return how it ended, for the log. `status`: negative for a signal."""
        return {"status": self._popen.returncode, "output": self._output.decode(errors="replace")}

    def _read_output(self, stream: IO[bytes]) -> None:
        """Keep the end of what libraries write: lines that are not JSON are not for the log."""
        with stream:
            while chunk := stream.read1(OUTPUT_BYTES):  # type: ignore[attr-defined]  # it is a BufferedReader
                self._output = (self._output + chunk)[-OUTPUT_BYTES:]


class ProcessWorker:
    """A process that does jobs. It starts when it is first needed, and again after it was lost.

    `create_state`: called in the process, makes the state that setups and jobs work with; can be pickled.
    `environment`: of the process. `niceness`: added to its priority.
    """

    def __init__(self, create_state: Callable[[], Any], environment: Mapping[str, str], niceness: int = 0) -> None:
        self._create_state, self._environment, self._niceness = create_state, environment, niceness
        self._setups: dict[int, Setup] = {}
        """What every process has to be set up with, in this order."""
        self._teardowns: list[Setup] = []
        """What undoes setups that are not needed any more."""
        self._changing = threading.RLock()
        """Held while the process starts or is set up."""
        self._process: _Process | None = None
        self._doing: _Process | None = None
        """The process that does a job now."""
        self._is_setting_up = False
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        """Return whether no process is started any more."""
        return self._is_closed

    def prepare(self) -> None:
        """Start the process, again if it was lost; try until it starts or the worker is closed."""
        pause_s = FIRST_PAUSE_S
        while not self._is_closed:
            self._tear_down()
            if self._is_alive:
                return
            try:
                with self._changing:
                    self._start()
            except Exception:
                logger.exception("lane not started")
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def do(self, work: StatefulCall) -> Any:
        """Let the process do one job; raises what the job raises, and LaneLostError when the process ends in it."""
        process = self._process
        if process is None:
            raise LaneLostError
        self._doing = process
        try:
            process.memory.write(work.body)
            return process.request(process.jobs, work.call(), len(work.body))
        finally:
            self._doing = None
            if process.is_alive:
                process.memory.release(len(work.body))

    def keep(self, key: int, setup: Setup) -> Any:
        """Let this process, and each one that replaces it, run the setup before any job; return what it returned.

        Raises what the setup raises, and LaneLostError when the process ends in it; then it is not kept.
        """
        with self._changing:
            self._tear_down()
            if not self._is_alive:
                self._start()
            outcome = self._set_up(setup)
            self._setups[key] = setup
            return outcome

    def forget(self, key: int, teardown: Setup) -> None:
        """Undo a setup soon. Never waits, so that it may be called on any thread."""
        if self._setups.pop(key, None):
            self._teardowns.append(teardown)

    def stop(self, *, for_good: bool = False) -> None:
        """Kill the process that does a job, which raises LaneLostError.

        `for_good`: also one that is being set up; and start no other one.
        """
        self._is_closed = self._is_closed or for_good
        if doing := self._doing or (self._process if for_good and self._is_setting_up else None):
            doing.kill()

    def close(self) -> None:
        """End the process, whatever it does, and start no other one."""
        self.stop(for_good=True)
        with self._changing:
            if self._process:
                self._process.close()
                self._process = None

    @property
    def _is_alive(self) -> bool:
        return self._process is not None and self._process.is_alive

    def _start(self) -> None:
        """Replace the process; raises LaneLostError when the new one ends, or when the worker is closed."""
        if self._process:
            self._process.close()
            logger.warning("lane lost", extra={"facts": self._process.facts()})
            self._process = None
        if self._is_closed:
            raise LaneLostError
        self._process = _Process(self._environment, self._niceness)
        try:
            self._set_up(self._create_state)
            for setup in list(self._setups.values()):
                self._set_up(setup)
        except BaseException:
            self._process.kill()  # without all setups it is of no use
            raise

    def _set_up(self, setup: Callable[..., Any]) -> Any:
        if self._process is None:
            raise LaneLostError
        limit = threading.Timer(SETUP_S, self._process.kill)
        limit.daemon = True
        limit.start()
        self._is_setting_up = True
        try:
            if self._is_closed:  # `stop` came too early to see that it is being set up
                raise LaneLostError
            return self._process.request(self._process.control, setup)
        finally:
            limit.cancel()
            self._is_setting_up = False

    def _tear_down(self) -> None:
        """Undo the setups that are not needed any more, unless the process is being set up just now."""
        if not self._teardowns or not self._changing.acquire(blocking=False):
            return
        try:
            while self._teardowns and self._is_alive:
                self._set_up(self._teardowns.pop())
        except LaneLostError:
            self._teardowns.clear()  # the process that replaces this one is set up without them
        finally:
            self._changing.release()


def environment_without(*prefixes: str) -> dict[str, str]:
    """Return the environment without the variables of these prefixes, which may hold secrets."""
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
