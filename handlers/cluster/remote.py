"""The engine of an ingress replica: the same queue and the same lanes, but what a lane does is ask a worker."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from ray.exceptions import NodeDiedError, ObjectLostError, OwnerDiedError, RayActorError, WorkerCrashedError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from handlers.cluster.answers import FromWorker
from handlers.cluster.arguments import time_limit_s
from handlers.server.parts import GRACE_S, create_served
from handlers.server.settings import Settings
from models.errors import (
    DrainingError,
    FrameError,
    InferenceTimeoutError,
    LaneLostError,
    ModelConfigError,
    NotReadyError,
)
from models.families import Signature
from models.order import Answered, FrameOrder
from models.repository.folder import ModelFolder
from models.runtime.engine import Engine
from models.runtime.steps import milliseconds_since
from models.scheduling.lanes import MAX_HOMES, Lanes

TRIES = 2
"""Workers that are asked for one frame, if the first is lost. No more: where lanes are threads, it may be why."""
PAUSE_S = 0.2
"""Before another worker is asked: a node takes several with it, and Ray needs to notice."""
LOOK_S = 1.0
"""How often a worker is asked whether it serves a version."""
DEPLOY_S = 300.0
"""How long workers may take after the start of the ingress to serve the versions that it has read."""
LOST = RayActorError, NodeDiedError, ObjectLostError, OwnerDiedError, WorkerCrashedError

logger = logging.getLogger("framehook")


class OneQueue(Lanes):
    """Lanes that all models share, those with lanes of their own, too: these are a matter of the workers."""

    def like(self, *_: Any, **__: Any) -> "OneQueue":
        """Return these lanes."""
        return self


class RemoteModel:
    """A model that the workers have loaded. `answer`: asks one of them."""

    def __init__(self, signature: Signature, answer: Callable[[FrameOrder, float], Answered]) -> None:
        self.signature, self._answer = signature, answer

    def work_for(
        self,
        folder: ModelFolder,  # noqa: ARG002
        order: FrameOrder,
        is_alone: Callable[[], bool],  # noqa: ARG002
    ) -> Callable[[], Answered]:
        """Return what asks a worker on the calling thread."""
        return partial(self._answer, order, time.perf_counter())


class RemoteLoader:
    """Finds the models at the workers, and asks these for answers. Thread-safe.

    `handle`: of the deployment of workers. `limit_s`: how long one frame may take.
    """

    def __init__(self, handle: Any, limit_s: float) -> None:
        self._handle, self._limit_s = handle, limit_s
        self._homes: dict[str, str] = {}
        """Stream → the worker that remembers it, oldest last frame first."""
        self._found: set[str] = set()
        """Models that workers have served once: they do not change by themselves."""
        self._deployed_by = time.monotonic() + DEPLOY_S
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def load(self, folder: ModelFolder, lanes: Lanes) -> RemoteModel:
        """Wait until a worker serves this version of a model; not for another version of one that was found already.

        Raises ModelConfigError when none does, and DrainingError.
        """
        found = None
        while not self._stopped.is_set():
            found = self._describe(folder.name) or found
            if found and found[0] == folder.version:
                self._found.add(folder.name)
                return RemoteModel(found[1], partial(self.answer, lanes))
            if folder.name in self._found or time.monotonic() >= self._deployed_by:
                served = f"serve version {found[0]}" if found else "do not serve it"
                reason = f"{folder.path} has version {folder.version}, but the workers {served}"
                raise ModelConfigError(f"{reason}; deploy the application again.")
            self._stopped.wait(LOOK_S)
        raise DrainingError

    def stop(self) -> None:
        """Wait for no worker any more."""
        self._stopped.set()

    def close(self) -> None:
        """Do nothing: workers are Ray's."""

    def answer(self, lanes: Lanes, order: FrameOrder, queued_at: float) -> Answered:
        """Let a worker answer; another one if it is lost, unless the frame's stream was remembered there.

        Raises what the worker raises, and OverloadedError, InferenceTimeoutError, LaneLostError and NotReadyError.
        """
        waited_ms, asked_at = milliseconds_since(queued_at), time.perf_counter()
        stream = f"{order.model}/{order.stream}" if order.remembers else ""
        try:
            came = self._ask(order, stream)
        except BackPressureError as error:
            raise lanes.full_error() from error
        if stream:
            self._settle(stream, came.worker)
        if isinstance(came.outcome, FrameError):
            raise came.outcome
        return _timed(came.outcome, waited_ms, milliseconds_since(asked_at))

    def _ask(self, order: FrameOrder, stream: str) -> FromWorker:
        give_up_at, lost = time.monotonic() + self._limit_s, None
        for _ in range(1 if stream else TRIES):
            handle = self._handle.options(multiplexed_model_id=self._homes.get(stream, "")) if stream else self._handle
            response = handle.answer.remote(order)
            try:
                came: FromWorker = response.result(timeout_s=max(0.0, give_up_at - time.monotonic()))
            except TimeoutError as error:
                response.cancel()
                raise InferenceTimeoutError(self._limit_s) from error
            except DeploymentUnavailableError as error:
                raise NotReadyError from error
            except LOST as error:
                lost = error
                logger.warning("worker lost", extra={"facts": {"reason": str(error).partition("\n")[0]}})
                self._stopped.wait(PAUSE_S)
            else:
                return came
        raise LaneLostError from lost

    def _settle(self, stream: str, worker: str) -> None:
        with self._lock:
            self._homes.pop(stream, None)
            self._homes[stream] = worker
            if len(self._homes) > MAX_HOMES:
                del self._homes[next(iter(self._homes))]

    def _describe(self, model: str) -> tuple[str, Signature] | None:
        response = self._handle.describe.remote(model)
        try:
            described: tuple[str, Signature] | None = response.result(timeout_s=LOOK_S)
        except (TimeoutError, DeploymentUnavailableError, BackPressureError, *LOST):
            response.cancel()
            return None
        return described


def _timed(answered: Answered, waited_ms: float, asked_ms: float) -> Answered:
    """Return an answer with the time in the ingress's queue as well, and what was spent on the way to the worker."""
    stages_ms = dict(answered.stages_ms)
    travel_ms = round(asked_ms - sum(stages_ms.values()), 3)
    stages_ms["queue"] = round(stages_ms.get("queue", 0) + waited_ms, 3)
    return replace(answered, stages_ms=stages_ms | {"travel": max(0.0, travel_ms)})


def create_remote_engine(settings: Settings, handle: Any) -> Engine:
    """Return the engine of an ingress replica. Raises as `create_served` does."""
    limit_s = time_limit_s(settings)
    lanes = OneQueue(settings.lanes, settings.queue_size, settings.queue_timeout_s, limit_s + GRACE_S)
    return Engine(create_served(settings, lanes), RemoteLoader(handle, limit_s))
