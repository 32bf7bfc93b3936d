"""The interface of workers, the worker that is the lane's own thread, and how causes of errors travel."""

from collections.abc import Callable
from typing import Any, Protocol


class RemoteTracebackError(Exception):
    """The cause of an error that came from a worker process, as text."""


class Worker(Protocol):
    """Does the jobs of one lane, one at a time."""

    def prepare(self) -> None:
        """Make ready for the next job. Called on the lane's thread before each one."""
        ...

    def do(self, work: Any) -> Any:
        """Do the work of one job on the lane's thread and return its outcome; raises what the work raises."""
        ...

    def stop(self) -> None:
        """End the job in progress, if that is possible. Called on any thread."""
        ...

    def close(self) -> None:
        """End the worker, once its lane has ended."""
        ...


class CallingThread:
    """Calls the work on the lane's thread. A job that has begun cannot be stopped."""

    def prepare(self) -> None:
        """Do nothing: a thread is always ready."""

    def do(self, work: Callable[[], Any]) -> Any:
        """Return what the work returns."""
        return work()

    def stop(self) -> None:
        """Do nothing: the lane is lost until the job ends by itself."""

    def close(self) -> None:
        """Do nothing: the lane's thread ends by itself."""
