"""The lanes: bounded, fair, in time, and every place is freed again."""

import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager

import pytest

from models.errors import DrainingError, InferenceTimeoutError, OverloadedError
from models.scheduling.lanes import MAX_DRAINED_S, Lanes
from models.workers.worker import CallingThread
from tests.support.waiting import PATIENCE_S, wait_for


@contextmanager
def lanes_of(count: int = 1, queue_size: int = 1, max_wait_s: float = 60) -> Iterator[tuple[Lanes, threading.Event]]:
    """Yield lanes, and a gate that jobs can wait for; it always opens at the end of the test."""
    lanes, gate = Lanes(count, queue_size, max_wait_s), threading.Event()
    try:
        yield lanes, gate
    finally:
        gate.set()
        lanes.close()


class Stoppable(CallingThread):
    """A worker whose job ends when it is stopped."""

    def __init__(self, stopped: threading.Event) -> None:
        self._stopped, self.closed = stopped, False

    def stop(self, *, for_good: bool = False) -> None:  # noqa: ARG002
        self._stopped.set()

    def close(self) -> None:
        self.closed = True


def make_known(lanes: Lanes, *streams: str) -> None:
    """Run a job of each stream: new streams share the turns of one."""
    for stream in streams:
        lanes.submit(lambda: None, stream).result(PATIENCE_S)


def test_lanes_with_one_job_are_quiet() -> None:
    with lanes_of() as (lanes, gate):
        assert lanes.is_quiet
        occupy(lanes, gate)
        assert lanes.is_quiet


def occupy(lanes: Lanes, gate: threading.Event) -> Future[bool]:
    """Let the one lane wait for the gate; return once it waits."""
    started = threading.Event()

    def wait() -> bool:
        started.set()
        return gate.wait()

    running = lanes.submit(wait)
    assert started.wait(PATIENCE_S)
    return running


def test_one_runs_one_waits_and_the_third_is_refused() -> None:
    with lanes_of() as (lanes, gate):
        running, waiting = occupy(lanes, gate), lanes.submit(lambda: "waited")
        assert (lanes.running, lanes.waiting, lanes.is_quiet) == (1, 1, False)
        with pytest.raises(OverloadedError) as refusal:
            lanes.refuse_if_full()
        assert refusal.value.reason == "queue_full"
        with pytest.raises(OverloadedError):
            lanes.submit(gate.wait)
        gate.set()
        assert running.result()
        assert waiting.result() == "waited"


def test_a_place_comes_back_after_success_failure_and_cancellation() -> None:
    with lanes_of() as (lanes, gate):
        assert lanes.submit(lambda: 1).result() == 1
        with pytest.raises(ZeroDivisionError):
            lanes.submit(lambda: 1 / 0).result()
        running, waiting = occupy(lanes, gate), lanes.submit(gate.wait)
        assert waiting.cancel()
        assert lanes.waiting == 0
        lanes.refuse_if_full()
        gate.set()
        running.result()
        assert lanes.submit(lambda: 2).result() == 2


def test_a_job_that_waits_too_long_is_refused_at_once_and_never_run() -> None:
    ran = []
    with lanes_of(max_wait_s=1) as (lanes, gate):
        running = occupy(lanes, gate)
        late = lanes.submit(lambda: ran.append("late"))
        with pytest.raises(OverloadedError) as refusal:
            late.result(PATIENCE_S)
        assert refusal.value.reason == "queue_timeout"
        assert not running.done()
        assert lanes.waiting == 0
        gate.set()
    assert not ran


def test_a_job_that_runs_is_not_bound_by_the_wait() -> None:
    with lanes_of(max_wait_s=1) as (lanes, gate):
        running = occupy(lanes, gate)
        time.sleep(1.5)
        gate.set()
        assert running.result(PATIENCE_S)


def test_another_stream_gets_the_place_of_the_greedy_ones_newest() -> None:
    with lanes_of(queue_size=3) as (lanes, gate):
        make_known(lanes, "greedy", "modest")
        occupy(lanes, gate)
        greedy = [lanes.submit(lambda: "greedy", "greedy") for _ in range(3)]
        with pytest.raises(OverloadedError):
            lanes.submit(lambda: "greedy", "greedy")
        lanes.refuse_if_full("modest")
        modest = lanes.submit(lambda: "modest", "modest")
        with pytest.raises(OverloadedError):
            greedy[2].result(PATIENCE_S)
        assert lanes.waiting == 3
        with pytest.raises(OverloadedError):
            lanes.submit(lambda: "modest", "modest")  # it has its share now
        gate.set()
        assert [future.result(PATIENCE_S) for future in (*greedy[:2], modest)] == ["greedy", "greedy", "modest"]


def test_streams_take_turns() -> None:
    order: list[str] = []
    with lanes_of(queue_size=20) as (lanes, gate):
        make_known(lanes, *"abc")
        occupy(lanes, gate)
        jobs = [lanes.submit(lambda stream=stream: order.append(stream), stream) for stream in "aaaaaabbc"]
        gate.set()
        for job in jobs:
            job.result(PATIENCE_S)
    assert "".join(order) == "abcabaaaa"


def test_all_lanes_run_at_once() -> None:
    barrier = threading.Barrier(3)
    with lanes_of(count=3, queue_size=0) as (lanes, _):
        meet: Callable[[], int] = lambda: barrier.wait(PATIENCE_S)  # noqa: E731
        assert sorted(job.result(PATIENCE_S) for job in [lanes.submit(meet) for _ in range(3)]) == [0, 1, 2]


