"""One pipeline that runs: a thread that reads its source and passes what comes through the nodes."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from player.errors import SourceError
from player.events import event as events
from player.events.event import Event, Place
from player.flow import Frame, Item, Packet, Picture, Signal
from player.media.pictures import Decoder
from player.media.reading import Reader
from player.media.sources import Session, Source
from player.running.building import Built
from player.running.faults import source_fault
from player.running.graph import Graph
from player.running.state import PipelineState

NOTHING = Built({}, {}, (), decodes=False)
LOG = logging.getLogger("framehook")
LAST_ANSWER_S, STOPPED_ANSWER_S = 15.0, 1.0
"""How long the end of a file waits for the answer to its last frame, and how long a pipeline that is stopped does."""
SILENT_S = 1.0
"""How long a source that is silent may keep a pipeline from ending; its thread ends later, by itself."""


@runtime_checkable
class Finishing(Protocol):
    """A node that has something to do when nothing follows."""

    def finish(self) -> Iterable[Item]:
        """Yield what still goes on."""
        ...


class Pipeline:
    """Reads a source, and passes what comes through the nodes, in a thread of its own.

    `place`: the source's node, for events. `publish`: takes events. `on_end`: called by its thread when it has ended.
    """

    def __init__(
        self, place: Place, state: PipelineState, publish: Callable[[Event], None], on_end: Callable[[], None]
    ) -> None:
        self.state = state
        self._place, self._publish, self._on_end = place, publish, on_end
        self._lock = threading.Lock()
        self._is_over = self._is_stopped = False
        self._built, self._graph = NOTHING, Graph({}, {})
        self._reader: Reader | None = None
        self._thread: threading.Thread | None = None

    def start(self, source: Source, built: Built) -> None:
        """Begin to read."""
        self._built, self._graph = built, Graph(built.nodes, built.links)
        reader = self._reader = Reader(source, self)
        self._thread = threading.Thread(
            target=self._run, args=(reader, built), name=f"pipeline {self.state.name}", daemon=True
        )
        self._thread.start()

    def emit(self, node: str, items: Iterable[Item]) -> None:
        """Pass on what a node gives on its own, such as the answer that an extension had to wait for."""
        with self._lock:
            for item in items:
                if not self._is_over:
                    self._graph.pass_on(node, item)

    def signal(self, node: str, at_s: float) -> None:
        """Pass on that a message has come to a hub source."""
        self.emit(node, [Signal(at_s)])

    def stop(self) -> None:
        """End soon. May be called by any thread."""
        self._is_stopped = True
        if self._reader:
            self._reader.stop()

    def join(self) -> None:
        """Wait until it has ended."""
        if self._thread:
            self._thread.join()

    def on_session(self, session: Session) -> None:
        """Take note that the source sends."""
        self.state.sessions += 1
        self.state.phase, self.state.fault = "playing", ""
        self._log(logging.INFO, "source connected")
        self._publish(events.media_session_established(self._place, time.time(), session.sdp))

    def on_lost(self, error: SourceError) -> None:
        """Take note that the source is away: clips end. The same fault is reported once."""
        self._finish_nodes()
        is_news = str(error) != self.state.fault
        self.state.phase, self.state.fault = "connecting", str(error)
        if is_news:
            self._log(logging.WARNING, "source lost", reason=str(error))
            self._publish(source_fault(self._place, error, self.state.source))

    def _run(self, reader: Reader, built: Built) -> None:
        try:
            self._read_all(reader, built)
        except Exception as error:  # a fault of the player ends this pipeline, and no other
            self.state.phase, self.state.fault = "failed", "This is a fault of the player; the log says more."
            LOG.exception("pipeline failed", exc_info=error, extra={"facts": {"pipeline": self.state.name}})
            self._publish(events.runtime_error(self._place, time.time(), type(error).__name__))
        finally:
            reader.stop()
            reader.join(SILENT_S)
            self._on_end()

    def _read_all(self, reader: Reader, built: Built) -> None:
        """Read until the source ends, then let the nodes end, whatever has happened."""
        try:
            self._read(reader, built)
            self.state.phase = "ended"
        except SourceError as error:
            self.on_lost(error)
            self.state.phase = "failed"
        finally:
            self._finish(built)

    def _read(self, reader: Reader, built: Built) -> None:
        decoder = Decoder()
        for packet in reader:
            self.state.packets += 1
            self.state.received_bytes += packet.size_bytes
            self.state.at_s = max(self.state.at_s, packet.at_s)
            self._pass_on([packet])
            if built.decodes:
                self._pass_on(self._frames(decoder.decode(packet)))
        self._pass_on(self._frames(decoder.flush()))

    def _frames(self, pictures: Iterable[tuple[float, Picture]]) -> Iterable[Frame]:
        for at_s, picture in pictures:
            self.state.frames += 1
            yield Frame(at_s, picture)

    def _pass_on(self, items: Iterable[Packet | Frame]) -> None:
        with self._lock:
            for item in items:
                self._graph.pass_on(self._place.node, item)

    def _finish(self, built: Built) -> None:
        """Let nodes give what they still hold, then end their connections."""
        for extension in built.extensions:
            extension.wait(self._patience_s)
        try:
            self._finish_nodes()
        finally:
            with self._lock:
                self._is_over = True
            for extension in built.extensions:
                extension.close()

    @property
    def _patience_s(self) -> float:
        """How long an answer is waited for, now that nothing follows."""
        if self.state.phase != "ended":
            return 0
        return STOPPED_ANSWER_S if self._is_stopped else LAST_ANSWER_S

    def _finish_nodes(self) -> None:
        """Let nodes give what they still hold, each after those whose items it takes."""
        with self._lock:
            for name in self._built.order:
                node = self._built.nodes[name]
                for item in node.finish() if isinstance(node, Finishing) else ():
                    self._graph.pass_on(name, item)

    def _log(self, level: int, message: str, **facts: object) -> None:
        LOG.log(level, message, extra={"facts": {"pipeline": self.state.name, "source": self.state.source, **facts}})
