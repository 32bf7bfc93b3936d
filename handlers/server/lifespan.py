"""What runs beside the requests: models are loaded and watched, memory is released, the certificate is renewed."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from connexion import AsyncApp

from handlers.context import Context
from handlers.server.settings import Settings
from handlers.server.watching import PAUSE_PER_LOOK, POLL_S, watch
from handlers.server.wire.tls import keep_renewed
from handlers.streams.settings_files import SettingsOfStreams
from models.errors import DrainingError, ModelsError
from models.runtime.engine import Engine
from models.workers import heap

logger = logging.getLogger("framehook")


@asynccontextmanager
async def lifespan(
    _: AsyncApp, state: dict[str, Any], settings: Settings, loaded: Callable[[bool], None], close: Callable[[], None]
) -> AsyncIterator[dict[str, Any]]:
    """Load the models in the background, run the periodic tasks, and stop all of them at the end.

    Yields `state`, which every request and connection can read. `loaded`: see `create_app`. `close`: stops the threads
    that check passwords, and sends the last traces.
    """
    _use_batch_scheduling()
    context: Context = state["context"]
    engine = context.engine
    loading = asyncio.create_task(asyncio.to_thread(engine.load, tolerant=settings.on_broken_model == "wait"))
    loading.add_done_callback(partial(_loaded, engine=engine, loaded=loaded))
    background = [asyncio.create_task(_trim_heap()), asyncio.create_task(context.streams.render_pictures())]
    if settings.streams:
        background.append(asyncio.create_task(_look_at(context.dataplane.settings)))
    if settings.watch_models:
        background.append(asyncio.create_task(watch(settings.model_repository, context.reloader, loading)))
    if "tls" in state:
        background.append(asyncio.create_task(keep_renewed(state["tls"])))
    yield state
    for task in background:
        task.cancel()
    context.reloader.close()
    close()
    engine.drain(refusing=True)
    engine.give_up()  # models that are being loaded as well
    await asyncio.wait([loading, *background])
    await asyncio.to_thread(context.dataplane.close)


async def _look_at(settings: SettingsOfStreams) -> None:
    while True:
        started_at = time.perf_counter()
        await asyncio.to_thread(settings.look)
        await asyncio.sleep(max(POLL_S, PAUSE_PER_LOOK * (time.perf_counter() - started_at)))


async def _trim_heap() -> None:
    while True:
        await asyncio.sleep(heap.TRIM_S)
        await asyncio.to_thread(heap.trim)


def _use_batch_scheduling() -> None:
    """Let the event loop, the calling thread, work in batches instead of interrupting a lane for every request.

    Each interruption costs both threads their CPU caches: docs/maintainers/performance.md.
    """
    with suppress(AttributeError, OSError):  # the system has no such policy, or forbids it
        os.sched_setscheduler(0, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))


def _loaded(loading: asyncio.Task[None], engine: Engine, loaded: Callable[[bool], None]) -> None:
    """Log how the loading ended. Call `loaded` with True if all is ready, with False if there is nothing to serve."""
    error = loading.exception()
    if isinstance(error, DrainingError):  # the service ends before they were loaded
        return
    if error is None:
        for name, broken in engine.served.broken.items():
            logger.error("model broken", extra={"facts": {"model": name, "reason": broken.reason}})
        if not engine.served.broken:
            logger.info("ready", extra={"facts": {"models": [model.name for model in engine.served.models]}})
            loaded(True)
        return
    logger.critical(str(error), exc_info=None if isinstance(error, ModelsError) else error)
    loaded(False)
