"""The lanes: each does all the CPU work of one frame in one go, behind a bounded, fair queue."""

import math
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from models.errors import InferenceTimeoutError, OverloadedError
from models.scheduling.callers_queue import CallersQueue
from models.scheduling.deadlines import Deadlines
from models.scheduling.job import Job
from models.workers.worker import CallingThread, Worker

SMOOTHING = 0.1
"""Weight of the newest job in the running mean of the jobs' durations."""
MAX_HOMES = 1024
"""Sequences whose lane is remembered; above this number, the one that was quiet longest is forgotten."""
READY_S = 1.0
"""How often a lane without jobs sees to its worker."""
MAX_DRAINED_S = 60
"""Retry-After is at most twice this, for a queue of any length."""


class Lanes:
    """At most `count` jobs run at once and `queue_size` wait, none longer than `max_wait_s`.

    Callers take turns, then the streams of each. One more job is refused at once, unless it is owed a place: then the
    job with the last turn is refused instead. A job that runs for longer than `max_work_s` is abandoned, and its worker
    stopped. `create_worker`: makes what does a lane's jobs, by default its own thread.
    """

    def __init__(
        self,
        count: int,
        queue_size: int,
        max_wait_s: float,
        max_work_s: float = threading.TIMEOUT_MAX,
        create_worker: Callable[[], Worker] = CallingThread,
    ) -> None:
        self.count = count
        self.create_worker = create_worker
        self.workers = [create_worker() for _ in range(count)]
        self._capacity = count + queue_size
        self._queue: CallersQueue[Job] = CallersQueue()
        self._running = 0
        self._running_sequences: set[str] = set()
        """Sequences one of whose jobs runs, so that the next one must wait for it."""
        self._homes: dict[str, Worker] = {}
        """The worker that did the last job of a sequence: what it remembers of the sequence is there."""
        self._mean_job_s = 0.0
        self._changed = threading.Condition()  # its lock is re-entrant
        self._deadlines = Deadlines(max_wait_s)
        self._work_deadlines = Deadlines(max_work_s)
        self._threads: list[threading.Thread] = []
        self._closed = False

    def like(
        self, count: int, queue_size: int | None = None, create_worker: Callable[[], Worker] | None = None
    ) -> "Lanes":
        """Return other lanes with the same time limits; by default with as many places in the queue per lane.

        `create_worker`: by default their workers are of the same kind, too.
        """
        places = (self._capacity - self.count) * count // self.count if queue_size is None else queue_size
        limits_s = self._deadlines.limit_s, self._work_deadlines.limit_s
        return Lanes(count, places, *limits_s, create_worker or self.create_worker)

    @property
    def waiting(self) -> int:
        """Return how many jobs wait."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Return how many jobs run."""
        return self._running

    @property
    def is_quiet(self) -> bool:
        """Return whether at most one job waits or runs."""
        return self._running + len(self._queue) <= 1

    def retry_after_s(self) -> int:
        """Return the whole seconds after which a refused job may come back, at least 1.

        At the earliest when the jobs that wait or run now are done, and spread over the same time again, so that
        clients that were refused together do not come back together.
        """
        drained_s = (self._running + len(self._queue)) * self._mean_job_s / self.count
        earliest_s = max(1, math.ceil(min(drained_s, MAX_DRAINED_S)))
        return random.randint(earliest_s, 2 * earliest_s)  # noqa: S311  # not a secret

    def refuse_if_full(self, stream: str = "", caller: str = "") -> None:
        """Raise OverloadedError when a job of that stream and caller, submitted now, would be refused."""
        with self._changed:
            if self._is_full() and not self._queue.is_owed_a_place(caller, stream):
                raise self.full_error()

    def submit(self, work: Any, stream: str = "", sequence: str = "", caller: str = "") -> Future[Any]:
        """Queue `work` and return its future; cancelling the future while it waits frees its place.

        `work`: of the kind that the workers do; for threads, a function without arguments. `sequence`: its jobs run one
        at a time and on one lane, in the order of their arrival; they must be of one stream, and of one caller, else
        callers take turns. Raises OverloadedError when there is no place. The future raises it too, when the job waited
        too long or had to make room for another; and InferenceTimeoutError when it ran too long.
        """
        job = Job(work, stream, sequence, caller)
        displaced = None
        with self._changed:
            if self._closed:  # its model has just been replaced
                raise self.full_error()
            self._start()
            self.refuse_if_full(stream, caller)
            if self._is_full():
                displaced = self._queue.make_room(caller)
            self._queue.put(caller, stream, job)
            self._deadlines.begin(job, partial(self._expire, job))
            self._changed.notify(self.count if sequence else 1)  # only one lane may do the job of a sequence
        if displaced:
            self._deadlines.end(displaced)
            displaced.refuse(self.full_error())
        job.add_done_callback(self._withdraw_if_cancelled)
        return job

    def give_up(self, error: Exception) -> None:
        """Refuse every job that waits, with `error`, abandon those that run, and accept none any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            dropped = [self._queue.get() for _ in range(len(self._queue))]
        for job in dropped:
            self._deadlines.end(job)
            job.refuse(error)
        self._work_deadlines.expire_all()
        for worker in self.workers:
            worker.stop(for_good=True)

    def close(self, patience_s: float = threading.TIMEOUT_MAX) -> None:
        """Return once the running jobs have finished, or have been waited for long enough.

        No job may wait, and none is accepted any more.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        give_up_at = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(0.0, give_up_at - time.monotonic()))
        for worker in self.workers if not self._threads else ():
            worker.close()
        self._deadlines.close()
        self._work_deadlines.close()

    def full_error(self) -> OverloadedError:
        """Return what a job is refused with for which there is no place."""
        return OverloadedError(
            "The server is working on as many frames as it can; send the next one a little later.",
            "queue_full",
            self.retry_after_s(),
        )

    def _is_full(self) -> bool:
        return self._running + len(self._queue) >= self._capacity

    def _start(self) -> None:
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._work, args=(worker,), name=f"lane-{n}", daemon=True)
                for n, worker in enumerate(self.workers)
            ]
            for thread in self._threads:
                thread.start()

    def _work(self, worker: Worker) -> None:
        while (job := self._next(worker)) is not None:
            started_at = time.perf_counter()
            with self._work_deadlines.limiting(partial(self._abandon, job, worker)):
                publish = job.run(worker)
            self._finish(job, time.perf_counter() - started_at)
            publish()  # only now, so that the caller who gets the outcome finds the lane free
        worker.close()

    def _abandon(self, job: Job, worker: Worker) -> None:
        if job.abandon(InferenceTimeoutError(self._work_deadlines.limit_s)):
            worker.stop()

    def _next(self, worker: Worker) -> Job | None:
        """Wait for a job and return it; None when closed. Meanwhile the worker is kept ready."""
        job = None
        while job is None:
            if not self._closed:
                worker.prepare()
            with self._changed:
                job = self._take(worker)
                if job is None:
                    if self._closed and not self._queue:
                        return None
                    self._changed.wait(READY_S)
        self._deadlines.end(job)
        return job

    def _take(self, worker: Worker) -> Job | None:
        """Take the next job that this worker may do out of the queue; None when there is none."""
        must_wait = partial(self._must_wait, worker)
        if not self._queue.has_next(must_wait):
            return None
        job = self._queue.get(must_wait)
        self._running += 1
        if job.sequence:
            self._running_sequences.add(job.sequence)
            self._settle(job.sequence, worker)
        return job

    def _must_wait(self, worker: Worker, job: Job) -> bool:
        """Return whether a lane must leave a job: the one before it still runs, or its home is another lane."""
        return job.sequence in self._running_sequences or self._homes.get(job.sequence, worker) is not worker

    def _settle(self, sequence: str, worker: Worker) -> None:
        self._homes.pop(sequence, None)
        self._homes[sequence] = worker
        if len(self._homes) > MAX_HOMES:
            del self._homes[next(iter(self._homes))]

    def _finish(self, job: Job, took_s: float) -> None:
        with self._changed:
            self._running -= 1
            if job.sequence:
                self._running_sequences.remove(job.sequence)
                self._changed.notify_all()  # the stream's next job can run now
            self._mean_job_s += (took_s - self._mean_job_s) * (SMOOTHING if self._mean_job_s else 1)

    def _withdraw_if_cancelled(self, job: Future[Any]) -> None:
        if isinstance(job, Job) and job.cancelled():
            job.release()
            self._withdraw(job)

    def _withdraw(self, job: Job) -> bool:
        """Remove a job from the queue; return False if it no longer waits."""
        with self._changed:
            withdrawn = self._queue.remove(job.caller, job.stream, job)
        self._deadlines.end(job)
        return withdrawn

    def _expire(self, job: Job) -> None:
        if self._withdraw(job):
            job.refuse(
                OverloadedError(
                    f"The frame waited {self._deadlines.limit_s:g} s for its turn, as long as it may; "
                    "send the next one a little later.",
                    "queue_timeout",
                    self.retry_after_s(),
                )
            )
