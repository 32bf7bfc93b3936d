"""From a model's folder to a model that can answer, and the way of one frame through it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from models.backends.backend import Runnable, load_weights
from models.backends.batching import Batcher
from models.errors import InferenceError, InferenceTimeoutError, ModelConfigError
from models.families import FAMILIES, Family, Signature, Spec
from models.frame import DecodeTarget, Frame
from models.repository.folder import ModelFolder
from models.results import AS_CONFIGURED, Results, Selection
from models.scheduling.deadlines import Deadlines

R = TypeVar("R")


class StageObserver(Protocol):
    """Hears how long each stage of one frame took; called on the lane's thread."""

    def observe(self, stage: str, seconds: float) -> None:
        """Take note that `stage` took `seconds` of wall time."""
        ...


class _NoObserver:
    def observe(self, stage: str, seconds: float) -> None:
        """Forget it."""


NO_OBSERVER = _NoObserver()


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that can answer, at one version: never changed, only replaced as a whole.

    `wide`: a second session that puts all cores to one frame; for when there is only one.
    """

    family: Family
    session: Runnable
    wide: Runnable | None = None

    def answer(  # noqa: PLR0913, PLR0917  # what a frame needs, each named where it is called
        self,
        watchdog: Deadlines | None,
        decode: Callable[[DecodeTarget], Frame],
        encode: Callable[[Results], R],
        selection: Selection = AS_CONFIGURED,
        observer: StageObserver = NO_OBSERVER,
        is_alone: Callable[[], bool] = lambda: False,
    ) -> R:
        """Do all the work of one frame on the calling thread: decode → preprocess → run → postprocess → encode.

        `is_alone`: asked before the run; whether the frame may have all cores. Raises what `decode` and `encode` raise,
        InferenceError and InferenceTimeoutError.
        """
        with _timed(observer, "decode"):
            frame = decode(self.family.picture.target)
        with _timed(observer, "preprocess"):
            feeds, placed = self.family.picture.preprocess(frame)
        with _timed(observer, "run"):
            session = self.wide if self.wide and is_alone() else self.session
            outputs = session.run(feeds, watchdog)
        with _timed(observer, "postprocess"):
            results = self.family.postprocess(outputs, placed, selection)
        with _timed(observer, "encode"):
            return encode(results)


def load_warm(folder: ModelFolder, watchdog: Deadlines, wide_threads: int = 1) -> LoadedModel:
    """Load one model and have every session answer a black frame; raises ModelConfigError when one cannot.

    `watchdog`: stops a frame that takes too long.
    """
    model = load_model(folder, wide_threads)
    try:
        for alone in (False, True):
            model.answer(watchdog, flat_frame, lambda results: results, is_alone=lambda alone=alone: alone)  # type: ignore[misc]
    except InferenceError as error:
        raise ModelConfigError(f"{folder.weights_name} failed on a warm-up frame: {error.__cause__}") from error
    except InferenceTimeoutError as error:
        raise ModelConfigError(
            f"{folder.weights_name} took longer over a warm-up frame than the setting run_timeout_s, "
            f"{watchdog.limit_s:g} s."
        ) from error
    return model


def load_model(folder: ModelFolder, wide_threads: int = 1) -> LoadedModel:
    """Load one model's weights and check that they fit its model.yaml; raises ModelConfigError.

    `wide_threads`: how many cores a frame gets that is alone; with no more than it gets anyway, there is no second
    session.
    """
    execution = folder.config.execution
    session = load_weights(folder, execution.threads)
    family = family_of(folder, session.signature)
    if execution.max_batch_size > 1:
        return LoadedModel(family, _batcher(folder, family, session))
    if wide_threads <= execution.threads or execution.providers != ("cpu",):
        return LoadedModel(family, session)
    return LoadedModel(family, session, load_weights(folder, wide_threads))


def family_of(folder: ModelFolder, signature: Signature) -> Family:
    """Return what feeds and reads the weights of that signature; raises ModelConfigError when they do not fit."""
    config = folder.config
    try:
        return FAMILIES[config.family.name](Spec(config.family, config.input, config.output, folder.labels, signature))
    except ModelConfigError as error:
        raise ModelConfigError(
            f"{folder.weights_name}, family {config.family.name} with {len(folder.labels)} label(s): {error}"
        ) from error


def _batcher(folder: ModelFolder, family: Family, session: Runnable) -> Batcher:
    execution = folder.config.execution
    batcher = Batcher(session, execution.max_batch_size, execution.max_batch_delay_ms)
    try:
        frames = [flat_frame(family.picture.target, level) for level in (0, 255)]
        batcher.refuse_other_answers([family.picture.preprocess(frame)[0] for frame in frames])
    except ModelConfigError as error:
        raise ModelConfigError(f"{folder.weights_name}: {error}") from error
    return batcher


@contextmanager
def _timed(observer: StageObserver, stage: str) -> Iterator[None]:
    started_at = time.perf_counter()
    try:
        yield
    finally:
        observer.observe(stage, time.perf_counter() - started_at)


def flat_frame(target: DecodeTarget, level: int = 0) -> Frame:
    """Return a frame of the target's size, all of one grey level, 0..255."""
    width, height = target.size_wh
    return Frame(np.full((height, width, 3), level, np.uint8), "rgb", target.size_wh)
