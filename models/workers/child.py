"""A worker process: python -m models.workers.child JOBS CONTROL MEMORY NICENESS.

The first three arguments are descriptors of open files: two connections and the shared memory. The process does one
job after the other; setups run beside them, on a thread of their own. It ends when the connections are closed, so also
when the service is killed.
"""

import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from models.errors import FrameError
from models.workers import heap
from models.workers.shared_body import SharedBody
from models.workers.worker import RemoteTracebackError

GRACE_S = 1.0
"""How long the job in progress may still take when the service has ended."""


def main(arguments: list[str]) -> int:
    """Do jobs until there are no more."""
    jobs_file, control_file, memory_file, niceness = map(int, arguments)
    for interruption in (signal.SIGINT, signal.SIGTERM):  # they reach all processes of a terminal or a unit
        signal.signal(interruption, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # when memory runs out, the system ends a lane first, and not the service
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    os.nice(niceness)
    heap.keep_one()
    jobs, control = Connection(jobs_file), Connection(control_file)
    [create_state] = control.recv()
    state = create_state()
    control.send((True, None))
    threading.Thread(target=_serve_control, args=(control, state), daemon=True).start()
    memory = SharedBody(memory_file)
    try:
        while True:
            call, size_bytes = jobs.recv()
            jobs.send(_outcome(partial(call, state, memory.read(size_bytes))))
    except (EOFError, OSError):
        return 0


def _serve_control(control: Connection, state: Any) -> None:
    try:
        while True:
            while not control.poll(heap.TRIM_S):
                heap.trim()
            [setup] = control.recv()
            control.send(_outcome(partial(setup, state)))
    except (EOFError, OSError):
        time.sleep(GRACE_S)
        os._exit(0)  # a job may be in progress that never ends


def _outcome(call: Callable[[], Any]) -> tuple[bool, Any]:
    """Return whether the call succeeded, and what it returned or raised, ready to be pickled."""
    try:
        return True, call()
    except FrameError as error:
        if error.__cause__:
            error.__cause__ = RemoteTracebackError(_text(error.__cause__))
        return False, error
    except BaseException as error:  # noqa: BLE001  # a fault of a codec or a model, which may raise anything
        return False, RemoteTracebackError(_text(error))


def _text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
