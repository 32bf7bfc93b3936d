"""Many frames: all at once over many connections, or one after the other as a camera's client sends them."""

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from conformance.asking.connection import Connection
from conformance.asking.messages import Answer, Request
from conformance.asking.server import Server
from conformance.errors import NoAnswerError

GATHER_S = 1.0
"""How long frames wait for the connections of the others: a server may accept few at once."""

WAVES = (32, 128)
FEWEST = 8
LONGEST_S = 3.0
LONGEST_WAIT_S = 5
"""A frame that comes due later is sent after this: the one before was answered in time."""
MAX_BODY_BYTES = 2 * 1024 * 1024
"""Of an answer in a burst, so that all of them fit into memory."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a frame of a burst. `answer`: without its body. `failure`: why there is none.

    `waited_s`: since the frames were sent.
    """

    answer: Answer | None
    waited_s: float
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Burst:
    """What became of frames that came at once. `alone_s`: how long the answer to a frame takes that is alone."""

    alone_s: float
    outcomes: tuple[Outcome, ...]

    @property
    def answered(self) -> tuple[Outcome, ...]:
        """Return those that were answered with 200 or 204."""
        return tuple(each for each in self.outcomes if each.answer and each.answer.is_good)

    @property
    def refused(self) -> tuple[Answer, ...]:
        """Return the answers 503."""
        return tuple(
            each.answer
            for each in self.outcomes
            if each.answer and each.answer.status == HTTPStatus.SERVICE_UNAVAILABLE
        )

    @property
    def slowest_s(self) -> float:
        """Return how long the slowest answered frame waited."""
        return max((each.waited_s for each in self.answered), default=0)


@dataclass(slots=True)
class Pace:
    """What became of frames that came at a steady rate. `dropped`: came due while another was in flight."""

    due: int = 0
    dropped: int = 0
    answers: list[Answer] = field(default_factory=list)


def burst_of(server: Server, request: Request) -> Burst:
    """Send frames at once, about as many as a server can answer in a few seconds; more if none were refused.

    Raises NoAnswerError and ExhaustedError.
    """
    alone_s = statistics.median(server.ask(request).duration_s for _ in range(3))
    outcomes: tuple[Outcome, ...] = ()
    for most in WAVES:
        count = max(FEWEST, min(most, int(LONGEST_S / max(alone_s, 0.001))))
        outcomes = burst(server, request, count)
        made = Burst(alone_s, outcomes)
        if len(made.answered) < len(outcomes) or made.slowest_s > LONGEST_S / 3:
            break
    return Burst(alone_s, outcomes)


def burst(server: Server, request: Request, count: int) -> tuple[Outcome, ...]:
    """Send a request `count` times at once, each over a connection of its own. Raises ExhaustedError."""
    server.count(count)
    barrier = threading.Barrier(count)

    def send(_: int) -> Outcome:
        began_at = time.monotonic()
        try:
            with server.connection(is_counted=True) as connection:
                began_at = _gather(barrier)
                connection.max_body_bytes = MAX_BODY_BYTES
                answer = replace(server.ask_over(connection, request), body=b"")
        except NoAnswerError as error:
            return Outcome(None, time.monotonic() - began_at, str(error))
        return Outcome(answer, time.monotonic() - began_at)

    with ThreadPoolExecutor(count) as pool:
        return tuple(pool.map(send, range(count)))


def paced(server: Server, request: Request, rate_per_s: float, count: int) -> Pace:
    """Send a request at a steady rate over one connection, one frame in flight.

    Raises NoAnswerError and ExhaustedError.
    """
    pace = Pace()
    with ExitStack() as stack:
        connection = stack.enter_context(server.connection())
        started_at = free_at = time.monotonic()
        for number in range(count):
            due_at = started_at + number / rate_per_s
            pace.due += 1
            if free_at > due_at:
                pace.dropped += 1
                continue
            time.sleep(max(min(due_at - time.monotonic(), LONGEST_WAIT_S), 0))
            connection, answer = _next(server, request, connection, stack)
            pace.answers.append(answer)
            free_at = time.monotonic()
    return pace


def _gather(barrier: threading.Barrier) -> float:
    """Wait for the other frames, but not long; return when this one may go."""
    with suppress(threading.BrokenBarrierError):
        barrier.wait(GATHER_S)
    return time.monotonic()


def _next(server: Server, request: Request, connection: Connection, stack: ExitStack) -> tuple[Connection, Answer]:
    """Send a request over a connection, or over a new one if the server has closed it.

    The old one is closed first: some servers do nothing else until their client has closed, too.
    """
    with suppress(NoAnswerError):
        server.count()
        return connection, server.ask_over(connection, request)
    connection.close()
    connection = stack.enter_context(server.connection())
    return connection, server.ask_over(connection, request)
