"""The deployment that runs the models: the engine of `framehook serve`, without HTTP in front."""

import asyncio
from dataclasses import replace
from typing import Any

import ray
from ray import serve

from handlers.cluster.answers import FromWorker
from handlers.cluster.arguments import worker_settings
from handlers.server.middleware import logs
from handlers.server.parts import create_codec, create_engine
from models.errors import FrameError
from models.families import Signature
from models.order import Answered, FrameOrder


class Worker:
    """One replica. Its engine has a lane per core that Ray has reserved, and gathers batches as everywhere."""

    async def __init__(self, arguments: dict[str, Any]) -> None:  # type: ignore[misc]  # Ray awaits it
        """Load the models; raises ModelConfigError, so that Ray does not call the replica ready."""
        settings = worker_settings(arguments, _reserved_cpus())
        logs.configure(settings.log_level)
        self._engine = create_engine(settings, create_codec(settings))
        await asyncio.to_thread(self._engine.load)
        self._name = serve.get_replica_context().replica_id.unique_id
        await self._answer_to(self._name)

    async def answer(self, order: FrameOrder) -> FromWorker:
        """Do all the work of one frame. What the stream remembers of elsewhere is begun anew here."""
        if order.remembers and serve.get_multiplexed_model_id() != self._name:
            order = replace(order, begun_at_s=order.taken_at_s)
        try:
            answered: Answered = await asyncio.wrap_future(self._engine.infer(order))
        except FrameError as error:
            return FromWorker(self._name, error)
        return FromWorker(self._name, answered)

    async def describe(self, model: str) -> tuple[str, Signature] | None:
        """Return the version and the signature of a model; None when it is not served here."""
        served = {each.name: each for each in self._engine.served.models}.get(model)
        return (served.folder.version, served.loaded.signature) if served and served.loaded else None

    @serve.multiplexed(max_num_models_per_replica=1)
    async def _answer_to(self, name: str) -> str:
        """Let Ray's routers find this replica by its own identifier."""
        return name

    def __del__(self) -> None:
        """End the lanes; Ray has waited for the frames in flight."""
        if engine := getattr(self, "_engine", None):
            engine.close()


def _reserved_cpus() -> int:
    return max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)))
