"""A worker process does jobs, is set up, and is replaced when it is lost."""

import ctypes
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab.processes import worker_pids
from models.errors import InferenceError, InferenceTimeoutError, LaneLostError, OverloadedError, UnavailableError
from models.workers.process import OUTPUT_BYTES, SETUP_S, ProcessWorker, environment_without
from models.workers.shared_body import GROWTH_BYTES, KEPT_BYTES, SharedBody
from models.workers.worker import RemoteTracebackError, StatefulCall
from tests.support.waiting import PATIENCE_S, wait_for

State = dict[str, Any]


@contextmanager
def worker_of(create_state: Callable[[], Any] = dict) -> Iterator[ProcessWorker]:
    """Yield a worker that imports these tests, with that state."""
    environment = environment_without("FRAMEHOOK_") | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with closing(ProcessWorker(create_state, environment)) as worker:
        worker.prepare()
        yield worker


def do(worker: ProcessWorker, job: Callable[[State, memoryview], Any], body: bytes = b"") -> Any:
    return worker.do(StatefulCall(lambda: job, body))


def pid(_: State, __: memoryview) -> int:
    return os.getpid()


def content(_: State, body: memoryview) -> bytes:
    return bytes(body)


def contents_of(state: State, _: memoryview) -> State:
    return state


def put(name: str, value: Any, state: State) -> str:
    state[name] = value
    return name


def remove(name: str, state: State) -> None:
    del state[name]


def crash(*_: Any) -> None:
    ctypes.string_at(0)


def write_and_crash(*_: Any) -> None:
    os.write(2, b"x" * 100_000)
    os.write(2, b"\n" * OUTPUT_BYTES + b"the end of it")
    time.sleep(0.3)  # until it is read
    crash()


def sleep(seconds: float, *_: Any) -> None:
    time.sleep(seconds)


def begin_and_sleep(begun: Path, *_: Any) -> None:
    begun.touch()
    time.sleep(600)


def fail(error: Exception, *_: Any) -> None:
    raise error


def fail_with_cause(*_: Any) -> None:
    raise InferenceError("The model failed.") from KeyError("the cause")


def stop_once_there(worker: ProcessWorker, begun: Path) -> None:
    wait_for(begun.exists)
    worker.stop()


def lose(worker: ProcessWorker, job: Callable[..., Any]) -> None:
    with pytest.raises(LaneLostError):
        do(worker, job)


def test_jobs_get_their_bodies_and_the_state() -> None:
    with worker_of() as worker:
        assert do(worker, pid) in worker_pids()
        assert os.getpid() not in worker_pids()
        for size in (0, 1, GROWTH_BYTES, GROWTH_BYTES + 1, KEPT_BYTES + 1, 5):
            body = os.urandom(size)
            assert do(worker, content, body) == body
        assert worker.keep(1, partial(put, "name", 7)) == "name"
        assert do(worker, contents_of) == {"name": 7}


def test_memory_of_large_bodies_is_given_back() -> None:
    with closing(SharedBody()) as memory:
        memory.write(b"x" * (8 * KEPT_BYTES))
        assert os.fstat(memory.file).st_blocks * 512 >= 8 * KEPT_BYTES
        memory.release(8 * KEPT_BYTES)
        assert os.fstat(memory.file).st_blocks * 512 == 0
        memory.write(b"y")
        assert bytes(memory.read(2)) == b"y\0"


@pytest.mark.parametrize("is_killed", [False, True], ids=["a crash", "a kill"])
def test_a_lost_process_costs_one_job(tmp_path: Path, *, is_killed: bool) -> None:
    begun = tmp_path / "begun"
    with worker_of() as worker:
        worker.keep(1, partial(put, "a", 1))
        before = do(worker, pid)
        killer = threading.Thread(target=stop_once_there, args=(worker, begun))
        if is_killed:
            killer.start()
        lose(worker, partial(begin_and_sleep, begun) if is_killed else crash)
        worker.prepare()
        assert do(worker, contents_of) == {"a": 1}, "the process that replaces it is set up as well"
        assert do(worker, pid) != before


