"""Runs the pipelines of `framehook play` until they end, or a signal ends them; with the server if asked for."""

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue

from handlers.server.commands.playing.local import Asked, LocalExtension, is_local, order_of
from handlers.server.commands.playing.progress import Progress
from handlers.server.middleware import logs
from handlers.server.settings import Settings
from models.workers import heap
from player.nodes.extension import Asked as Extension
from player.running.images import image_settings
from player.running.player import CreateExtension, PipelineSpec, Player, PlayOptions, http_extension
from player.running.status import StatusServer, Watched
from player.topology.nodes import HttpExtension

LOOK_S = 1.0
"""How often the line on a terminal is written anew."""
FAILED = 1
STOPS = signal.SIGINT, signal.SIGTERM

LOG = logging.getLogger("framehook")


class Over:
    """Whether all is to end; set by any thread and by signals.

    A threading.Event could not be: a signal may come while the main thread, which waits, holds the event's lock.
    """

    def __init__(self) -> None:
        self._news: SimpleQueue[None] = SimpleQueue()
        self._is_set = False

    def set(self) -> None:
        """End all."""
        self._is_set = True
        self._news.put(None)

    def is_set(self) -> bool:
        """Return whether all is to end."""
        return self._is_set

    def wait(self, timeout_s: float) -> bool:
        """Wait so long at most; return whether all is to end."""
        if not self._is_set:
            with suppress(Empty):
                self._news.get(timeout=timeout_s)
        return self._is_set


def run(settings: Settings, options: argparse.Namespace, wanted: Sequence[PipelineSpec], clips: Path | None) -> int:
    """Run pipelines. Return 1 if one failed, or events could not be delivered, else 0. Raises PlayerError.

    `clips`: the folder of clips; None: as the topologies say.
    """
    _occupy_standard_streams()
    playing = PlayOptions(options.speed == "real", options.loop, clips)
    logs.configure(settings.log_level)
    over = Over()
    for number in STOPS:
        signal.signal(number, lambda *_: _stop(over))
    if not options.serve:
        return _play(playing, options.status, wanted, over)
    with _server(settings, over) as create_extension:
        if create_extension is None:
            return 0 if over.is_set() else FAILED
        return _play(replace(playing, create_extension=create_extension), options.status, wanted, over)


def _occupy_standard_streams() -> None:
    """Let those that were closed lead nowhere: else a clip would get the number, and then events, or the log, in it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _stop(over: Over) -> None:
    """End in order; the second signal, whichever it is, ends the process at once."""
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)
    over.set()


def _play(playing: PlayOptions, address: tuple[str, int] | None, wanted: Sequence[PipelineSpec], over: Over) -> int:
    """Run pipelines until all is to end. `address`: of the status."""
    player = Player(wanted, playing, over.set)
    watched = Watched(lambda: player.pipelines, lambda: player.outputs)
    status = _status(address, watched)
    progress = Progress(watched, {text for each in wanted for text in each.outputs})
    try:
        player.start()
        while not over.wait(LOOK_S):
            progress.show()
    finally:
        lost = player.close()
        progress.end()
        if status:
            status.close()
    if lost:
        LOG.warning("events lost", extra={"facts": {"events": lost}})
    has_failed = any(state.phase == "failed" for state in player.pipelines)
    return FAILED if lost or has_failed else 0


def _status(address: tuple[str, int] | None, watched: Watched) -> StatusServer | None:
    if address is None:
        return None
    host, port = address
    server = StatusServer(host, port, watched)
    shown = f"[{host}]" if ":" in host else host
    LOG.info("status listening", extra={"facts": {"url": f"http://{shown}:{server.port}/"}})
    return server


@contextmanager
def _server(settings: Settings, over: Over) -> Iterator[CreateExtension | None]:
    """Run the server in a thread until the block ends; yield what asks it, None if it cannot be ready.

    Extensions whose address is on this machine are this server's; others are asked over HTTP.
    """
    # The web application, which no other command but `serve` imports.
    from handlers.server.app import create_app  # noqa: PLC0415
    from handlers.server.wire.http_server import create_server  # noqa: PLC0415

    heap.keep_one()
    known = threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    def loaded(is_ready: bool) -> None:  # noqa: FBT001  # a callback
        if is_ready:
            loops.append(asyncio.get_running_loop())
        known.set()

    server = create_server(settings, create_app(settings, loaded))
    thread = threading.Thread(target=server.run, name="server")
    thread.start()

    def create_extension(pipeline: str, record: HttpExtension) -> Extension:
        url = record.endpoint.url
        if not is_local(url):
            return http_extension(record)
        asked = Asked(image_settings(record.image).scale, record.timeout.total_seconds())
        order = order_of(url, f"pipeline {pipeline}")
        return LocalExtension(server.lifespan.state["context"].dataplane, loops[0], order, asked)

    try:
        while not known.wait(LOOK_S / 10) and not over.is_set() and thread.is_alive():
            pass
        yield create_extension if loops else None
    finally:
        server.drain()
        thread.join()
