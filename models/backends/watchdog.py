"""Stopping a run that takes too long, whichever backend runs it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from models.errors import InferenceError, InferenceTimeoutError
from models.scheduling.deadlines import Deadlines


@contextmanager
def watched(
    watchdog: Deadlines | None, stop: Callable[[], None], errors: tuple[type[Exception], ...]
) -> Iterator[None]:
    """Call `stop`, on the watchdog's thread, when the block takes too long; without a watchdog, never.

    `errors`: what the backend raises. Raises InferenceTimeoutError instead of these when the run was stopped, and
    InferenceError instead of these when it was not.
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
        raise InferenceError("The model failed on this frame.") from error
