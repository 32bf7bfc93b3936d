"""The folder of clips: what a crash has left in it, and how much it may hold."""

import fcntl
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import av

from player.errors import ClipError
from player.media.failures import DAMAGES
from player.media.mp4 import PART

NOTES = ".jsonl"
"""The ending of what was found in a clip."""


class Folder:
    """A folder of clips. Other files in it, links and folders are never touched. Methods raise ClipError.

    `pattern`: the regular expression of the names of the clips. `max_bytes`: of all clips together, `keep_s`: how long
    they are kept; None: no limit. What was found in a clip, a file of the same name that ends in .jsonl, goes with it.
    """

    def __init__(self, path: Path, pattern: str, max_bytes: int | None = None, keep_s: float | None = None) -> None:
        self.path, self._pattern = path, re.compile(pattern)
        self._max_bytes = math.inf if max_bytes is None else max_bytes
        self._keep_s = math.inf if keep_s is None else keep_s

    def prepare(self) -> tuple[Path, ...]:
        """Make the folder if there is none. Return the clips that a crash had left unfinished: they get their names.

        Those that cannot be played are removed; those that another process is writing are left alone.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            parts = [entry for entry in self._entries() if entry.name.endswith(PART)]
            return tuple(whole for part in parts if (whole := _recover(Path(part.path))) is not None)
        except OSError as error:
            raise ClipError(f"The folder {self.path} cannot be used: {error.strerror}.") from error

    def make_room(self) -> tuple[Path, ...]:
        """Remove the oldest clips until the rest is within the limits; the newest one stays. Return those.

        If the folder itself was removed, it is made again, but none above it: those may be a disk that is away.
        """
        with suppress(OSError):  # those who write to it will say so
            self.path.mkdir(exist_ok=True)
        if math.isinf(self._max_bytes) and math.isinf(self._keep_s):
            return ()
        try:
            return tuple(self._remove_oldest(time.time() - self._keep_s))
        except OSError as error:
            raise ClipError(f"Old clips in {self.path} cannot be removed: {error.strerror}.") from error

    def _remove_oldest(self, since_s: float) -> Iterator[Path]:
        found = sorted(filter(_is_there, self._entries()), key=lambda entry: (_stat(entry).st_mtime_ns, entry.name))
        rest_bytes = sum(_stat(entry).st_size for entry in found)
        whole = [entry for entry in found if not entry.name.endswith(PART)]
        for entry in whole[:-1]:
            if rest_bytes <= self._max_bytes and _stat(entry).st_mtime >= since_s:
                return
            Path(entry.path).unlink(missing_ok=True)
            Path(entry.path).with_suffix(NOTES).unlink(missing_ok=True)
            rest_bytes -= _stat(entry).st_size
            yield Path(entry.path)

    def _entries(self) -> list["os.DirEntry[str]"]:
        """Return the clips, whole and unfinished."""
        with os.scandir(self.path) as entries:
            return [entry for entry in entries if self._is_clip(entry)]

    def _is_clip(self, entry: "os.DirEntry[str]") -> bool:
        name = entry.name.removesuffix(PART)
        return self._pattern.fullmatch(name) is not None and entry.is_file(follow_symlinks=False)


def _stat(entry: "os.DirEntry[str]") -> os.stat_result:
    return entry.stat(follow_symlinks=False)  # kept by the entry, also when the file is removed


def _is_there(entry: "os.DirEntry[str]") -> bool:
    """Whether a file is still there: others may remove clips of the same folder."""
    try:
        _stat(entry)
    except FileNotFoundError:
        return False
    return True


def _recover(part: Path) -> Path | None:
    """Give an unfinished clip its name, or remove it; return its path if it is a clip now."""
    with suppress(FileNotFoundError):
        lock = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            whole = part.with_name(part.name.removesuffix(PART))
            if whole.exists() or not _is_playable(part):
                part.unlink()
                return None
            part.rename(whole)
        except BlockingIOError:
            return None
        else:
            return whole
        finally:
            os.close(lock)
    return None


def _is_playable(path: Path) -> bool:
    """Return whether a file has video to show."""
    try:
        with av.open(f"file:{path}", format="mp4", options={"protocol_whitelist": "file"}) as container:
            return any(packet.size for packet in container.demux(container.streams.video[0]))
    except DAMAGES:
        return False
