"""Micro-batching: frames that are ready at the same time go through the graph together. For accelerators only."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TypeAlias

import numpy as np

from models.backends.onnx import Runnable
from models.errors import InferenceError, ModelConfigError
from models.families import Feeds, Outputs, Signature
from models.scheduling.deadlines import Deadlines

SAME = 1e-2
"""How far an answer may move when its frame is not alone, as a share of its largest value: accelerators choose other
kernels for other sizes. Measured on CPU: 0."""

Batch: TypeAlias = list[tuple[Feeds, Future[Outputs]]]


class Batcher:
    """Runs the frames of several lanes as one batch.

    The first lane to come leads: it waits up to `max_delay_ms` for others, runs what has come, and gives each its part.
    While one batch runs, the next one gathers. So it takes as many lanes to fill a batch as it has places.
    """

    def __init__(self, session: Runnable, max_size: int, max_delay_ms: float) -> None:
        """Take a graph that `refuse_other_answers` has been asked about."""
        self._session = session
        self._max_size = max_size
        self._max_delay_s = max_delay_ms / 1000
        self._changed = threading.Condition()
        self._gathering: Batch = []

    def run(self, feeds: Feeds, watchdog: Deadlines | None = None) -> Outputs:
        """Run one frame with whoever else is there.

        Raises InferenceError and InferenceTimeoutError; when one frame makes the graph fail, all of its batch do.
        """
        share: Future[Outputs] = Future()
        with self._changed:
            batch = self._gathering
            batch.append((feeds, share))
            leads = len(batch) == 1
            if len(batch) == self._max_size:
                self._close(batch)
            elif leads:
                self._wait_until_closed(batch)
        if leads:
            self._run_together(batch, watchdog)
        return share.result()

    @property
    def signature(self) -> Signature:
        """Return the names and types of the inputs and outputs."""
        return self._session.signature

    def refuse_other_answers(self, frames: Sequence[Feeds]) -> None:
        """Raise ModelConfigError unless frames together get the answers that each gets alone."""
        try:
            alone = [self._session.run(feeds) for feeds in frames]
            together = self._split(self._session.run(_joined(frames)), len(frames))
        except (InferenceError, ValueError, IndexError) as error:
            raise ModelConfigError(
                "execution.max_batch_size: the graph takes one frame at a time; leave it 1."
            ) from error
        for one, other in zip(alone, together, strict=True):
            if not all(_is_same(one[name], other[name]) for name in one):
                raise ModelConfigError(
                    "execution.max_batch_size: frames that go through the graph together get other answers; leave it 1."
                )

    def _close(self, batch: Batch) -> None:
        """Let whoever comes now lead the next one; the lock is held."""
        if self._gathering is batch:
            self._gathering = []
            self._changed.notify_all()

    def _wait_until_closed(self, batch: Batch) -> None:
        deadline = time.monotonic() + self._max_delay_s
        while self._gathering is batch and (left_s := deadline - time.monotonic()) > 0:
            self._changed.wait(left_s)
        self._close(batch)

    def _run_together(self, batch: Batch, watchdog: Deadlines | None) -> None:
        try:
            outputs = self._session.run(_joined([feeds for feeds, _ in batch]), watchdog)
            shares = self._split(outputs, len(batch))
        except BaseException as error:  # noqa: BLE001  # each of them waits for an answer
            for _, share in batch:
                share.set_exception(error)
        else:
            for (_, share), outputs in zip(batch, shares, strict=True):
                share.set_result(outputs)

    @staticmethod
    def _split(outputs: Outputs, count: int) -> list[Outputs]:
        if any(len(output) != count for output in outputs.values()):
            raise ValueError(f"expected outputs for {count} frames")
        return [{name: output[place : place + 1] for name, output in outputs.items()} for place in range(count)]


def _joined(frames: Sequence[Feeds]) -> Feeds:
    return {name: np.concatenate([feeds[name] for feeds in frames]) for name in frames[0]}


def _is_same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=0, atol=SAME * float(np.abs(one).max(initial=0)))
