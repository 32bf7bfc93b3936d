"""The settings of streams, in YAML files of one folder: NAME.yaml for a stream, default.yaml for all that have none."""

import logging
import os
import re
import threading
from pathlib import Path
from urllib.parse import unquote

from pydantic import ValidationError

from handlers.context import STREAM_NAME
from handlers.errors import ConfigurationError
from models.errors import ModelConfigError
from models.repository.folder import first_fault
from models.repository.plain_yaml import read_plain_yaml
from scene.settings import StreamSettings

DEFAULT = "default"
MAX_FILES = 1000
SUFFIX = ".yaml"
ESCAPED = re.compile(r"[/%]|^\.")
"""Characters of a stream's name that no file's name can have, or that would mean another one."""

logger = logging.getLogger("framehook")


def file_name(stream: str) -> str:
    """Return the name of a stream's file: as the stream, but / is %2F, % is %25, and a dot at the beginning %2E."""
    return ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", stream) + SUFFIX


def read_settings(path: Path) -> StreamSettings:
    """Return what a file says; raises ConfigurationError, which names file, key and remedy."""
    try:
        return StreamSettings.model_validate(read_plain_yaml(path) or {})
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {first_fault(error)}") from error
    except ModelConfigError as error:
        raise ConfigurationError(str(error)) from error


class SettingsOfStreams:
    """What holds for each stream. Reading is for the event loop and costs nothing; `look` is for another thread.

    `folder`: None means that no stream has settings. Raises ConfigurationError if it cannot be read or a file is wrong.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._by_stream: dict[str, StreamSettings] = {}
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._lock = threading.Lock()
        for fault in self._changes():
            raise ConfigurationError(fault)

    def __len__(self) -> int:
        """Return how many files hold."""
        return len(self._by_stream)

    def of(self, stream: str) -> StreamSettings | None:
        """Return what holds for a stream; None: nothing is set."""
        return (self._by_stream.get(stream) or self._by_stream.get(DEFAULT)) if stream else None

    def look(self) -> None:
        """Take over files that have changed. One that is wrong is logged, and what it said before still holds."""
        try:
            for fault in self._changes():
                logger.warning("stream settings rejected", extra={"facts": {"reason": fault}})
        except ConfigurationError as error:
            logger.warning("stream settings not watched", extra={"facts": {"reason": str(error)}})

    def _changes(self) -> list[str]:
        """Read the files that are new or have changed, and forget those that are gone; return what is wrong."""
        if self._folder is None:
            return []
        faults = []
        with self._lock:
            files = _files_of(self._folder)
            by_stream = {name: settings for name, settings in self._by_stream.items() if file_name(name) in files}
            for file, seen in files.items():
                if seen == self._seen.get(file):
                    continue
                try:
                    by_stream[_stream_of(self._folder / file)] = read_settings(self._folder / file)
                except ConfigurationError as error:
                    faults.append(str(error))
            self._seen, self._by_stream = files, by_stream
        return faults


def _files_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return the names of the files with settings, sorted, and what differs once one has changed."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file())
        facts = {name: (folder / name).stat() for name in names}
    except OSError as error:
        raise ConfigurationError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    if len(names) > MAX_FILES:
        raise ConfigurationError(f"The folder {folder} has more than {MAX_FILES} files.")
    return {name: (fact.st_ino, fact.st_size, fact.st_mtime_ns) for name, fact in facts.items()}


def _stream_of(path: Path) -> str:
    """Return the name of the stream whose settings a file holds; raises ConfigurationError."""
    stream = unquote(path.name.removesuffix(SUFFIX))
    if not path.name.endswith(SUFFIX) or not STREAM_NAME.fullmatch(stream):
        raise ConfigurationError(f"{path}: expected a file named as its stream, and {SUFFIX} behind that.")
    if path.name != file_name(stream):
        raise ConfigurationError(f"{path}: the file of this stream is named {file_name(stream)}.")
    return stream
