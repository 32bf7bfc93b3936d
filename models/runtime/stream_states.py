"""What steps remember of streams between frames.

It is bounded, and forgotten when no frame has come for a while, as soon as another stream's frame comes. The frames of
a stream reach its state one at a time and in the order of their arrival, because lanes run them so: `Lanes.submit` with
a `sequence`.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

S = TypeVar("S")

MAX_STREAMS = 1024
"""Above this number, the stream with the oldest last frame is forgotten."""
EXPIRY_S = 60.0
"""After its last frame, a stream's state is forgotten."""


class StreamState:
    """What steps remember of one stream."""

    def __init__(self) -> None:
        self._by_kind: dict[type[Any], Any] = {}

    def of(self, kind: type[S]) -> S:
        """Return this stream's object of that class; the first time, create it without arguments."""
        state = self._by_kind.get(kind)
        if state is None:
            state = self._by_kind[kind] = kind()
        known: S = state
        return known


class StreamStates:
    """The states of one model's streams, oldest last frame first. Thread-safe.

    `clock`: monotonic seconds.
    """

    def __init__(
        self,
        max_streams: int = MAX_STREAMS,
        expiry_s: float = EXPIRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_streams, self._expiry_s, self._clock = max_streams, expiry_s, clock
        self._states: dict[str, tuple[StreamState, float]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many streams are remembered."""
        return len(self._states)

    def of(self, stream: str) -> StreamState:
        """Return the state of a stream whose frame is being processed; an empty name means no stream."""
        if not stream:
            return StreamState()
        now = self._clock()
        with self._lock:
            self._forget_expired(now)
            state, _ = self._states.pop(stream, (None, 0.0))
            if state is None:
                state = StreamState()
                if len(self._states) >= self._max_streams:
                    del self._states[next(iter(self._states))]
            self._states[stream] = state, now
        return state

    def _forget_expired(self, now: float) -> None:
        while self._states:
            oldest, (_, seen_at) = next(iter(self._states.items()))
            if now - seen_at < self._expiry_s:
                return
            del self._states[oldest]
