"""A load generator for one server on this machine: open loop (frames come when they are due) or closed loop.

The caller's check judges every reply. Connections, frames and time are bounded.
"""

import asyncio
import ipaddress
import itertools
import random
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from bench.harness.connection import Connection, Reply
from bench.harness.outcomes import Outcome, Run, Verdict

T = TypeVar("T")

IDLE_S = 2.0
"""A connection that was idle for longer is not used again: the server may be about to close it."""
SWEEP_S = 0.1
MAX_FRAMES = 1_000_000
MAX_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Target:
    """A server. `request`: (frame number, stream number) → bytes to send, head first; `check` judges the reply."""

    host: str
    port: int
    request: Callable[[int, int], Sequence[bytes]]
    check: Callable[[int, Reply], Verdict]

    def __post_init__(self) -> None:
        """Raise ValueError for any host but this machine."""
        if not ipaddress.ip_address(self.host).is_loopback:
            raise ValueError(f"expected an address of the loopback, got {self.host}")


@dataclass(frozen=True, slots=True)
class Clients:
    """How the clients behave. A share of them hangs up, within `abandon_within_s` of sending, at random points."""

    max_connections: int = 900  # 1024 open files are a common limit
    patience_s: float = 20.0
    abandon_share: float = 0.0
    abandon_within_s: float = 0.05
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Shot:
    """When a frame is due, in seconds since the run began, and its stream."""

    due_s: float
    stream: int = 0


def schedule(rate_per_s: float, seconds: float, seed: int | None = None, stream: int = 0) -> list[Shot]:
    """Return even arrivals or, with a seed, a Poisson process."""
    if seed is None:
        return [Shot(number / rate_per_s, stream) for number in range(round(rate_per_s * seconds))]
    gaps = random.Random(seed)
    arrivals = itertools.accumulate(gaps.expovariate(rate_per_s) for _ in itertools.count())
    return [Shot(due_s, stream) for due_s in itertools.takewhile(lambda due_s: due_s < seconds, arrivals)]


