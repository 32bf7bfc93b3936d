"""Brings events to outputs: each output has a thread and a spool of its own, so none waits for another."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from player.errors import DeliveryError
from player.events.event import Event, as_json
from player.events.output import EndedError, LaterError, Output
from player.events.spool import Spool

FLUSH_S, CLOSE_S = 5.0, 1.0
"""How long `close` waits for events that wait, then for an attempt that has begun."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """Pauses between attempts: the first, then twice as long each time, up to the longest; each a little random."""

    first_s: float = 0.5
    longest_s: float = 30

    def pause_s(self, failures: int) -> float:
        """Return the pause after so many failures in a row."""
        full_s = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return full_s * random.uniform(0.75, 1)  # noqa: S311  # spreads load; no secret


@dataclass(frozen=True, slots=True)
class OutputStatus:
    """What has become of the events of one output. Times are in Unix time.

    `dropped`: had no room, were refused for good, or are no JSON. `connected_since_s`: None while the receiver cannot
    be reached, or has not been yet. `is_over`: it takes nothing any longer.
    """

    name: str
    delivered: int
    dropped: int
    waiting: int
    waiting_bytes: int
    connected_since_s: float | None
    last_error: str | None
    last_error_at_s: float | None
    is_over: bool


@dataclass(slots=True)
class _Counts:
    """`failures`: in a row, up to now."""

    delivered: int = 0
    refused: int = 0
    failures: int = 0


class Sender:
    """Brings events to one output, in order. `on_end`: called once if the output has ended by itself."""

    def __init__(
        self,
        output: Output,
        on_end: Callable[[], None] = lambda: None,
        spool: Spool | None = None,
        back_off: BackOff = BackOff(),  # frozen
    ) -> None:
        self._output, self._on_end, self._back_off = output, on_end, back_off
        self._spool = spool or Spool()
        self._counts, self._closing, self._over = _Counts(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"events to {output.name}", daemon=True)
        self._thread.start()

    @property
    def status(self) -> OutputStatus:
        """Return what has become of the events so far."""
        waiting, waiting_bytes = self._spool.waiting
        state = self._output.link.state
        return OutputStatus(
            name=self._output.name,
            delivered=self._counts.delivered,
            dropped=self._counts.refused + self._spool.dropped,
            waiting=waiting,
            waiting_bytes=waiting_bytes,
            connected_since_s=state.connected_since_s,
            last_error=state.last_error,
            last_error_at_s=state.last_error_at_s,
            is_over=self._over.is_set(),
        )

    def put(self, event: Event, size_bytes: int) -> None:
        """Add an event. Never waits."""
        if not self._over.is_set():
            self._spool.put(event, size_bytes)

    def close(self, deadline_s: float) -> None:
        """Deliver what waits, at most until `deadline_s` of the monotonic clock; then end the output."""
        if not self._over.is_set():
            self._spool.wait_until_empty(max(0, deadline_s - time.monotonic()))
        self._closing.set()
        self._spool.end()
        self._output.close()
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            events = self._spool.take(self._output.window)
            if not events:
                return
            try:
                self._spool.done(self._deliver(events))
            except EndedError as error:
                self._output.link.is_down(str(error))
                self._over.set()
                self._on_end()
                return

    def _deliver(self, events: Sequence[Event]) -> int:
        """Return how many of the first events were delivered or given up; none after a pause. Raises EndedError."""
        try:
            count = self._output.deliver(events)
        except EndedError:
            raise
        except DeliveryError as error:
            if error.is_final:
                self._output.link.has_refused(str(error))
                self._counts.refused += 1
                self._counts.failures = 0
                return 1
            self._counts.failures += 1
            self._pause(error, self._counts.failures)
            return 0
        self._output.link.is_up()
        self._counts.delivered += count
        self._counts.failures = 0
        return count

    def _pause(self, error: DeliveryError, failures: int) -> None:
        if not self._closing.is_set():
            self._output.link.is_down(str(error))
        wanted_s = error.pause_s if isinstance(error, LaterError) else None
        self._closing.wait(self._back_off.pause_s(failures) if wanted_s is None else wanted_s)


@dataclass(slots=True)
class _Unwritable:
    """Events that are no JSON."""

    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Publisher:
    """Brings events to all outputs. Thread-safe; no output holds up a pipeline or another output.

    `on_end`: called, on another thread, once an output has ended by itself, such as standard output whose reader has
    gone.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        on_end: Callable[[], None] = lambda: None,
        new_spool: Callable[[], Spool] = Spool,
        back_off: BackOff = BackOff(),  # frozen
    ) -> None:
        self._senders = [Sender(output, on_end, new_spool(), back_off) for output in outputs]
        self._unwritable = _Unwritable()

    @property
    def status(self) -> list[OutputStatus]:
        """Return what has become of the events so far, for each output."""
        lost = self._unwritable.count
        return [replace(status, dropped=status.dropped + lost) for status in (each.status for each in self._senders)]

    def publish(self, event: Event) -> None:
        """Give an event to all outputs. Never waits, and never fails for what a peer has sent."""
        try:
            size_bytes = len(as_json(event.as_record()))
        except ValueError:
            with self._unwritable.lock:
                self._unwritable.count += 1
            return
        for sender in self._senders:
            sender.put(event, size_bytes)

    def close(self, timeout_s: float = FLUSH_S) -> int:
        """Deliver what waits, for so long at most; return how many events did not reach an output.

        Outputs that have ended by themselves do not count.
        """
        deadline_s = time.monotonic() + timeout_s
        for sender in self._senders:
            sender.close(deadline_s)
        return sum(status.waiting for status in self.status if not status.is_over)