def test_how_a_process_was_lost_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What it wrote is no line of its own: the log is JSON."""
    with worker_of() as worker:
        lose(worker, write_and_crash)
        worker.prepare()
    [facts] = [vars(record)["facts"] for record in caplog.records if record.message == "lane lost"]
    assert facts["status"] == -signal.SIGSEGV
    assert facts["output"].strip() == "the end of it"


def test_a_process_that_is_killed_while_it_waits_costs_nothing() -> None:
    with worker_of() as worker:
        process = do(worker, pid)
        os.kill(process, signal.SIGKILL)
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        worker.prepare()
        assert do(worker, content, b"next") == b"next"


def test_signals_for_the_whole_terminal_do_not_end_it() -> None:
    with worker_of() as worker:
        process = do(worker, pid)
        for interruption in (signal.SIGINT, signal.SIGTERM):
            os.kill(process, interruption)
        assert do(worker, pid) == process


def test_it_ends_when_it_is_not_needed_any_more() -> None:
    with worker_of() as worker:
        process = do(worker, pid)
    assert process not in worker_pids()
    before = worker_pids()
    worker.prepare()
    assert set(worker_pids()) <= set(before), "a closed worker starts no process"


def test_a_job_that_never_ends_does_not_outlive_the_service() -> None:
    """The connections close when the service is killed."""
    with worker_of() as worker:
        process = do(worker, pid)
        job = threading.Thread(target=lose, args=(worker, partial(sleep, 600)))
        job.start()
        time.sleep(0.3)
        assert worker._process  # noqa: SLF001
        worker._process.control.close()  # noqa: SLF001  # as the kernel does it for a killed service
        wait_for(lambda: process not in worker_pids())
        job.join()


@pytest.mark.parametrize(
    "error",
    [
        InferenceTimeoutError(3),
        OverloadedError("full", "queue_full", 7),
        InferenceError("The model failed on this frame."),
    ],
)
def test_errors_arrive_as_they_were_raised(error: Exception) -> None:
    with worker_of() as worker, pytest.raises(type(error)) as raised:
        do(worker, partial(fail, error))
    assert str(raised.value) == str(error)
    if isinstance(error, UnavailableError) and isinstance(raised.value, UnavailableError):
        assert (raised.value.reason, raised.value.retry_after_s) == (error.reason, error.retry_after_s)


def test_the_cause_of_an_error_arrives_as_text() -> None:
    with worker_of() as worker:
        with pytest.raises(InferenceError) as raised:
            do(worker, fail_with_cause)
        assert "KeyError: 'the cause'" in str(raised.value.__cause__)
        with pytest.raises(RemoteTracebackError, match="ZeroDivisionError"):
            do(worker, partial(fail, ZeroDivisionError()))
        assert do(worker, content, b"next") == b"next"


def test_setups_are_kept_in_order_and_forgotten() -> None:
    with worker_of() as worker:
        worker.keep(1, partial(put, "a", 1))
        worker.keep(2, partial(put, "a", 2))
        worker.keep(3, partial(put, "b", 3))
        lose(worker, crash)
        worker.prepare()
        assert do(worker, contents_of) == {"a": 2, "b": 3}
        worker.forget(3, partial(remove, "b"))
        worker.prepare()
        assert do(worker, contents_of) == {"a": 2}
        lose(worker, crash)
        worker.prepare()
        assert do(worker, contents_of) == {"a": 2}


def test_a_setup_that_fails_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    with worker_of() as worker:
        with pytest.raises(InferenceTimeoutError):
            worker.keep(1, partial(fail, InferenceTimeoutError(1)))
        with pytest.raises(LaneLostError):
            worker.keep(2, crash)
        worker.prepare()
        assert do(worker, contents_of) == {}
        own = [record for record in caplog.records if record.name == "framehook"]
        assert not [record for record in own if record.levelno >= logging.ERROR]


def test_a_process_that_cannot_start_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    environment = environment_without("FRAMEHOOK_") | {"PYTHONHOME": "/nowhere"}
    with closing(ProcessWorker(dict, environment)) as worker:
        trying = threading.Thread(target=worker.prepare)
        trying.start()
        wait_for(lambda: "lane not started" in caplog.text)
        environment["PYTHONHOME"] = ""
        trying.join(PATIENCE_S)
        assert not trying.is_alive()
        assert do(worker, content, b"at last") == b"at last"


def test_secrets_do_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEHOOK_CREDENTIALS", "secret")
    assert "FRAMEHOOK_CREDENTIALS" not in environment_without("FRAMEHOOK_")


def test_a_process_that_dies_while_it_forgets_is_replaced() -> None:
    with worker_of() as worker:
        worker.keep(1, partial(put, "a", 1))
        worker.keep(2, partial(put, "b", 2))
        worker.forget(1, crash)
        worker.prepare()
        assert do(worker, contents_of) == {"b": 2}


def test_what_is_not_needed_is_forgotten_though_no_job_comes() -> None:
    with worker_of() as worker:
        for number in range(5):
            worker.keep(number, partial(put, f"version {number}", number))
            worker.forget(number, partial(remove, f"version {number}"))
        worker.keep(9, partial(put, "last", 9))
        assert do(worker, contents_of) == {"last": 9}


def test_a_start_that_fails_leaves_nothing_open() -> None:
    environment = environment_without("FRAMEHOOK_")
    with closing(ProcessWorker(crash, environment)) as worker:
        with pytest.raises(LaneLostError):
            worker.keep(1, partial(put, "a", 1))
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            with pytest.raises(LaneLostError):
                worker.keep(1, partial(put, "a", 1))
        wait_for(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)


def test_a_setup_ends_when_the_worker_is_stopped_for_good(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    with worker_of() as worker:
        setup = threading.Thread(target=lose_setup, args=(worker, partial(begin_and_sleep, begun)))
        setup.start()
        wait_for(begun.exists)
        worker.stop(for_good=True)
        setup.join(SETUP_S / 2)
        assert not setup.is_alive()
        assert worker.is_closed


def test_no_setup_begins_in_a_worker_that_was_stopped_for_good(tmp_path: Path) -> None:
    with worker_of() as worker:
        worker.stop(for_good=True)
        lose_setup(worker, partial(begin_and_sleep, tmp_path / "begun"))
    assert not (tmp_path / "begun").exists()


def lose_setup(worker: ProcessWorker, setup: Callable[..., Any]) -> None:
    with pytest.raises(LaneLostError):
        worker.keep(1, setup)
