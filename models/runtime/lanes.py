"""The lanes: worker threads that each do all the CPU work of one frame in one go, behind a bounded queue."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from models.errors import OverloadedError

R = TypeVar("R")


class Lanes:
    """At most `count` jobs run at once and `queue_size` wait; one more is refused at once, never delayed."""

    def __init__(self, count: int, queue_size: int) -> None:
        """Start no thread yet: each lane starts with its first job."""
        self._capacity = count + queue_size
        self._held = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="lane")

    def refuse_if_full(self) -> None:
        """Raise OverloadedError when a job submitted now would be refused."""
        if self._held >= self._capacity:
            raise OverloadedError(
                "The server is working on as many frames as it can; send the next one a little later."
            )

    def submit(self, job: Callable[[], R]) -> Future[R]:
        """Queue `job` and return its future; cancelling the future while it waits gives its place back.

        Raises OverloadedError when the queue is full.
        """
        with self._lock:
            self.refuse_if_full()
            self._held += 1
        future = self._executor.submit(job)
        future.add_done_callback(self._give_back)
        return future

    def close(self) -> None:
        """Let the running jobs finish and drop the waiting ones."""
        self._executor.shutdown(cancel_futures=True)

    def _give_back(self, _: object) -> None:
        with self._lock:
            self._held -= 1
