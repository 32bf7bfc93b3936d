"""The engine: takes one order a frame, runs it on the lanes of its model, and gives one answer."""

import time
from concurrent.futures import Future
from functools import partial

from models.errors import DrainingError, ModelConfigError, NotReadyError
from models.order import Answered, FrameOrder
from models.repository.folder import ModelFolder, read_folder, reason_for_clients
from models.runtime.loading import LoadedModel, load_warm
from models.runtime.served import Model, ServedModels
from models.runtime.steps import FrameCodec, Work, milliseconds_since
from models.scheduling.deadlines import Deadlines
from models.scheduling.lanes import Lanes


class Engine:
    """Runs frames through the served models. Knows neither formats nor protocols: the codec brings both ends.

    `run_timeout_s`: how long a model may take over one frame. `wide_lane`: whether a frame that is alone gets as many
    threads as there are lanes. `load` makes the models ready.
    """

    def __init__(
        self, served: ServedModels, codec: FrameCodec, run_timeout_s: float, *, wide_lane: bool = False
    ) -> None:
        self.served = served
        self._codec = codec
        self._watchdog = Deadlines(run_timeout_s)
        self._wide_threads = served.lanes.count if wide_lane else 1
        self._draining = False

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
                self.served.reject(model.name, reason_for_clients(error, [model.folder.path.parent]))
            else:
                self.served.install(folder, loaded, unless_loaded=True)

    def warm(self, folder: ModelFolder) -> LoadedModel:
        """Load a model and let it answer a warm-up frame; raises ModelConfigError if it cannot."""
        return load_warm(folder, self._watchdog, self._wide_threads).with_codec(self._codec)

    def _warm_unchanged(self, folder: ModelFolder) -> tuple[ModelFolder, LoadedModel]:
        """Load a model from a folder that others may write to; return it as it was, all of one version."""
        loaded = self.warm(folder)
        while (now := read_folder(folder.path)).version != folder.version:
            folder, loaded = now, self.warm(now)
        return folder, loaded

    def infer(self, order: FrameOrder) -> Future[Answered]:
        """Queue one frame for a lane of its model; the future gives the answer.

        Streams take turns. The future raises what the codec raises, UnknownLabelError, InferenceError,
        InferenceTimeoutError, and OverloadedError when no lane was free in time or the frame had to make room for one
        of another stream; cancelling it while the frame waits drops the frame. Raises ModelNotFoundError, NotReadyError
        or OverloadedError at once.
        """
        model = self.served.find(order.model)
        if model.loaded is None:
            raise NotReadyError
        work = partial(_answer, model, model.loaded, order, time.perf_counter())
        sequence = f"{model.name}/{order.stream}" if model.loaded.remembers and order.stream else ""
        return model.lanes.submit(work, order.stream or order.caller, sequence)

    @property
    def is_ready(self) -> bool:
        """Return whether every model is loaded and has answered a warm-up frame, and the engine is not draining.

        Folders that come later and are broken change nothing.
        """
        served = self.served
        return not self._draining and not served.awaited and all(model.loaded for model in served.models)

    def refuse_if_not_ready(self) -> None:
        """Raise NotReadyError, which names a model that is broken, or DrainingError when the engine is draining."""
        if self._draining:
            raise DrainingError
        for name, reason in self.served.awaited.items():
            raise NotReadyError(f"The model {name} cannot be served: {reason}")
        if not self.is_ready:
            raise NotReadyError

    def refuse_if_unavailable(self, name: str | None, stream: str) -> None:
        """Raise what a frame of that stream for that model would be refused with now.

        ModelNotFoundError, NotReadyError, DrainingError or OverloadedError.
        """
        if self._draining:
            raise DrainingError
        model = self.served.find(name)
        if model.loaded is None:
            raise NotReadyError
        model.lanes.refuse_if_full(stream)

    @property
    def lanes(self) -> tuple[Lanes, ...]:
        """Return the lanes that models share, and those of their own."""
        shared = self.served.lanes
        return shared, *(model.lanes for model in self.served.models if model.lanes is not shared)

    def drain(self) -> None:
        """Report not ready, and refuse frames in `refuse_if_unavailable`; admitted frames are still answered."""
        self._draining = True

    def give_up(self) -> None:
        """Refuse the frames that wait and stop the runs in progress; their futures raise the reason."""
        for lanes in self.lanes:
            lanes.refuse_waiting(DrainingError())
        self._watchdog.expire_all()

    def close(self) -> None:
        """Give up what is left; returns when every lane has ended."""
        self.drain()
        self.give_up()
        for lanes in self.lanes:
            lanes.close()
        self._watchdog.close()


def _answer(model: Model, loaded: LoadedModel, order: FrameOrder, queued_at: float) -> Answered:
    """Do all the work of one frame on the calling thread."""
    state = loaded.states.of(order.stream if loaded.remembers else "")
    work = Work(order, model.folder, lambda: model.lanes.is_quiet, state)
    work.stages_ms["queue"] = milliseconds_since(queued_at)
    work.run(loaded.steps)
    return work.answered()
