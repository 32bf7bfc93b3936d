"""Sinks that write clips: each activation of a signal gate, or segment after segment without one."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from player.errors import ClipError
from player.events.event import ticks
from player.flow import Activation, Frame, Item, Packet
from player.media.clips import Clip, ClipWriter, free
from player.media.folder import NOTES, Folder

SUFFIX = ".mp4"
APPENDING = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Reporter(Protocol):
    """Learns what becomes of clips. `at_s`: a capture time; `correlation`: names the activation, if there is one."""

    def began(self, path: Path, at_s: float, correlation: str) -> None:
        """Take note that a clip has begun."""
        ...

    def ended(self, clips: tuple[Clip, ...], path: Path, at_s: float, correlation: str) -> None:
        """Take note that a clip is whole, in one file or more."""
        ...

    def failed(self, error: ClipError, at_s: float) -> None:
        """Take note that a clip could not be written."""
        ...

    def finished(self, at_s: float) -> None:
        """Take note that no clip follows."""
        ...


@dataclass(frozen=True, slots=True)
class Segments:
    """Where and how clips are kept.

    `name`: returns a file's name, without ending, for a capture time. `segment_s`: how long a clip is without a gate;
    None: until the end.
    """

    folder: Folder
    name: Callable[[float], str]
    segment_s: float | None = None


class Recorder:
    """Writes what reaches it into clips, and what was found in frames into a file beside each."""

    def __init__(self, segments: Segments, reporter: Reporter) -> None:
        self._segments, self._reporter = segments, reporter
        self._writing: _Writing | None = None
        self._is_gated = False
        self._activations: set[str] = set()
        """Those that have begun and not ended: one, or one of each gate before the sink."""
        self._last_s = 0.0

    def take(self, item: Item, port: int) -> Iterator[Item]:  # noqa: ARG002  # all inputs are alike
        """Write an item; nothing goes on."""
        match item:
            case Activation(kind="begin"):
                self._open(item)
            case Activation():
                self._activations.discard(item.correlation)
                if not self._activations:
                    self._end()
            case Packet():
                self._write(item)
            case Frame() if self._writing:
                try:
                    self._writing.note(item)
                except ClipError as error:
                    self._fail(error, item.at_s)
        return iter(())

    def finish(self) -> Iterator[Item]:
        """End the clip that is being written: nothing follows."""
        end_s = self._writing.end_s if self._writing else self._last_s
        self._end()
        self._activations.clear()
        self._reporter.finished(end_s)
        return iter(())

    def _open(self, begin: Activation) -> None:
        """Begin a clip, unless another gate has begun one, which goes on until both are closed."""
        self._is_gated = True
        if not self._activations:
            self._end()
            self._begin(begin.at_s, begin.correlation)
        self._activations.add(begin.correlation)

    def _write(self, packet: Packet) -> None:
        if not self._is_gated and self._is_due(packet):
            self._end()
            self._begin(packet.at_s, "")
        if self._writing:
            try:
                self._writing.write(packet)
            except ClipError as error:
                self._fail(error, packet.at_s)

    def _is_due(self, packet: Packet) -> bool:
        """Return whether a segment begins with a packet."""
        if packet.media_type != "video" or not packet.is_keyframe:
            return False
        segment_s = self._segments.segment_s
        return self._writing is None or (segment_s is not None and packet.at_s >= self._writing.begin_s + segment_s)

    def _begin(self, at_s: float, correlation: str) -> None:
        segments = self._segments
        try:
            segments.folder.make_room()
        except ClipError as error:
            self._fail(error, at_s)
        path = free(segments.folder.path / (segments.name(at_s) + SUFFIX))
        self._writing = _Writing(ClipWriter(path), path, at_s, correlation)
        self._reporter.began(path, at_s, correlation)

    def _end(self) -> None:
        writing, self._writing = self._writing, None
        if writing is None:
            return
        self._last_s = writing.end_s
        try:
            clips = writing.close()
        except ClipError as error:
            self._fail(error, writing.end_s)
        else:
            self._reporter.ended(clips, clips[0].path if clips else writing.path, writing.end_s, writing.correlation)

    def _fail(self, error: ClipError, at_s: float) -> None:
        self._reporter.failed(error, at_s)


class _Writing:
    """One clip that is being written, from `begin_s` on."""

    def __init__(self, writer: ClipWriter, path: Path, begin_s: float, correlation: str) -> None:
        self._writer, self.path, self.begin_s, self.correlation = writer, path, begin_s, correlation
        self.end_s = begin_s

    def write(self, packet: Packet) -> None:
        with self._notes_go_with_clips():
            self._writer.write(packet)
        self.end_s = max(self.end_s, packet.at_s)

    def note(self, frame: Frame) -> None:
        """Write what was found in a frame, as a line of JSON beside the current file. Raises ClipError."""
        path = self._writer.path
        if frame.findings and path:
            found = [inference for finding in frame.findings for inference in finding.inferences]
            line = json.dumps({"timestamp": ticks(frame.at_s), "inferences": found}, ensure_ascii=False)
            try:
                notes_fd = os.open(path.with_suffix(NOTES), APPENDING, 0o666)
                with os.fdopen(notes_fd, "a", encoding="utf-8") as notes:
                    notes.write(line + "\n")
            except OSError as error:
                raise ClipError(f"What was found cannot be written beside {path}: {error.strerror}.") from error

    def close(self) -> tuple[Clip, ...]:
        with self._notes_go_with_clips():
            return self._writer.close()

    @contextmanager
    def _notes_go_with_clips(self) -> Iterator[None]:
        """Remove the notes of a file that cannot be written."""
        path = self._writer.path
        try:
            yield
        except ClipError:
            if path and path not in [clip.path for clip in self._writer.clips]:
                with suppress(OSError):
                    path.with_suffix(NOTES).unlink()
            raise
