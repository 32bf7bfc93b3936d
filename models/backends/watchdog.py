"""Stopping a run that takes too long, whichever backend runs it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from models.errors import InferenceError, InferenceTimeoutError
from models.scheduling.deadlines import Limit

NO_MEMORY = "std::bad_alloc"
"""What onnxruntime's message contains when an allocation failed."""


@contextmanager
def watched(watchdog: Limit | None, stop: Callable[[], None], errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Call `stop`, on the watchdog's thread, when the block takes too long; without a watchdog, never.

    `errors`: what the backend raises. Instead of these, raises InferenceTimeoutError when the run was stopped,
    MemoryError when memory did not suffice, else InferenceError.
    """
    is_stopped = False

    def note_and_stop() -> None:
        nonlocal is_stopped
        is_stopped = True
        stop()

    try:
        with watchdog.limiting(note_and_stop) if watchdog else nullcontext():
            yield
    except errors as error:
        if watchdog and is_stopped:
            raise InferenceTimeoutError(watchdog.limit_s) from error
        if NO_MEMORY in str(error):
            raise MemoryError from error
        raise InferenceError("The model failed on this frame.") from error
