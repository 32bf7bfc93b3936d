"""A job: the work on one frame, from when it waits for a lane until its outcome is known."""

import traceback
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from typing import Any

from models.workers.worker import Worker


class Job(Future[Any]):
    """The work on one frame of one stream, which waits for a lane. It is also the future of its outcome.

    A waiter and its future form a reference cycle that only the garbage collector frees, much later. So a job drops
    the bytes and the pixels of its frame as soon as it ends.

    `sequence`: jobs of one sequence run one at a time and in the order of their arrival; empty for none.
    """

    def __init__(self, work: Any, stream: str, sequence: str = "", caller: str = "") -> None:
        super().__init__()
        self.stream, self.caller = stream, caller
        self.sequence = sequence
        self._work: Any = work

    def run(self, worker: Worker) -> Callable[[], None]:
        """Let a worker do the work, unless it was cancelled; return a function that publishes the outcome."""
        if self._work is None or not self.set_running_or_notify_cancel():
            return lambda: None
        try:
            return partial(self._publish, self.set_result, _done_by(worker, self._work))
        except BaseException as error:  # noqa: BLE001  # the caller who waits for the outcome gets every error
            _forget_locals(error)
            return partial(self._publish, self.set_exception, error)
        finally:
            self.release()

    def abandon(self, error: Exception) -> bool:
        """End the job with an error although it is running; return False if it has ended by itself."""
        with suppress(InvalidStateError):
            self.set_exception(error)
            return True
        return False

    def _publish(self, publish: Callable[[Any], None], outcome: Any) -> None:
        with suppress(InvalidStateError):  # the job was abandoned
            publish(outcome)

    def refuse(self, error: Exception) -> None:
        """Abandon the work; the outcome is the error."""
        self.release()
        if self.set_running_or_notify_cancel():
            self.set_exception(error)

    def release(self) -> None:
        """Drop the work, and with it the frame."""
        self._work = None


def _done_by(worker: Worker, work: Any) -> Any:
    """Return the outcome of the work; the worker may have been lost while there was no job."""
    worker.prepare()
    return worker.do(work)


def _forget_locals(error: BaseException | None) -> None:
    """Drop the local variables that the tracebacks of an error and its causes hold; file and line stay."""
    while error:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