def run(load: Coroutine[Any, Any, T]) -> T:
    """Run a load on a new event loop until it ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load)


async def open_loop(target: Target, shots: Sequence[Shot], clients: Clients) -> Run:
    """Send every frame when it is due, regardless of earlier frames."""
    if len(shots) > MAX_FRAMES or shots[-1].due_s > MAX_SECONDS:
        raise ValueError(f"expected at most {MAX_FRAMES} frames within {MAX_SECONDS} s")
    traffic = _Traffic(target, clients)
    for number, shot in enumerate(shots):
        # Yield to the event loop before every frame, even when late, so that replies are read.
        await asyncio.sleep(max(0.0, traffic.started_at + shot.due_s - traffic.now()))
        traffic.send(_Exchange(number, shot.stream, traffic.started_at + shot.due_s))
    seconds = max(traffic.now() - traffic.started_at, shots[-1].due_s)
    return await traffic.end(seconds)


async def closed_loop(target: Target, clients: int, seconds: float, behaviour: Clients | None = None) -> Run:
    """Let each client send its next frame as soon as the last one is answered."""
    traffic = _Traffic(target, behaviour or Clients())
    until = traffic.started_at + min(seconds, MAX_SECONDS)
    numbers = iter(range(MAX_FRAMES))

    def next_frame() -> None:
        number = next(numbers, None) if traffic.now() < until else None
        if number is not None:
            traffic.send(_Exchange(number, 0, traffic.now()))

    traffic.on_finished = next_frame
    for _ in range(clients):
        next_frame()
    await asyncio.sleep(until - traffic.now())
    return await traffic.end(seconds)


@dataclass(slots=True, eq=False)
class _Exchange:
    """A frame in flight. Times by perf_counter."""

    number: int
    stream: int
    due_at: float
    sent_at: float = 0.0
    connection: Connection | None = None


class _Traffic:
    """The connections and the frames in flight; listens for replies."""

    def __init__(self, target: Target, clients: Clients) -> None:
        self._target, self._clients = target, clients
        self._loop = asyncio.get_running_loop()
        self._random = random.Random(clients.seed)
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._waiting: dict[_Exchange, None] = {}
        self._outcomes: list[Outcome] = []
        self._surplus = 0
        self._sweeper = asyncio.create_task(self._sweep())
        self.on_finished: Callable[[], None] = lambda: None
        self.now = time.perf_counter  # uvloop's own clock counts milliseconds
        self.started_at = self.now()

    def send(self, exchange: _Exchange) -> None:
        """Send over a free connection, or over a new one below the limit."""
        connection = next(self._take_idle(), None)
        if connection:
            self._waiting[exchange] = None
            self._send_over(connection, exchange)
        elif len(self._connections) + len(self._connecting) < self._clients.max_connections:
            self._waiting[exchange] = None
            task = asyncio.create_task(self._connect(exchange))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        else:
            exchange.sent_at = self.now()
            self._finish(exchange, Verdict.NOT_SENT)

    async def end(self, seconds: float) -> Run:
        """Wait for the frames in flight, at most for the clients' patience, then close everything."""
        self.on_finished = lambda: None
        while self._waiting:  # noqa: ASYNC110  # the sweep polls at this interval too
            await asyncio.sleep(SWEEP_S)
        self._sweeper.cancel()
        for task in list(self._connecting):
            task.cancel()
        for connection in list(self._connections):
            connection.abort()
        await asyncio.gather(self._sweeper, *self._connecting, return_exceptions=True)
        await asyncio.sleep(0)
        return Run(self._outcomes, self._surplus, seconds)

    def replied(self, connection: Connection, reply: Reply) -> None:
        """Judge a reply; free its connection for the next frame."""
        exchange, connection.exchange = connection.exchange, None
        if connection.reusable:
            connection.idle_since_s = self.now()
            self._idle.append(connection)
        else:
            connection.abort()
        self._finish(exchange, self._target.check(exchange.number, reply), reply)

    def surplus(self) -> None:
        """Count a reply that no request asked for."""
        self._surplus += 1

    def closed(self, connection: Connection) -> None:
        """Count the frame that awaited its reply there as lost."""
        self._connections.discard(connection)
        connection.reusable = False
        if connection.exchange in self._waiting:
            self._finish(connection.exchange, Verdict.LOST)

    def _take_idle(self) -> Iterator[Connection]:
        """Yield the free connections, most recently used first."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and self.now() - connection.idle_since_s < IDLE_S:
                yield connection
            else:
                connection.abort()

    async def _connect(self, exchange: _Exchange) -> None:
        try:
            _, connection = await self._loop.create_connection(
                lambda: Connection(self), self._target.host, self._target.port
            )
        except OSError:
            if exchange in self._waiting:
                self._finish(exchange, Verdict.LOST)
            return
        self._connections.add(connection)
        if exchange in self._waiting:
            self._send_over(connection, exchange)
        else:
            connection.abort()

    def _send_over(self, connection: Connection, exchange: _Exchange) -> None:
        exchange.connection, exchange.sent_at = connection, self.now()
        exchange.due_at = min(exchange.due_at, exchange.sent_at)  # timers wake up to half a millisecond early
        parts = self._target.request(exchange.number, exchange.stream)
        if self._random.random() < self._clients.abandon_share:
            parts = self._cut(connection, parts)
            delay_s = self._random.uniform(0, self._clients.abandon_within_s)
            self._loop.call_later(delay_s, self._abandon, connection, exchange)
        connection.send(exchange, parts)

    def _cut(self, connection: Connection, parts: Sequence[bytes]) -> Sequence[bytes]:
        """Return what a client sends before it hangs up: half the time only a part."""
        if self._random.random() < 1 / 2:
            return parts
        connection.reusable = False
        whole = b"".join(parts)
        return [whole[: self._random.randrange(1, len(whole))]]

    def _abandon(self, connection: Connection, exchange: _Exchange) -> None:
        if exchange in self._waiting:
            self._finish(exchange, Verdict.ABANDONED)
            connection.reset()

    async def _sweep(self) -> None:
        """Give up on frames that took too long, oldest first."""
        while True:
            await asyncio.sleep(SWEEP_S)
            oldest = self.now() - self._clients.patience_s
            for exchange in [exchange for exchange in self._waiting if exchange.due_at < oldest]:
                exchange.sent_at = exchange.sent_at or exchange.due_at
                self._finish(exchange, Verdict.LATE)
                if exchange.connection:
                    exchange.connection.abort()

    def _finish(self, exchange: _Exchange, verdict: Verdict, reply: Reply | None = None) -> None:
        self._waiting.pop(exchange, None)
        now = self.now()
        retry_after = reply.headers.get("retry-after", "") if reply else ""
        self._outcomes.append(
            Outcome(
                number=exchange.number,
                stream=exchange.stream,
                verdict=verdict,
                due_s=exchange.due_at - self.started_at,
                latency_s=now - exchange.due_at,
                wait_s=now - exchange.sent_at,
                retry_after=retry_after.isdecimal() and int(retry_after) >= 1,
            )
        )
        self.on_finished()
