"""What the ways of events have in common.

DeliveryError
├── LaterError        the receiver is not there, or busy: the same event is to be tried again
├── EndedError        the output has ended, and takes nothing any longer
└── OutputTextError   the text that describes an output is wrong
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from player.errors import DeliveryError
from player.events.event import Event

LOG = logging.getLogger("framehook")


class LaterError(DeliveryError):
    """An event is to be tried again. `pause_s`: after so many seconds; None: after a pause that grows."""

    def __init__(self, message: str, pause_s: float | None = None) -> None:
        super().__init__(message)
        self.pause_s = pause_s


class EndedError(DeliveryError):
    """An output has ended, such as standard output whose reader has gone."""

    def __init__(self, message: str) -> None:
        super().__init__(message, is_final=True)


class OutputTextError(DeliveryError):
    """The text that describes an output is wrong; the message says what is, and never contains a password."""

    def __init__(self, message: str) -> None:
        super().__init__(message, is_final=True)


@dataclass(frozen=True, slots=True)
class LinkState:
    """Whether the receiver can be reached. `connected_since_s`: in Unix time; None while it cannot.

    `last_error`: a sentence, also once the receiver is back; None if there was none. `last_error_at_s`: in Unix time.
    """

    connected_since_s: float | None = None
    last_error: str | None = None
    last_error_at_s: float | None = None


class Link:
    """Remembers whether the receiver can be reached, and logs it when that changes. Thread-safe.

    `name`: of the output, for the log.
    """

    def __init__(self, name: str) -> None:
        self._name, self._lock, self._state = name, threading.Lock(), LinkState()

    @property
    def state(self) -> LinkState:
        """Return what is known now."""
        return self._state

    def is_up(self) -> None:
        """Note that the receiver has taken something."""
        with self._lock:
            if self._state.connected_since_s is not None:
                return
            was_down = self._state.last_error is not None
            self._state = LinkState(time.time(), self._state.last_error, self._state.last_error_at_s)
        if was_down:
            LOG.info("output back", extra={"facts": {"output": self._name}})

    def is_down(self, error: str) -> None:
        """Note that the receiver cannot be reached."""
        with self._lock:
            is_news = self._state.connected_since_s is not None or self._state.last_error is None
            self._state = LinkState(None, error, time.time())
        if is_news:
            LOG.warning("output away", extra={"facts": {"output": self._name, "reason": error}})

    def has_refused(self, error: str) -> None:
        """Note that the receiver is there, and has refused an event."""
        with self._lock:
            is_news = self._state.last_error != error
            self._state = LinkState(self._state.connected_since_s, error, time.time())
        if is_news:
            LOG.warning("output refuses events", extra={"facts": {"output": self._name, "reason": error}})


class Output(Protocol):
    """One way for events. `deliver` is called by one thread, `close` by another one, also in the meantime."""

    @property
    def name(self) -> str:
        """Return what people call it: its address without a password."""
        ...

    @property
    def link(self) -> Link:
        """Return whether its receiver can be reached."""
        ...

    @property
    def window(self) -> int:
        """Return how many events it can use at once."""
        ...

    def deliver(self, events: Sequence[Event]) -> int:
        """Return how many of the first events the receiver has now: one at least. Raises DeliveryError.

        The next call begins with the first event that the receiver does not have, unless that was refused for good.
        """
        ...

    def close(self) -> None:
        """End connections; a call of `deliver` in progress ends soon."""
        ...
