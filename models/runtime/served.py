"""The table of served models: which versions answer, and which folders cannot be served."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from models.errors import ModelConfigError, ModelNotFoundError, NotReadyError
from models.repository.folder import ModelFolder
from models.runtime.loading import Loaded
from models.scheduling.lanes import Lanes
from models.workers.worker import CallingThread

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Model:
    """One served model at one version; a frame keeps the version it was given, even if another takes over meanwhile.

    `lanes`: where its frames wait. `loaded`: None until it has answered a warm-up frame.
    """

    folder: ModelFolder
    lanes: Lanes
    loaded: Loaded | None = None

    @property
    def name(self) -> str:
        """Return the name in paths."""
        return self.folder.name


@dataclass(frozen=True, slots=True)
class Broken:
    """A folder that cannot be served as it is.

    `is_awaited`: it was to be served from the start, and no version of it ever was.
    """

    reason: str
    is_awaited: bool


class ServedModels:
    """The models by name. Thread-safe: a change replaces the table as a whole, so readers need no lock.

    `folders`: of the models to serve, not loaded yet. `lanes`: shared by all models that want none of their own. Models
    that need threads share other lanes: see `_needs_threads`.
    `broken`: name → reason, of models whose folders cannot be read. Raises ModelNotFoundError when the default model is
    in neither. `aliases`: further names of the default model.
    """

    def __init__(
        self,
        folders: Sequence[ModelFolder],
        default_model: str,
        lanes: Lanes,
        broken: Mapping[str, str] | None = None,
        aliases: Sequence[str] = (),
    ) -> None:
        self.lanes = lanes
        is_threads = lanes.create_worker is CallingThread
        self._threads = lanes if is_threads else lanes.like(lanes.count, create_worker=CallingThread)
        self.default_model, self._aliases = default_model, tuple(aliases)
        self._models = {folder.name: Model(folder, self._new_lanes(folder)) for folder in folders}
        self._broken = {name: Broken(reason, is_awaited=True) for name, reason in (broken or {}).items()}
        self._changing = threading.RLock()
        if default_model not in self._broken:
            self.find(default_model)

    @property
    def models(self) -> tuple[Model, ...]:
        """Return the models that are served, by name, whether loaded yet or not."""
        return tuple(self._models[name] for name in sorted(self._models))

    @property
    def broken(self) -> dict[str, "Broken"]:
        """Return the folders that cannot be served, by name."""
        return dict(self._broken)

    @property
    def aliases(self) -> dict[str, str]:
        """Return the further names of models: alias → name. One that is also the name of a model is left out."""
        taken = self._models.keys() | self._broken.keys()
        return {alias: self.default_model for alias in self._aliases if alias not in taken}

    def find(self, name: str | None) -> Model:
        """Return the model of that name, or the default one for None; raises ModelNotFoundError and NotReadyError."""
        name = self.default_model if name is None else self.aliases.get(name, name)
        model = self._models.get(name)
        if model is not None:
            return model
        if name in self._broken:
            raise NotReadyError("The model cannot be served; the list of models gives the reason.")
        raise ModelNotFoundError(f"No such model is served here; the models are: {', '.join(sorted(self._models))}.")

    def version_of(self, name: str) -> str | None:
        """Return the version of a model that can answer; None when there is none."""
        model = self._models.get(name)
        return model.folder.version if model and model.loaded else None

    @contextmanager
    def lanes_for(self, folder: ModelFolder) -> Iterator[Lanes]:
        """Yield the lanes of a version that is being loaded: those of the version before it, if they suit it.

        When the block raises ModelConfigError, new lanes are closed again.
        """
        old = self._models.get(folder.name)
        lanes = old.lanes if old and _lanes_wanted(old.folder) == _lanes_wanted(folder) else self._new_lanes(folder)
        try:
            yield lanes
        except ModelConfigError:
            self._close_unused(lanes)
            raise

    def install(self, folder: ModelFolder, loaded: Loaded, lanes: Lanes, *, unless_loaded: bool = False) -> None:
        """Let a model take over that has answered a warm-up frame on these lanes.

        `unless_loaded`: only when the model is served and no version of it is loaded yet.
        """
        with self._changing:
            old = self._models.get(folder.name)
            if unless_loaded and (old is None or old.loaded):
                return
            self._models = {**self._models, folder.name: Model(folder, lanes, loaded)}
            self._broken = _without(self._broken, folder.name)
        if old:
            self._close_unused(old.lanes)

    def reject(self, name: str, reason: str, *, unless_loaded: bool = False) -> None:
        """Record that the folder of a model cannot be served as it is; a version that can answer stays in service.

        `unless_loaded`: only when there is no such version.
        """
        with self._changing:
            model = self._models.get(name)
            is_loaded = model is not None and model.loaded is not None
            if is_loaded and unless_loaded:
                return
            was_awaited = name in self._broken and self._broken[name].is_awaited
            self._broken = {**self._broken, name: Broken(reason, not is_loaded and (model is not None or was_awaited))}
            if is_loaded:
                return
            self._models = _without(self._models, name)
        if model:
            self._close_unused(model.lanes)

    def accept(self, name: str) -> None:
        """Record that the folder of a model is as it is served."""
        with self._changing:
            self._broken = _without(self._broken, name)

    def remove(self, name: str) -> None:
        """Stop serving a model; frames that it was given are still answered."""
        with self._changing:
            model = self._models.get(name)
            self._models, self._broken = _without(self._models, name), _without(self._broken, name)
        if model:
            self._close_unused(model.lanes)

    def _close_unused(self, lanes: Lanes) -> None:
        """Close the lanes of a single model once that model is not served any more, or on others."""
        if lanes not in {self.lanes, self._threads, *(model.lanes for model in self.models)}:
            lanes.close()

    def _new_lanes(self, folder: ModelFolder) -> Lanes:
        """Return the lanes that all share, or new ones when the model wants its own."""
        execution = folder.config.execution
        shared = self._threads if _needs_threads(folder) else self.lanes
        return shared if execution.lanes is None else shared.like(execution.lanes, execution.queue_size)


def _without(table: dict[str, T], name: str) -> dict[str, T]:
    return {other: entry for other, entry in table.items() if other != name}


def _needs_threads(folder: ModelFolder) -> bool:
    """Return whether a model, or one that gets its objects, joins frames of several lanes or holds memory of a device.

    One process can do that best.
    """
    sections = [each.config.execution for each in (folder, *folder.chained)]
    return any(execution.max_batch_size > 1 or execution.providers != ("cpu",) for execution in sections)


def _lanes_wanted(folder: ModelFolder) -> tuple[int | None, int | None, bool]:
    return folder.config.execution.lanes, folder.config.execution.queue_size, _needs_threads(folder)
