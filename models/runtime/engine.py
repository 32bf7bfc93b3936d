"""The engine: takes one order a frame, runs it on the lanes of its model, and gives one answer."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from models.errors import DrainingError, ModelConfigError, NotReadyError
from models.order import Answered, FrameOrder
from models.repository.folder import ModelFolder, read_folder, reason_for_clients
from models.runtime.loading import Loaded
from models.runtime.served import ServedModels
from models.scheduling.lanes import Lanes

STUCK_S = 1.0
"""How long lanes that are threads may still work when the engine is closed."""


class Loader(Protocol):
    """Makes models ready, for lanes of its kind."""

    def load(self, folder: ModelFolder, lanes: Lanes) -> Loaded:
        """Load a model and let it answer a warm-up frame; raises ModelConfigError if it cannot."""
        ...

    def stop(self) -> None:
        """Stop the runs in progress."""
        ...

    def close(self) -> None:
        """End what watches the runs."""
        ...


class Engine:
    """Runs frames through the served models. Knows neither formats nor protocols: `loader` brings both ends.

    `load` makes the models ready.
    """

    def __init__(self, served: ServedModels, loader: Loader) -> None:
        self.served = served
        self._loader = loader
        self.is_draining = self._refusing = False

    def load(self, *, tolerant: bool = False) -> None:
        """Load every model and let it answer a warm-up frame.

        A folder that changes meanwhile is read again, so that weights, labels and model.yaml belong together. Raises
        ModelConfigError when one cannot be loaded; when `tolerant`, it is recorded as broken instead.
        """
        for model in self.served.models:
            try:
                folder, loaded = self._warm_unchanged(model.folder)
            except ModelConfigError as error:
                if not tolerant:
                    raise
                reason = reason_for_clients(error, [model.folder.path.parent])
                self.served.reject(model.name, reason, unless_loaded=True)
            else:
                self.served.install(folder, *loaded, unless_loaded=True)

    def warm(self, folder: ModelFolder) -> tuple[Loaded, Lanes]:
        """Load a model and let it answer a warm-up frame; return it with its lanes, for `ServedModels.install`.

        Raises ModelConfigError if it cannot.
        """
        with self.served.lanes_for(folder) as lanes:
            return self._loader.load(folder, lanes), lanes

    def _warm_unchanged(self, folder: ModelFolder) -> tuple[ModelFolder, tuple[Loaded, Lanes]]:
        """Load a model from a folder that others may write to; return it as it was, all of one version."""
        loaded = self.warm(folder)
        while (now := read_folder(folder.path)).version != folder.version:
            folder, loaded = now, self.warm(now)
        return folder, loaded

    def infer(self, order: FrameOrder) -> Future[Answered]:
        """Queue one frame for a lane of its model; the future gives the answer.

        Callers take turns, and so do the streams of each. The future raises what the codec raises, UnknownLabelError,
        InferenceError, InferenceTimeoutError, and OverloadedError when no lane was free in time or the frame had to
        make room for another; cancelling it while the frame waits drops the frame. Raises ModelNotFoundError,
        NotReadyError or OverloadedError at once.
        """
        model = self.served.find(order.model)
        if model.loaded is None:
            raise NotReadyError
        work = model.loaded.work_for(model.folder, order, _is_quiet(model.lanes))
        sequence = f"{model.name}/{order.stream}" if order.remembers else ""
        return model.lanes.submit(work, order.stream, sequence, order.caller)

    @property
    def is_ready(self) -> bool:
        """Return whether every model is loaded and has answered a warm-up frame, and the engine is not draining.

        Folders that come later and are broken change nothing.
        """
        served = self.served
        is_complete = not any(broken.is_awaited for broken in served.broken.values())
        return not self.is_draining and is_complete and all(model.loaded for model in served.models)

    def refuse_if_not_ready(self) -> None:
        """Raise NotReadyError, which names a model that is broken, or DrainingError when the engine is draining.

        Everybody may read these sentences, so they do not say what is wrong with the model.
        """
        if self.is_draining:
            raise DrainingError
        for name, broken in self.served.broken.items():
            if broken.is_awaited:
                raise NotReadyError(
                    f"The model {name} cannot be served; the list of models and the log give the reason."
                )
        if not self.is_ready:
            raise NotReadyError

    def refuse_if_unavailable(self, name: str | None, stream: str, caller: str) -> None:
        """Raise what a frame of that stream and caller for that model would be refused with now.

        ModelNotFoundError, NotReadyError, DrainingError or OverloadedError.
        """
        if self._refusing:
            raise DrainingError
        model = self.served.find(name)
        if model.loaded is None:
            raise NotReadyError
        model.lanes.refuse_if_full(stream, caller)

    @property
    def lanes(self) -> tuple[Lanes, ...]:
        """Return the lanes that models share, and those of their own."""
        return tuple(dict.fromkeys((self.served.lanes, *(model.lanes for model in self.served.models))))

    def drain(self, *, refusing: bool = False) -> None:
        """Report not ready; when `refusing`, refuse frames in `refuse_if_unavailable`. Admitted ones are answered."""
        self.is_draining = True
        self._refusing = self._refusing or refusing

    def give_up(self) -> None:
        """Refuse the frames that wait and stop the runs in progress; their futures raise the reason."""
        for lanes in self.lanes:
            lanes.give_up(DrainingError())
        self._loader.stop()

    def close(self) -> None:
        """Give up what is left; returns when every lane has ended, or is a thread that cannot be stopped."""
        self.drain(refusing=True)
        self.give_up()
        for lanes in self.lanes:
            lanes.close(STUCK_S)
        self._loader.close()


def _is_quiet(lanes: Lanes) -> Callable[[], bool]:
    return lambda: lanes.is_quiet
