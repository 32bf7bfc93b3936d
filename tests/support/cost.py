"""What a piece of work costs, independent of what else the machine does."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def costs_at_most(limit_s: float) -> Iterator[None]:
    """Assert that the block takes at most so many seconds of this thread's CPU time.

    A limit is for work that would take many times as long without a bound: coverage and a busy machine cost a few times
    what a quiet one shows. Python collects no garbage meanwhile: that of all tests before costs tenths of a second.
    """
    gc.disable()
    try:
        started_at_s = time.thread_time()
        yield
        assert time.thread_time() - started_at_s < limit_s
    finally:
        gc.enable()
