"""The engine: every served model, and the way of one frame through it."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from models.errors import (
    DrainingError,
    InferenceError,
    InferenceTimeoutError,
    ModelConfigError,
    ModelNotFoundError,
    NotReadyError,
)
from models.families import FAMILIES, Family, Feeds, Outputs, Signature, Spec
from models.frame import DecodeTarget, Frame
from models.results import AS_CONFIGURED, Results, Selection
from models.runtime.deadlines import Deadlines
from models.runtime.lanes import Lanes
from models.runtime.repository import ModelFolder
from models.runtime.session import Session

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


class Runnable(Protocol):
    """Weights that are loaded: one graph (Session), or several that a library runs in turn. Thread-safe."""

    @property
    def signature(self) -> Signature:
        """Return the names and types of the inputs and outputs."""
        ...

    def run(self, feeds: Feeds, watchdog: Deadlines | None = None) -> Outputs:
        """Run on the calling thread; raises InferenceError, and InferenceTimeoutError when the watchdog stopped it."""
        ...


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that can answer.

    `wide`: a second session that puts all cores to one frame; for when there is only one.
    """

    family: Family
    session: Runnable
    wide: Runnable | None = None


class Engine:
    """Runs frames through models on lanes. Knows neither formats nor protocols: the caller brings both ends."""

    def __init__(
        self,
        folders: Sequence[ModelFolder],
        default_model: str,
        lanes: Lanes,
        run_timeout_s: float,
        *,
        wide_lane: bool = False,
    ) -> None:
        """Take the models' folders; `load` makes them ready. Raises ModelNotFoundError when there is no default.

        `run_timeout_s`: how long a model may take over one frame. `wide_lane`: whether a frame that is alone in the
        house gets as many threads as there are lanes.
        """
        self._folders = {folder.name: folder for folder in folders}
        self._default_model = default_model
        self.lanes = lanes
        self._watchdog = Deadlines(run_timeout_s)
        self._wide_threads = lanes.count if wide_lane else 1
        self._loaded: dict[str, LoadedModel] = {}
        self._draining = False
        self.find(default_model)

    @property
    def folders(self) -> tuple[ModelFolder, ...]:
        """Return the models that are served, by name, whether loaded yet or not."""
        return tuple(self._folders.values())

    def find(self, name: str | None) -> ModelFolder:
        """Return the model of that name, or the default one for None; raises ModelNotFoundError."""
        try:
            return self._folders[self._default_model if name is None else name]
        except KeyError as error:
            raise ModelNotFoundError(
                f"No such model is served here; the models are: {', '.join(self._folders)}."
            ) from error

    def load(self) -> None:
        """Load every model and have it answer a warm-up frame; raises ModelConfigError when one cannot."""
        for folder in self.folders:
            model = load_model(folder, self._wide_threads)
            try:
                for ready in (replace(model, wide=None), model):  # alone, a frame takes the wide session
                    self._answer(ready, _black_frame, lambda results: results)
            except InferenceError as error:
                raise ModelConfigError(f"{folder.model_path} failed on a warm-up frame: {error.__cause__}") from error
            except InferenceTimeoutError as error:
                raise ModelConfigError(
                    f"{folder.model_path} took longer over a warm-up frame than the setting run_timeout_s, "
                    f"{self._watchdog.limit_s:g} s."
                ) from error
            self._loaded[folder.name] = model

    def drain(self) -> None:
        """Be ready no more; frames that were let in are still answered."""
        self._draining = True

    @property
    def is_ready(self) -> bool:
        """Tell whether every model is loaded and has answered a warm-up frame, and the engine is not being drained."""
        return self._is_loaded and not self._draining

    @property
    def _is_loaded(self) -> bool:
        return len(self._loaded) == len(self._folders)

    def refuse_if_not_ready(self) -> None:
        """Raise NotReadyError until the engine is ready, and DrainingError when it is so no more."""
        if self._draining:
            raise DrainingError
        if not self._is_loaded:
            raise NotReadyError

    def refuse_if_unavailable(self, stream: str) -> None:
        """Raise NotReadyError, DrainingError or OverloadedError when a frame of that stream would be refused now."""
        self.refuse_if_not_ready()
        self.lanes.refuse_if_full(stream)

    def infer(  # noqa: PLR0913, PLR0917  # what a frame needs, each named where it is called
        self,
        model: ModelFolder,
        decode: Callable[[DecodeTarget], Frame],
        encode: Callable[[Results], R],
        selection: Selection = AS_CONFIGURED,
        observer: StageObserver = NO_OBSERVER,
        stream: str = "",
    ) -> Future[R]:
        """Queue one frame; the future gives what `encode` made of the results.

        On a lane, in one go: decode → preprocess → run → postprocess → encode. Streams take turns. The future raises
        what `decode` and `encode` raise, InferenceError, InferenceTimeoutError, and OverloadedError when no lane was
        free in time or the frame had to make room for one of another stream; cancelling it while the frame waits drops
        the frame. Raises NotReadyError or OverloadedError at once.
        """
        if not self._is_loaded:
            raise NotReadyError
        answer = partial(self._answer, self._loaded[model.name], decode, encode, selection, observer)
        return self.lanes.submit(partial(_after_the_queue, answer, observer, time.perf_counter()), stream)

    def give_up(self) -> None:
        """Refuse the frames that wait and stop the runs that are under way; their futures say so."""
        self.lanes.refuse_waiting(DrainingError())
        self._watchdog.expire_all()

    def close(self) -> None:
        """Give up what is left; returns when every lane has ended."""
        self.drain()
        self.give_up()
        self.lanes.close()
        self._watchdog.close()

    def _answer(
        self,
        model: LoadedModel,
        decode: Callable[[DecodeTarget], Frame],
        encode: Callable[[Results], R],
        selection: Selection = AS_CONFIGURED,
        observer: StageObserver = NO_OBSERVER,
    ) -> R:
        """Do all the work of one frame on the calling thread."""
        with _timed(observer, "decode"):
            frame = decode(model.family.target)
        with _timed(observer, "preprocess"):
            feeds, placed = model.family.preprocess(frame)
        with _timed(observer, "run"):
            session = model.wide if model.wide and self.lanes.is_quiet else model.session
            outputs = session.run(feeds, self._watchdog)
        with _timed(observer, "postprocess"):
            results = model.family.postprocess(outputs, placed, selection)
        with _timed(observer, "encode"):
            return encode(results)


