"""Clips: packets of a camera in MP4 files, as they came, never encoded again.

A clip is written as NAME.part, in fragments, so that what was written before a crash can be played. When it is whole,
FFmpeg adds the usual index (its flag hybrid_fragmented), and the file gets its name.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from player.errors import ClipError
from player.flow import MediaType, Packet
from player.media.mp4 import PART, Mp4File
from player.media.tracks import Content

MAX_RIVALS = 64
"""So many clips may take the same name at the same moment."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A file that is whole. `begin_s`, `end_s`: capture times of its first and last picture."""

    path: Path
    begin_s: float
    end_s: float
    size_bytes: int


class ClipWriter:
    """Writes one clip: one MP4 file, or one per session if the connection to the camera breaks meanwhile.

    `path`: of the file, such as clips/door.mp4; further files are called door-2.mp4, and so on, as is the first one if
    the name is taken. Files begin with a keyframe: packets before it are left out, as are those that were written
    already, and sound that MP4 cannot hold. After a ClipError, the writer ignores packets.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Mp4File | None = None
        self._session: int | None = None
        self._order_s: dict[MediaType, float] = {}
        self._begin_s = self._end_s = 0.0
        self._clips: list[Clip] = []
        self._has_failed = False

    @property
    def path(self) -> Path | None:
        """Return the path of the file that is being written, as it will be; None if there is none."""
        return None if self._file is None else self._file.path

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Return the files that are whole."""
        return tuple(self._clips)

    def write(self, packet: Packet) -> None:
        """Add a packet; they come in the order of the source. Raises ClipError, and then removes the file."""
        content = packet.content
        if self._has_failed or not isinstance(content, Content):
            return
        if packet.order_s <= self._order_s.get(packet.media_type, 0.0):
            return
        try:
            if packet.session != self._session:
                self._finish()
                self._session = packet.session
            self._add(packet, content)
        except ClipError:
            self._has_failed = True
            self.abandon()
            raise

    def _add(self, packet: Packet, content: Content) -> None:
        is_video = packet.media_type == "video"
        if self._file is None:
            if not is_video or not packet.is_keyframe:
                return
            if not content.track.fits_mp4:
                raise ClipError(f"MP4 files cannot hold video as {content.track.codec}.")
            self._file = _opened(self._path, content)
            self._begin_s = self._end_s = packet.at_s
        if self._file.write(content):
            self._order_s[packet.media_type] = packet.order_s
            self._end_s = max(self._end_s, packet.at_s) if is_video else self._end_s

    def close(self) -> tuple[Clip, ...]:
        """Finish the last file; return all. Raises ClipError, and then removes that file."""
        try:
            self._finish()
        except ClipError:
            self.abandon()
            raise
        return self.clips

    def _finish(self) -> None:
        if self._file is not None:
            size_bytes = self._file.finish()
            self._clips.append(Clip(self._file.path, self._begin_s, self._end_s, size_bytes))
            self._file = None

    def abandon(self) -> None:
        """Remove the file that is not whole."""
        file, self._file = self._file, None
        if file is not None:
            file.abandon()


def _opened(path: Path, first: Content) -> Mp4File:
    """Begin a file. Others may take the same name at the same moment: then another one is tried."""
    for _ in range(MAX_RIVALS):
        try:
            return Mp4File(free(path), first.tracks, first)
        except ClipError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
    raise ClipError(f"{path} cannot be written: others take all its names.")


def free(path: Path) -> Path:
    """Return a path that no file has, and none that is being written: the given one, or one with a number."""
    number, free = 1, path
    while os.path.lexists(free.with_name(free.name + PART)) or os.path.lexists(free):  # links count
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free
