"""The engine: every served model, and who waits for which lane."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from models.errors import DrainingError, ModelConfigError, ModelNotFoundError, NotReadyError
from models.frame import DecodeTarget, Frame
from models.repository.folder import ModelFolder, read_folder
from models.results import AS_CONFIGURED, Results, Selection
from models.runtime.loading import NO_OBSERVER, LoadedModel, StageObserver, load_warm
from models.scheduling.deadlines import Deadlines
from models.scheduling.lanes import Lanes

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Model:
    """One served model at one version; a frame keeps the one it was given, whatever takes over meanwhile.

    `loaded`: None until it has answered a warm-up frame. `lanes`: where its frames wait.
    """

    folder: ModelFolder
    lanes: Lanes
    loaded: LoadedModel | None = None

    @property
    def name(self) -> str:
        """Return the name in paths."""
        return self.folder.name


class Engine:
    """Runs frames through models on lanes. Knows neither formats nor protocols: the caller brings both ends.

    Models may be installed and removed while frames are answered: the table is replaced as a whole, never changed.
    """

    def __init__(  # noqa: PLR0913  # each named where it is called
        self,
        folders: Sequence[ModelFolder],
        default_model: str,
        lanes: Lanes,
        run_timeout_s: float,
        *,
        wide_lane: bool = False,
        broken: Mapping[str, str] | None = None,
    ) -> None:
        """Take the models' folders; `load` makes them ready. Raises ModelNotFoundError when there is no default.

        `run_timeout_s`: how long a model may take over one frame. `wide_lane`: whether a frame that is alone in the
        house gets as many threads as there are lanes. `broken`: name → reason, of models whose folders cannot be read.
        """
        self.lanes = lanes
        self._default_model = default_model
        self._watchdog = Deadlines(run_timeout_s)
        self._wide_threads = lanes.count if wide_lane else 1
        self._models = {folder.name: Model(folder, self._lanes_for(folder)) for folder in folders}
        self._broken = dict(broken or {})
        self._table = threading.RLock()  # of those who change it; readers take it as it is
        self._draining = False
        if default_model not in self._broken:
            self.find(default_model)

    @property
    def models(self) -> tuple[Model, ...]:
        """Return the models that are served, by name, whether loaded yet or not."""
        return tuple(self._models[name] for name in sorted(self._models))

    @property
    def broken(self) -> dict[str, str]:
        """Return name → reason of the models that should be served and cannot be."""
        return dict(self._broken)

    def find(self, name: str | None) -> Model:
        """Return the model of that name, or the default one for None; raises ModelNotFoundError and NotReadyError."""
        name = self._default_model if name is None else name
        model = self._models.get(name)
        if model is not None:
            return model
        if name in self._broken:
            raise NotReadyError("The model cannot be served; /models tells why.")
        raise ModelNotFoundError(f"No such model is served here; the models are: {', '.join(sorted(self._models))}.")

    def first_of(self, family: str) -> str:
        """Return the first name of a model of that family; raises ModelNotFoundError when there is none."""
        names = [model.name for model in self.models if model.folder.config.family.name == family]
        if not names:
            raise ModelNotFoundError(f"No model of the family {family} is served here.")
        return names[0]

    def is_default(self, name: str) -> bool:
        """Tell whether frames that name no model go to this one."""
        return name == self._default_model

    def version_of(self, name: str) -> str | None:
        """Return the version of a model that can answer; None when there is none."""
        model = self._models.get(name)
        return model.folder.version if model and model.loaded else None

    def load(self, *, tolerant: bool = False) -> None:
        """Load every model and have it answer a warm-up frame.

        A folder that changes meanwhile is read again, so that weights, labels and model.yaml belong together. Raises
        ModelConfigError when one cannot be loaded; when `tolerant`, it is `broken` then.
        """
        for model in self.models:
            try:
                self._install_first(*self._warm_unchanged(model.folder))
            except ModelConfigError as error:
                if not tolerant:
                    raise
                self.reject(model.name, str(error))

    def warm(self, folder: ModelFolder) -> LoadedModel:
        """Load a model and have it answer a warm-up frame; raises ModelConfigError if it cannot."""
        return load_warm(folder, self._watchdog, self._wide_threads)

    def _warm_unchanged(self, folder: ModelFolder) -> tuple[ModelFolder, LoadedModel]:
        """Load a model from a folder that others may write to; return it as it was, all of one version."""
        loaded = self.warm(folder)
        while (now := read_folder(folder.path)).version != folder.version:
            folder, loaded = now, self.warm(now)
        return folder, loaded

    def _install_first(self, folder: ModelFolder, loaded: LoadedModel) -> None:
        """Let a model take over unless a reload has been faster."""
        with self._table:
            model = self._models.get(folder.name)
            if model and not model.loaded:
                self.install(folder, loaded)

    def install(self, folder: ModelFolder, loaded: LoadedModel) -> None:
        """Let a model take over that has answered a warm-up frame."""
        with self._table:
            old = self._models.get(folder.name)
            lanes = old.lanes if old and _same_lanes(old.folder, folder) else self._lanes_for(folder)
            self._models = {**self._models, folder.name: Model(folder, lanes, loaded)}
            self._broken = {name: reason for name, reason in self._broken.items() if name != folder.name}
        if old and old.lanes is not lanes:
            self._close_own(old)

    def reject(self, name: str, reason: str) -> None:
        """Take note that a model cannot be served, unless an older version of it is."""
        with self._table:
            if self.version_of(name) is None:
                self._models = {other: model for other, model in self._models.items() if other != name}
                self._broken = {**self._broken, name: reason}

    def remove(self, name: str) -> None:
        """Serve a model no more; frames that it was given are still answered."""
        with self._table:
            model = self._models.get(name)
            self._models = {other: kept for other, kept in self._models.items() if other != name}
            self._broken = {other: reason for other, reason in self._broken.items() if other != name}
        if model:
            self._close_own(model)

    def drain(self) -> None:
        """Be ready no more; frames that were let in are still answered."""
        self._draining = True

    @property
    def is_ready(self) -> bool:
        """Tell whether every model is loaded and has answered a warm-up frame, and the engine is not being drained."""
        return not self._draining and not self._broken and all(model.loaded for model in self._models.values())

    def refuse_if_not_ready(self) -> None:
        """Raise NotReadyError, which names a model that is broken, and DrainingError when the end is near."""
        if self._draining:
            raise DrainingError
        for name, reason in self._broken.items():
            raise NotReadyError(f"The model {name} cannot be served: {reason}")
        if not self.is_ready:
            raise NotReadyError

    def refuse_if_unavailable(self, name: str | None, stream: str) -> None:
        """Raise what a frame of that stream for that model would be refused with now.

        ModelNotFoundError, NotReadyError, DrainingError or OverloadedError.
        """
        if self._draining:
            raise DrainingError
        model = self.find(name)
        if model.loaded is None:
            raise NotReadyError
        model.lanes.refuse_if_full(stream)

    def infer(  # noqa: PLR0913, PLR0917  # what a frame needs, each named where it is called
        self,
        model: Model,
        decode: Callable[[DecodeTarget], Frame],
        encode: Callable[[Results], R],
        selection: Selection = AS_CONFIGURED,
        observer: StageObserver = NO_OBSERVER,
        stream: str = "",
    ) -> Future[R]:
        """Queue one frame for a lane; the future gives what `encode` made of the results.

        Streams take turns. The future raises what `decode` and `encode` raise, InferenceError, InferenceTimeoutError,
        and OverloadedError when no lane was free in time or the frame had to make room for one of another stream;
        cancelling it while the frame waits drops the frame. Raises NotReadyError or OverloadedError at once.
        """
        if model.loaded is None:
            raise NotReadyError
        is_alone = partial(getattr, model.lanes, "is_quiet")
        answer = partial(model.loaded.answer, self._watchdog, decode, encode, selection, observer, is_alone)
        return model.lanes.submit(partial(_after_the_queue, answer, observer, time.perf_counter()), stream)

    @property
    def all_lanes(self) -> tuple[Lanes, ...]:
        """Return the lanes that models share, and those of their own."""
        return self.lanes, *(model.lanes for model in self.models if model.lanes is not self.lanes)

    def give_up(self) -> None:
        """Refuse the frames that wait and stop the runs that are under way; their futures say so."""
        for lanes in self.all_lanes:
            lanes.refuse_waiting(DrainingError())
        self._watchdog.expire_all()

    def close(self) -> None:
        """Give up what is left; returns when every lane has ended."""
        self.drain()
        self.give_up()
        for lanes in self.all_lanes:
            lanes.close()
        self._watchdog.close()

    def _lanes_for(self, folder: ModelFolder) -> Lanes:
        """Return the lanes that all share, or new ones when the model wants its own."""
        execution = folder.config.execution
        if execution.lanes is None:
            return self.lanes
        return self.lanes.like(execution.lanes, execution.queue_size)

    def _close_own(self, model: Model) -> None:
        if model.lanes is not self.lanes:
            model.lanes.close()


def _same_lanes(one: ModelFolder, other: ModelFolder) -> bool:
    wanted = [(folder.config.execution.lanes, folder.config.execution.queue_size) for folder in (one, other)]
    return wanted[0] == wanted[1]


def _after_the_queue(answer: Callable[[], R], observer: StageObserver, queued_at: float) -> R:
    observer.observe("queue", time.perf_counter() - queued_at)
    return answer()
