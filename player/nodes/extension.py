"""Asks an extension about some of the frames, and passes all of them on with what it found.

There is one request at a time. A frame that is due while one is under way is not asked about, nor is one that is due
while the extension wants to be left alone: nothing queues.

Live, a thread asks. Until its answer is there, frames are held, so that they go on in order. A file that is read as
fast as possible is asked about in the caller's thread: then the same file gives the same results each time.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Protocol, TypeAlias

from player.errors import ExtensionBusyError, ExtensionError, ExtensionRefusedError
from player.flow import Finding, Frame, Inference, Item, Picture
from player.nodes.frame_rate import Rate

Question: TypeAlias = Callable[[], tuple[Inference, ...]]
"""Asks, and returns what is in a picture; raises ExtensionError."""
Answer: TypeAlias = tuple[Inference, ...] | ExtensionError

MAX_PICTURES, MAX_PIXELS, MAX_FRAMES = 30, 64_000_000, 1000
"""Of held frames: later ones are held without their pictures, and still later ones are dropped."""
FIRST_WAIT_S, LONGEST_WAIT_S, MAX_DOUBLINGS = 1.0, 30.0, 5
"""How long an extension is left alone after a failure; twice as long after each further one."""
BUSY_TRIES = 5
"""So often a file waits for a busy extension, for one frame."""
CLOSE_S = 2.0
"""How long `close` waits for the end of a request that cannot be interrupted."""
BAD_REQUEST, SERVER_ERROR = 400, 500


class Asked(Protocol):
    """An extension, as this node uses it."""

    def prepare(self, picture: Picture, at_s: float) -> Question:
        """Take what is needed of a picture; return what asks about it, in any thread, one at a time."""
        ...

    def close(self) -> None:
        """End connections, also during a request; called by any thread."""
        ...


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which frames are asked about: at most so many a second, and perhaps only those with findings of nodes before."""

    maximum_per_s: float | None = None
    skips_without_findings: bool = False


@dataclass(slots=True)
class Counts:
    """What a node has done so far. `skipped`: frames that were due while a request was under way, or after a failure.

    `dropped`: held frames that were too many. `waited_s`: for answers. `fault`: why the last request failed, a
    sentence; empty if it did not.
    """

    asked: int = 0
    answered: int = 0
    failed: int = 0
    skipped: int = 0
    dropped: int = 0
    waited_s: float = 0.0
    fault: str = ""


