"""Models that worker processes run: a codec or a graph that crashes, or never ends, costs one frame."""

import itertools
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from models.errors import DrainingError, FrameError, LaneLostError, ModelConfigError, NotReadyError
from models.families import Signature
from models.order import Answered, FrameOrder
from models.repository.checksums import checked_version
from models.repository.copies import FolderCopy, is_copy, remove_abandoned
from models.repository.folder import ModelFolder
from models.runtime.loading import Loaded, LoadedModel, ThreadLoader
from models.scheduling.lanes import Lanes
from models.workers.process import ProcessWorker
from models.workers.worker import StatefulCall

LOAD_TRIES = 3
"""Of one model in one worker, before the model is held to be what ends its processes."""


class ModelHost:
    """The models that one worker process has loaded: its state. `create_loader`: makes what loads them."""

    def __init__(self, create_loader: Callable[[], ThreadLoader]) -> None:
        self._loader = create_loader()
        self._models: dict[int, tuple[ModelFolder, LoadedModel]] = {}

    def load(self, key: int, folder: ModelFolder, copy: Path | None) -> Signature:
        """Load a model from a copy of its folder, or from the folder itself if it has not changed meanwhile.

        Returns its signature. Raises ModelConfigError.
        """
        source = copy if copy and _has_version(copy, folder.version) else folder.path
        if source is not copy and not _has_version(source, folder.version):
            raise ModelConfigError(f"{folder.path} has changed; its version {folder.version} cannot be loaded again.")
        loaded = self._loader.load(folder.at(source))
        self._models[key] = folder, loaded
        return loaded.signature

    def drop(self, key: int) -> None:
        """Drop a model that gets no more frames."""
        self._models.pop(key, None)

    def answer(self, key: int, order: FrameOrder, queued_at: float, *, is_alone: bool) -> Answered:
        """Do all the work of one frame; raises NotReadyError when its model could not be loaded in this process."""
        if key not in self._models:
            raise NotReadyError
        folder, loaded = self._models[key]
        return loaded.answer(folder, order, lambda: is_alone, queued_at)


@dataclass(frozen=True, slots=True)
class LoadModel:
    """Loads a model in a worker process, under a key."""

    key: int
    folder: ModelFolder
    copy: Path | None

    def __call__(self, host: ModelHost) -> Signature:
        """Load it; raises ModelConfigError."""
        return host.load(self.key, self.folder, self.copy)


@dataclass(frozen=True, slots=True)
class DropModel:
    """Drops a model in a worker process."""

    key: int

    def __call__(self, host: ModelHost) -> None:
        """Drop it."""
        host.drop(self.key)


@dataclass(frozen=True, slots=True)
class AnswerFrame:
    """Answers one frame in a worker process. `order`: without its body, which comes in shared memory."""

    key: int
    order: FrameOrder
    queued_at: float
    is_alone: bool

    def __call__(self, host: ModelHost, body: memoryview) -> Answered:
        """Do all the work of the frame."""
        order = replace(self.order, body=body)
        return host.answer(self.key, order, self.queued_at, is_alone=self.is_alone)


class IsolatedModel:
    """A model that all worker processes of its lanes have loaded, at one version.

    `key`: under which the processes know it, as long as this object lives.
    """

    def __init__(self, key: int, signature: Signature) -> None:
        self.key, self.signature = key, signature

    def work_for(self, folder: ModelFolder, order: FrameOrder, is_alone: Callable[[], bool]) -> StatefulCall:  # noqa: ARG002
        """Return the work for one frame; the processes know the folder."""
        return StatefulCall(partial(self._call, replace(order, body=b""), time.perf_counter(), is_alone), order.body)

    def _call(self, order: FrameOrder, queued_at: float, is_alone: Callable[[], bool]) -> AnswerFrame:
        return AnswerFrame(self.key, order, queued_at, is_alone())


class ProcessLoader:
    """Loads models in the worker processes of their lanes, from a private copy of their folder.

    A process that replaces a lost one loads them again, even if the folder has changed. Where no temporary folder
    can be written, there is no copy. `threads`: loads the models whose lanes are threads.
    """

    def __init__(self, threads: ThreadLoader) -> None:
        self._threads = threads
        self._keys = itertools.count()
        remove_abandoned()

    def load(self, folder: ModelFolder, lanes: Lanes) -> Loaded:
        """Load one model in all processes; it has answered a warm-up frame in each. Raises ModelConfigError."""
        workers = [worker for worker in lanes.workers if isinstance(worker, ProcessWorker)]
        if not workers:
            return self._threads.load(folder)
        key, copy = next(self._keys), _copy_of(folder.path)
        load = LoadModel(key, folder, copy.path if copy else None)
        release = partial(_release, workers, key, copy)
        try:
            with ThreadPoolExecutor(len(workers)) as threads:
                [signature, *_] = threads.map(lambda worker: _kept(worker, key, load), workers)
        except FrameError as error:
            release()
            if isinstance(error, LaneLostError):
                raise ModelConfigError(f"{folder.path} crashed the processes that loaded it.") from error
            if isinstance(error, ModelConfigError) and copy:
                raise copy.original(error) from error
            raise
        model = IsolatedModel(key, signature)
        weakref.finalize(model, release)
        return model

    def stop(self) -> None:
        """Stop the runs in progress."""
        self._threads.stop()

    def close(self) -> None:
        """End what watches the runs."""
        self._threads.close()


def _kept(worker: ProcessWorker, key: int, load: LoadModel) -> Signature:
    """Load a model in a worker. Its process may be lost for another reason meanwhile, so this is tried again.

    Raises DrainingError when the worker is closed, LaneLostError after the last try, and ModelConfigError.
    """
    tries = 0
    while True:
        tries += 1
        try:
            signature: Signature = worker.keep(key, load)
        except LaneLostError:
            if worker.is_closed:
                raise DrainingError from None
            if tries == LOAD_TRIES:
                raise
        else:
            return signature


def _has_version(path: Path, version: str) -> bool:
    try:
        return checked_version(path) == version
    except ModelConfigError:
        return False


def _copy_of(path: Path) -> FolderCopy | None:
    """Return a copy of a folder; None where none can be made. Raises ModelConfigError for a copy that will go."""
    try:
        return FolderCopy(path)
    except ModelConfigError:  # the folder itself is tried next, and reports what is wrong with it
        if is_copy(path):
            raise
        return None


def _release(workers: list[ProcessWorker], key: int, copy: FolderCopy | None) -> None:
    for worker in workers:
        worker.forget(key, DropModel(key))
    if copy:
        copy.close()
