"""Events as lines of JSON: to standard output, or appended to a file."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from player.events.event import Event, as_json
from player.events.output import EndedError, LaterError, Link


class StandardOutput:
    """Writes lines to standard output, past Python's own buffer. `descriptor`: of what is written to."""

    name, window = "standard output", 1

    def __init__(self, descriptor: int = 1) -> None:
        self.link = Link(self.name)
        self._descriptor, self._event_id, self._rest = descriptor, "", b""

    def deliver(self, events: Sequence[Event]) -> int:
        """Write an event. Raises LaterError, after which the rest of the line follows, and EndedError."""
        event = events[0]
        if self._event_id != event.id:
            self._event_id, self._rest = event.id, as_json(event.as_record()) + b"\n"
        try:
            while self._rest:
                self._rest = self._rest[os.write(self._descriptor, self._rest) :]
        except BrokenPipeError as error:
            raise EndedError("Nobody reads standard output any longer.") from error
        except OSError as error:
            raise LaterError(f"Standard output cannot be written: {error.strerror}.") from error
        return 1

    def close(self) -> None:
        """Leave it open: it is not ours."""


class LineFile:
    """Appends lines to a file, and opens the file anew when it was moved away or removed."""

    window = 1

    def __init__(self, path: Path) -> None:
        self.name, self.link = str(path), Link(str(path))
        self._path, self._lock, self._file = path, threading.Lock(), -1

    def deliver(self, events: Sequence[Event]) -> int:
        """Append an event. A line is written as a whole or not at all. Raises LaterError."""
        line = as_json(events[0].as_record()) + b"\n"
        with self._lock:
            try:
                self._open_if_needed()
                self._append(line)
            except OSError as error:
                self._close()
                raise LaterError(f"{self.name} cannot be written: {error.strerror}.") from error
        return 1

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._close()

    def _open_if_needed(self) -> None:
        if self._file >= 0 and not self._is_still_there():
            self._close()
        if self._file < 0:
            self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._end_last_line()

    def _is_still_there(self) -> bool:
        """Whether the path still leads to the open file."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file))  # noqa: PTH116  # beside fstat
        except FileNotFoundError:
            return False

    def _end_last_line(self) -> None:
        """Begin a new line if a former process was stopped within one."""
        size_bytes = os.fstat(self._file).st_size
        if size_bytes and os.pread(self._file, 1, size_bytes - 1) != b"\n":
            os.write(self._file, b"\n")

    def _append(self, line: bytes) -> None:
        before_bytes = os.fstat(self._file).st_size
        try:
            written_bytes = os.write(self._file, line)
            while written_bytes < len(line):
                written_bytes += os.write(self._file, line[written_bytes:])
        except OSError:
            os.ftruncate(self._file, before_bytes)
            raise

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