def load_model(folder: ModelFolder, wide_threads: int = 1) -> LoadedModel:
    """Load one model's weights and check that they fit its model.yaml; raises ModelConfigError.

    `wide_threads`: how many cores a frame gets that is alone; with one, there is no second session.
    """
    session = _load_weights(folder)
    family = family_of(folder, session.signature)
    return LoadedModel(family, session, _load_weights(folder, wide_threads) if wide_threads > 1 else None)


def _load_weights(folder: ModelFolder, threads: int = 1) -> Runnable:
    if folder.config.file is not None:
        return Session(folder.model_path, threads)
    try:
        from models.runtime.reader import Reader  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ModelConfigError(
            f"{folder.model_path}: family {folder.config.family.name} needs: pip install 'framehook[ocr]'."
        ) from error
    return Reader(threads)


def family_of(folder: ModelFolder, signature: Signature) -> Family:
    """Return what feeds and reads the weights of that signature; raises ModelConfigError when they do not fit."""
    config = folder.config
    try:
        return FAMILIES[config.family.name](Spec(config.family, config.input, config.output, folder.labels, signature))
    except ModelConfigError as error:
        raise ModelConfigError(f"{folder.model_path}, family {config.family.name}: {error}") from error


def _after_the_queue(answer: Callable[[], R], observer: StageObserver, queued_at: float) -> R:
    observer.observe("queue", time.perf_counter() - queued_at)
    return answer()


@contextmanager
def _timed(observer: StageObserver, stage: str) -> Iterator[None]:
    started_at = time.perf_counter()
    try:
        yield
    finally:
        observer.observe(stage, time.perf_counter() - started_at)


def _black_frame(target: DecodeTarget) -> Frame:
    width, height = target.size_wh
    return Frame(np.zeros((height, width, 3), np.uint8), "rgb", target.size_wh)
