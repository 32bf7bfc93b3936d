"""What becomes of the clips of one sink, as events."""

import logging
from collections.abc import Callable
from pathlib import Path

from player.errors import ClipError
from player.events import event as events
from player.events.event import Event, OutputType, Place, RecordingKind
from player.media.clips import Clip
from player.running.state import PipelineState

LOG = logging.getLogger("framehook")


class Recordings:
    """Reports the clips of one sink. `name`: of the recording; empty if each file is reported by its own path.

    Files of a recording without a gate are its segments: it starts with the first, is available once that is whole,
    and stops with the last.
    """

    def __init__(
        self,
        place: Place,
        publish: Callable[[Event], None],
        state: PipelineState,
        output_type: OutputType,
        name: str = "",
    ) -> None:
        self._place, self._publish, self._state = place, publish, state
        self._output_type, self._name = output_type, name
        self._is_open = self._is_available = False
        self._path = Path()

    def began(self, path: Path, at_s: float, correlation: str) -> None:
        """Report that a clip has begun."""
        if correlation or not self._is_open:
            self._is_open, self._path = not correlation, path
            self._report("RecordingStarted", path, at_s, correlation)

    def ended(self, clips: tuple[Clip, ...], path: Path, at_s: float, correlation: str) -> None:
        """Count a clip that is whole, and report it."""
        self._state.clips += len(clips)
        self._state.clip_bytes += sum(clip.size_bytes for clip in clips)
        if correlation:
            self._report("RecordingStopped", path, at_s, correlation)
        for clip in clips if correlation or not self._is_available else ():
            self._is_available = True
            self._report("RecordingAvailable", clip.path, at_s, correlation)

    def failed(self, error: ClipError, at_s: float) -> None:
        """Report that a clip could not be written."""
        self._state.clip_faults += 1
        LOG.warning("clip lost", extra={"facts": {"pipeline": self._place.pipeline, "reason": str(error)}})
        self._publish(events.storage_error(self._place, at_s, self._name or self._place.node))

    def finished(self, at_s: float) -> None:
        """Report that a recording without a gate is over."""
        if self._is_open:
            self._is_open = self._is_available = False
            self._report("RecordingStopped", self._path, at_s, "")

    def _report(self, kind: RecordingKind, path: Path, at_s: float, correlation: str) -> None:
        output = (self._output_type, self._name or str(path))
        self._publish(events.recording(self._place, kind, at_s, output, correlation))
