"""The interface of workers, the worker that is the lane's own thread, and how causes of errors travel."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol


class RemoteTracebackError(Exception):
    """The cause of an error that came from a worker process, as text."""


class Worker(Protocol):
    """Does the jobs of one lane, one at a time."""

    def prepare(self) -> None:
        """Make ready for the next job. Called on the lane's thread while it waits for one, and before each."""
        ...

    def do(self, work: Any) -> Any:
        """Do the work of one job on the lane's thread and return its outcome; raises what the work raises."""
        ...

    def stop(self, *, for_good: bool = False) -> None:
        """End the job in progress, if that is possible; `for_good`: and begin none any more. Never waits."""
        ...

    def close(self) -> None:
        """End the worker, once its lane has ended; returns when it has ended."""
        ...


@dataclass(frozen=True, slots=True)
class StatefulCall:
    """Work for a worker that has a state.

    `call`: makes what is called, when the job begins: it takes the state and the body, returns the outcome, and can be
    pickled. `body`: travels to a process in shared memory.
    """

    call: Callable[[], Callable[[Any, Any], Any]]
    body: bytes | memoryview = b""


class CallingThread:
    """Calls the work on the lane's thread. A job that has begun cannot be stopped."""

    def prepare(self) -> None:
        """Do nothing: a thread is always ready."""

    def do(self, work: Callable[[], Any]) -> Any:
        """Return what the work returns."""
        return work()

    def stop(self, *, for_good: bool = False) -> None:
        """Do nothing: the lane is lost until the job ends by itself."""

    def close(self) -> None:
        """Do nothing: the lane's thread ends by itself."""


class QuietThread(CallingThread):
    """Calls the work on the lane's thread, with a state, at a lower priority. `niceness`: added to that of the lane."""

    def __init__(self, state: Any, niceness: int) -> None:
        self._state, self._niceness = state, niceness

    def prepare(self) -> None:
        """Let other threads run first; on Linux a priority can belong to a single thread."""
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._niceness)

    def do(self, work: Any) -> Any:
        """Return what the work returns."""
        call: StatefulCall = work
        return call.call()(self._state, call.body)