class ExtensionNode:
    """The node of an extension. `name`: of the node.

    `emit`: live, it is called by another thread with frames that go on. It must make sure that no other thread calls
    `take` until it has iterated over them, and only then begin to iterate. None: the caller's thread asks, and waits.
    `report`: is called with an error when it differs from the one before, others are only counted; within `take`, or
    while `emit` iterates.
    """

    def __init__(
        self,
        name: str,
        extension: Asked,
        sampling: Sampling | None = None,
        report: Callable[[ExtensionError], None] = lambda _: None,
        emit: Callable[[Iterable[Item]], None] | None = None,
    ) -> None:
        self._name, self._extension, self._sampling = name, extension, sampling or Sampling()
        self._rate = Rate(self._sampling.maximum_per_s)
        self._retries = _Retries(report)
        self._emit = emit
        self._held: deque[Frame] = deque()
        """Live: the frame that is asked about, and those after it."""
        self._questions: SimpleQueue[Question | None] = SimpleQueue()
        self._worker: threading.Thread | None = None
        self._is_idle, self._is_closed = threading.Event(), threading.Event()
        self._is_idle.set()
        self.counts = Counts()

    def take(self, item: Item, port: int) -> Iterator[Item]:  # noqa: ARG002, a node has one input
        """Yield what goes on now: live, nothing while a request is under way."""
        if not isinstance(item, Frame):
            yield item
            return
        frame = replace(item, is_sampled=False) if item.is_sampled else item
        question = self._question(frame)
        if question and self._emit is None:
            yield self._completed(frame, self._patient_answer(question), frame.at_s)
        elif question:
            self._held.append(frame)
            self._ask(question)
        elif self._is_idle.is_set():
            yield frame
        else:
            self._hold(frame)

    def wait(self, timeout_s: float) -> bool:
        """Wait until no request is under way; return whether that is so. Not while `emit` cannot go on."""
        return self._is_idle.wait(timeout_s)

    def close(self) -> None:
        """End the request that is under way, and the connections. Held frames go on: `emit` must be able to."""
        self._is_closed.set()
        self._extension.close()
        self._questions.put(None)
        if self._worker and self._worker is not threading.current_thread():
            self._worker.join(CLOSE_S)

    def _question(self, frame: Frame) -> Question | None:
        """Return what asks about a frame; None if it is not due, or it is not the time to ask."""
        has_findings = bool(frame.findings) or not self._sampling.skips_without_findings
        if frame.picture is None or not has_findings or self._is_closed.is_set() or not self._rate.is_due(frame.at_s):
            return None
        if not self._is_idle.is_set() or not self._retries.allows(self._now_s(frame.at_s)):
            self.counts.skipped += 1
            return None
        self.counts.asked += 1
        return self._extension.prepare(frame.picture, frame.at_s)

    def _now_s(self, at_s: float) -> float:
        return at_s if self._emit is None else time.monotonic()

    def _ask(self, question: Question) -> None:
        self._is_idle.clear()
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name=f"extension {self._name}", daemon=True)
            self._worker.start()
        self._questions.put(question)

    def _work(self) -> None:
        """Ask, and let frames go on, until the node is closed."""
        while question := self._questions.get():
            answer = self._answer(question)
            if self._emit:
                self._emit(self._released(answer))

    def _released(self, answer: Answer) -> Iterator[Item]:
        """Yield the held frames; the first is the one that was asked about. Runs while nobody takes."""
        held, self._held = self._held, deque()
        try:
            yield self._completed(held.popleft(), answer, time.monotonic())
            yield from held
        finally:
            self._is_idle.set()

    def _hold(self, frame: Frame) -> None:
        """Hold a frame until the answer is there. A thread that has died would never bring it."""
        if self._worker and not self._worker.is_alive() and not self._is_closed.is_set():
            raise RuntimeError(f"The thread that asks the extension of {self._name} has died.")
        if len(self._held) < MAX_FRAMES:
            self._held.append(frame if self._has_room(frame) else replace(frame, picture=None))
        else:
            self.counts.dropped += 1

    def _has_room(self, frame: Frame) -> bool:
        """Return whether the picture of one more frame may be held."""
        is_few = len(self._held) < MAX_PICTURES
        return is_few and sum(map(_pixels, self._held)) + _pixels(frame) <= MAX_PIXELS

    def _patient_answer(self, question: Question) -> Answer:
        """Return the answer; wait for an extension that is busy, and ask again."""
        for _ in range(BUSY_TRIES):
            answer = self._answer(question)
            if not isinstance(answer, ExtensionBusyError) or self._is_closed.wait(answer.retry_after_s):
                break
        return answer

    def _answer(self, question: Question) -> Answer:
        began_s = time.monotonic()
        try:
            return question()
        except ExtensionError as error:
            return error
        finally:
            self.counts.waited_s += time.monotonic() - began_s

    def _completed(self, frame: Frame, answer: Answer, now_s: float) -> Frame:
        """Return a frame with what was found in it; as it was if there was no answer."""
        if isinstance(answer, ExtensionError):
            self.counts.failed += 1
            self.counts.fault = str(answer)
            if not self._is_closed.is_set():
                self._retries.fail(answer, now_s)
            return frame
        self.counts.answered += 1
        self.counts.fault = ""
        self._retries.succeed()
        findings = (*frame.findings, Finding(self._name, answer)) if answer else frame.findings
        return replace(frame, findings=findings, is_sampled=True)


def _pixels(frame: Frame) -> int:
    return 0 if frame.picture is None else math.prod(frame.picture.size_wh)


class _Retries:
    """Knows when an extension is to be left alone, and which of its errors are news."""

    def __init__(self, report: Callable[[ExtensionError], None]) -> None:
        self._report = report
        self._reported: tuple[type[ExtensionError], int] | None = None
        self._failures = 0
        self._until_s = float("-inf")

    def allows(self, now_s: float) -> bool:
        """Return whether it may be asked now."""
        return now_s >= self._until_s

    def succeed(self) -> None:
        """Learn that it has answered."""
        self._failures, self._reported = 0, None

    def fail(self, error: ExtensionError, now_s: float) -> None:
        """Learn from a failure; report it if it is of another kind than the one before."""
        self._until_s = now_s + self._wait_s(error)
        kind = type(error), error.status if isinstance(error, ExtensionRefusedError) else 0
        if kind != self._reported:
            self._reported = kind
            self._report(error)

    def _wait_s(self, error: ExtensionError) -> float:
        """Return how long to wait. What may be the fault of one frame costs nothing the first time."""
        if isinstance(error, ExtensionBusyError):
            return error.retry_after_s
        self._failures += 1
        concerns_frame = isinstance(error, ExtensionRefusedError) and (
            error.status == BAD_REQUEST or error.status >= SERVER_ERROR
        )
        doublings = self._failures - 1 - concerns_frame
        return min(FIRST_WAIT_S * 2 ** min(doublings, MAX_DOUBLINGS), LONGEST_WAIT_S) if doublings >= 0 else 0.0
