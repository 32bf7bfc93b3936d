"""What a piece of work costs, independent of what else the machine does."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def costs_at_most(limit_s: float) -> Iterator[None]:
    """Assert that the block takes at most so many seconds of this thread's CPU time.

    A limit is for work that would take many times as long without a bound: coverage and a busy machine cost a few times
    what a quiet one shows.
    """
    started_at_s = time.thread_time()
    yield
    assert time.thread_time() - started_at_s < limit_s
