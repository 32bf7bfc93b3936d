"""Micro-batching: frames that are ready at the same time run through the graph together. For accelerators only."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import TypeAlias

import numpy as np

from models.backends.runnable import Runnable
from models.errors import FrameError, InferenceError, ModelConfigError
from models.families import Feeds, Outputs, Signature
from models.scheduling.deadlines import Limit

TOLERANCE = 1e-2
"""How much the outputs for a frame may change in a batch, as a share of their largest value: accelerators choose
different kernels for different sizes. Measured on CPU: 0."""

NamedNumbers: TypeAlias = list[dict[str, float]]
Batch: TypeAlias = list[tuple[Feeds, Future[Outputs]]]


class Batcher:
    """Runs the frames of several lanes as one batch of at most `max_size`.

    The first lane leads: it waits up to `max_delay_ms` for others, runs the batch, and gives each lane its part. While
    one batch runs, the next one gathers. So a full batch needs as many lanes as it has places. The graph must already
    have passed `refuse_other_answers`.
    """

    def __init__(self, session: Runnable, max_size: int, max_delay_ms: float) -> None:
        self._session = session
        self._max_size = max_size
        self._max_delay_s = max_delay_ms / 1000
        self._changed = threading.Condition()
        self._gathering: Batch = []

    def run(self, feeds: Feeds, watchdog: Limit | None = None) -> Outputs:
        """Run one frame together with the frames of other lanes that are ready.

        Raises InferenceError and InferenceTimeoutError; when the graph fails on one frame, the whole batch fails.
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
        try:
            return share.result()
        except FrameError as error:  # one object for the whole batch, but each frame's own times go with its error
            raise error.twin() from error.__cause__

    @property
    def signature(self) -> Signature:
        """Return the names and types of the inputs and outputs."""
        return self._session.signature

    def refuse_other_answers(self, frames: Sequence[Feeds]) -> None:
        """Raise ModelConfigError unless frames get the same outputs in a batch as each gets alone."""
        try:
            alone = [self._session.run(feeds) for feeds in frames]
            together = self._split(self._session.run(_joined(frames)), len(frames))
        except (InferenceError, ValueError, IndexError) as error:
            raise ModelConfigError(
                "execution.max_batch_size: the graph takes one frame at a time; leave it at 1."
            ) from error
        for outputs, batched in zip(alone, together, strict=True):
            if not all(_is_same(outputs[name], batched[name]) for name in outputs):
                raise ModelConfigError(
                    "execution.max_batch_size: the graph gives different outputs for frames in a batch; leave it at 1."
                )

    def _close(self, batch: Batch) -> None:
        """Add no more frames to the batch: the next lane leads a new one. The lock is held."""
        if self._gathering is batch:
            self._gathering = []
            self._changed.notify_all()

    def _wait_until_closed(self, batch: Batch) -> None:
        deadline = time.monotonic() + self._max_delay_s
        while self._gathering is batch and (left_s := deadline - time.monotonic()) > 0:
            self._changed.wait(left_s)
        self._close(batch)

    def _run_together(self, batch: Batch, watchdog: Limit | None) -> None:
        try:
            outputs = self._session.run(_joined([feeds for feeds, _ in batch]), watchdog)
            shares = self._split(outputs, len(batch))
        except BaseException as error:  # noqa: BLE001  # each lane of the batch waits for its share
            for _, share in batch:
                share.set_exception(error)
        else:
            for (_, share), outputs in zip(batch, shares, strict=True):
                share.set_result(outputs)

    @staticmethod
    def _split(outputs: Outputs, count: int) -> list[Outputs]:
        if any(not np.ndim(output) or len(output) != count for output in outputs.values()):
            raise ValueError(f"expected outputs for {count} frames")
        return [{name: output[place : place + 1] for name, output in outputs.items()} for place in range(count)]


def _joined(frames: Sequence[Feeds]) -> Feeds:
    return {name: np.concatenate([feeds[name] for feeds in frames]) for name in frames[0]}


def _is_same(alone: np.ndarray | NamedNumbers, batched: np.ndarray | NamedNumbers) -> bool:
    """Return whether an output for a frame is the same in a batch: numbers, numbers with names, or texts."""
    first, second = (
        np.array([list(each.values()) for each in output]) if isinstance(output, list) else output
        for output in (alone, batched)
    )
    if first.dtype.kind not in "fiu":
        return np.array_equal(first, second)
    tolerance = TOLERANCE * float(np.abs(first).max(initial=0))
    return first.shape == second.shape and np.allclose(first, second, rtol=0, atol=tolerance)
