"""Deadlines: a callback for work that takes too long."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Limit(Protocol):
    """Limits how long work may take. `limit_s`: in seconds."""

    @property
    def limit_s(self) -> float:
        """Return the limit in seconds."""
        ...

    def limiting(self, when_due: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `when_due`, on another thread or at once, if the block takes too long."""
        ...


class Deadlines:
    """Calls back for work that has not ended `limit_s` seconds after it began.

    One thread serves all; it sleeps until the first deadline. The limit is the same for all, so the work that
    began first is due first. Times are monotonic: setting the clock changes nothing.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s: float = limit_s
        self._due: dict[object, tuple[float, Callable[[], None]]] = {}
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
        self._sleeps_on = False
        self._closed = False

    def begin(self, key: object, when_due: Callable[[], None]) -> None:
        """Call `when_due` on the deadlines' thread, unless `end` is called in time with the same key."""
        with self._changed:
            self._due[key] = (time.monotonic() + self.limit_s, when_due)
            if self._thread.ident is None:
                self._thread.start()
            if self._sleeps_on:
                self._changed.notify()

    def end(self, key: object) -> None:
        """Cancel the deadline, if it has not passed yet."""
        with self._changed:
            self._due.pop(key, None)

    @contextmanager
    def limiting(self, when_due: Callable[[], None]) -> Iterator[None]:
        """Call `when_due` if the block takes too long."""
        key = object()
        self.begin(key, when_due)
        try:
            yield
        finally:
            self.end(key)

    @contextmanager
    def shared(self) -> Iterator["SharedDeadline"]:
        """Yield one deadline, beginning now, for all blocks within this one."""
        deadline = SharedDeadline(self.limit_s)
        with self.limiting(deadline.pass_by):
            yield deadline

    def expire_all(self) -> None:
        """Call back at once for all work that has not ended."""
        with self._changed:
            due = [when_due for _, when_due in self._due.values()]
            self._due.clear()
        for when_due in due:
            when_due()

    def close(self) -> None:
        """Make no more calls, and end the thread."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._changed.notify()

    def _watch(self) -> None:
        while (when_due := self._wait()) is not None:
            when_due()  # without the lock: the callback may take other locks

    def _wait(self) -> Callable[[], None] | None:
        """Wait for the next callback that is due, and return it; None when closed."""
        with self._changed:
            while not self._closed:
                key, (due_at, when_due) = next(iter(self._due.items()), (None, (0.0, None)))
                left_s = due_at - time.monotonic()
                if when_due and left_s <= 0:
                    del self._due[key]
                    return when_due
                # a deadline set meanwhile is later, so only an endless sleep must be interrupted
                self._sleeps_on = when_due is None
                self._changed.wait(left_s if when_due else None)
            return None


class SharedDeadline:
    """One deadline for several blocks, one after the other: once it has passed, each later block is due at once."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s: float = limit_s
        self._changing = threading.Lock()
        self._has_passed = False
        self._when_due: Callable[[], None] | None = None

    def pass_by(self) -> None:
        """Let it pass: call back for the block at hand."""
        with self._changing:
            self._has_passed, when_due = True, self._when_due
        if when_due:
            when_due()

    @contextmanager
    def limiting(self, when_due: Callable[[], None]) -> Iterator[None]:
        """Call `when_due` when the deadline passes within the block, or has passed already."""
        with self._changing:
            self._when_due, has_passed = when_due, self._has_passed
        if has_passed:
            when_due()
        try:
            yield
        finally:
            with self._changing:
                self._when_due = None