def test_closing_finishes_what_runs() -> None:
    lanes, gate = Lanes(1, 1, 60), threading.Event()
    running = occupy(lanes, gate)
    threading.Timer(0.1, gate.set).start()
    lanes.close()
    assert running.result(0)


def test_giving_up_abandons_what_runs_and_drops_what_waits() -> None:
    lanes, gate = Lanes(1, 1, 60), threading.Event()
    running, waiting = occupy(lanes, gate), lanes.submit(lambda: None)
    lanes.give_up(DrainingError())
    assert isinstance(running.exception(0), InferenceTimeoutError)
    assert isinstance(waiting.exception(0), DrainingError)
    started_at = time.monotonic()
    lanes.close(patience_s=0.1)
    assert time.monotonic() - started_at < PATIENCE_S, "a thread cannot be stopped, so it is left alone"
    gate.set()


def test_a_job_that_runs_too_long_is_abandoned_and_its_worker_stopped() -> None:
    stopped, workers = threading.Event(), list[Stoppable]()

    def create_worker() -> Stoppable:
        workers.append(Stoppable(stopped))
        return workers[-1]

    lanes = Lanes(1, 1, 60, max_work_s=1, create_worker=create_worker)
    started_at = time.monotonic()
    with pytest.raises(InferenceTimeoutError, match="1 s"):
        lanes.submit(stopped.wait).result(PATIENCE_S)
    assert 1 <= time.monotonic() - started_at < PATIENCE_S
    assert stopped.wait(PATIENCE_S)
    assert lanes.submit(lambda: "next").result(PATIENCE_S) == "next"
    lanes.close()
    assert [worker.closed for worker in workers] == [True]


def test_jobs_of_a_sequence_stay_with_one_worker() -> None:
    """What a worker remembers of a sequence is in its own process."""
    lanes, chance = Lanes(3, 200, 60), random.Random(1)
    both = threading.Barrier(2)

    def work() -> int:
        time.sleep(chance.uniform(0, 0.004))
        return threading.get_ident()

    def meet() -> int:
        both.wait(PATIENCE_S)
        return work()

    jobs = [(sequence, lanes.submit(meet, sequence, sequence)) for sequence in "ab"]  # on two lanes, then
    jobs += [(sequence, lanes.submit(work, sequence, sequence)) for _ in range(20) for sequence in "abcdef"]
    threads = {(sequence, job.result(PATIENCE_S)) for sequence, job in jobs}
    assert len(threads) == 6, "one for each sequence"
    assert len({thread for _, thread in threads}) > 1
    lanes.close()


def test_retry_after_grows_with_what_is_here_and_differs_from_caller_to_caller() -> None:
    with lanes_of(queue_size=40) as (lanes, gate):
        assert {lanes.retry_after_s() for _ in range(100)} == {1, 2}
        started_at = time.monotonic()
        lanes.submit(lambda: time.sleep(0.3)).result()  # now the duration of a job is known
        longest_s = 20 * (time.monotonic() - started_at)
        occupy(lanes, gate)
        for _ in range(19):
            lanes.submit(lambda: None)
        waits_s = Counter(lanes.retry_after_s() for _ in range(1000))
        assert 6 <= min(waits_s) <= math.ceil(longest_s)  # twenty jobs
        assert max(waits_s) == 2 * min(waits_s)
        assert max(waits_s.values()) < 300


def test_retry_after_is_bounded() -> None:
    with lanes_of(queue_size=40) as (lanes, gate):
        lanes._mean_job_s = 1e6  # noqa: SLF001  # a model that takes days
        occupy(lanes, gate)
        assert all(MAX_DRAINED_S <= lanes.retry_after_s() <= 2 * MAX_DRAINED_S for _ in range(100))


def test_nothing_is_lost_or_doubled_under_load() -> None:
    """Many threads submit jobs, cancel them or let them expire; every future ends, and every place is freed."""
    runs: Counter[int] = Counter()
    with lanes_of(count=3, queue_size=10, max_wait_s=0.05) as (lanes, _):
        futures: dict[int, Future[None]] = {}

        def submit(first: int) -> None:
            for number in range(first, first + 300):
                try:
                    futures[number] = lanes.submit(lambda n=number: runs.update([n]), f"stream {number % 7}")
                except OverloadedError:
                    time.sleep(0.001)
                else:
                    if number % 5 == 0:
                        futures[number].cancel()

        threads = [threading.Thread(target=submit, args=(1000 * n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done = [number for number, future in futures.items() if _ended_well(future)]
        assert sorted(runs) == sorted(done)
        assert set(runs.values()) == {1}
        wait_for(lambda: (lanes.waiting, lanes.running) == (0, 0))  # one was cancelled as a lane took it, perhaps


def test_whether_there_is_room_is_not_asked_of_a_half_changed_queue() -> None:
    """The event loop asks while lanes take jobs out, so it waits until a change of the queue is complete."""
    with lanes_of() as (lanes, _):
        asking = threading.Thread(target=lanes.refuse_if_full)
        with lanes._changed:  # noqa: SLF001  # what a lane holds while it takes a job
            asking.start()
            asking.join(0.1)
            assert asking.is_alive()
        asking.join(PATIENCE_S)
        assert not asking.is_alive()


def _ended_well(future: Future[None]) -> bool:
    try:
        future.result(PATIENCE_S)
    except (OverloadedError, CancelledError):
        return False
    return True
