"""One MP4 file, from its first packet to its name."""

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import av

from player.errors import ClipError
from player.media.failures import DAMAGES
from player.media.tracks import Content, Track

if TYPE_CHECKING:
    from av.stream import Stream

PART = ".part"
"""The end of the names of files that are not whole."""
OPTIONS = {
    "movflags": "+hybrid_fragmented+frag_keyframe+default_base_moof+delay_moov",  # delayed for B-frames
    "frag_duration": "1000000",  # in microseconds: what a crash may cost, besides the packets of other streams
    "flush_packets": "1",
    "max_interleave_delta": "1000000",  # in microseconds: how long one stream is held back for another
}
FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
TAGS = {"hevc": "hvc1"}
"""The name of a codec within the file, where the usual one is not played by all players."""


class Mp4File:
    """An MP4 file that is being written. Its first picture is shown at 0. All methods raise ClipError.

    `path`: of the whole file, in a folder that there is; it is not there yet. `tracks`: of the session; those that MP4
    cannot hold are left out. `first`: the keyframe that it begins with.
    """

    def __init__(self, path: Path, tracks: Sequence[Track], first: Content) -> None:
        self.path, self._part = path, path.with_name(path.name + PART)
        self._begin = first.packet.pts or 0
        self._streams: dict[Track, Stream] = {}
        with _writing(path):
            # FFmpeg would not close a file of its own if it cannot write the header.
            self._file = os.fdopen(os.open(self._part, FLAGS, 0o666), "wb")
            try:
                _refuse_taken(path)  # another clip may have become whole since the name was found to be free
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # Folder.prepare leaves locked files alone
                self._container = av.open(self._file, "w", format="mp4", options=OPTIONS)
                self._add_streams(tracks)
            except BaseException:
                self._remove()
                raise

    def _add_streams(self, tracks: Sequence[Track]) -> None:
        for track in tracks:
            if track.fits_mp4:
                stream = self._container.add_stream_from_template(track.template, opaque=True)
                if track.codec in TAGS:
                    stream.codec_context.codec_tag = TAGS[track.codec]
                self._streams[track] = stream

    def write(self, content: Content) -> bool:
        """Add a packet; return False if the file cannot have it: it is earlier than the first, or of another stream."""
        stream = self._streams.get(content.track)
        packet = content.copy()
        if stream is None or packet.pts is None or packet.dts is None or packet.pts < self._begin:
            return False
        packet.pts, packet.dts = packet.pts - self._begin, packet.dts - self._begin
        packet.stream = stream
        with _writing(self.path):
            self._container.mux_one(packet)
            self._file.flush()
        return True

    def finish(self) -> int:
        """Write the index, see that all is on the disk, and give the file its name. Return its size in bytes."""
        with _writing(self.path), self._file:
            self._container.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            _refuse_taken(self.path)
            self._part.rename(self.path)
            _sync_folder(self.path.parent)
            return os.fstat(self._file.fileno()).st_size

    def abandon(self) -> None:
        """Remove the file."""
        self._remove()
        with suppress(*DAMAGES):
            self._container.close()  # writes nothing, since the file is closed

    def _remove(self) -> None:
        with suppress(OSError):  # such as a disk that cannot be written any longer
            self._part.unlink()
        with suppress(OSError):
            self._file.close()


def _refuse_taken(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGES as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ClipError(f"{path} cannot be written: {reason}.") from error


def _sync_folder(path: Path) -> None:
    """See that the names of its files are on the disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
