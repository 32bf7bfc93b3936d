"""The settings of streams, in YAML files of one folder: NAME.yaml for a stream, default.yaml for all that have none."""

import errno
import logging
import os
import re
import secrets
import stat
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote

import yaml
from pydantic import ValidationError

from handlers.errors import (
    ConfigurationError,
    InvalidStreamSettingsError,
    NoStreamSettingsError,
    StreamSettingsLockedError,
)
from handlers.parsing.queries import STREAM_NAME
from models.errors import ModelConfigError
from models.repository.folder import escaped, first_fault
from models.repository.plain_yaml import MAX_BYTES, read_plain_yaml
from scene.settings import OTHERS, StreamSettings

DEFAULT = "default"
MAX_FILES = 1000
MAX_SETTINGS_BYTES = MAX_BYTES
"""Of settings that come over HTTP: as many as a file may have."""
MAX_SHOWN = 300
"""Characters of a sentence about settings that came over HTTP: it names their keys."""
SUFFIX = ".yaml"
ESCAPED = re.compile(r"[/%]|^\.")
"""Characters of a stream's name that no file's name can have, or that would mean another one."""

State: TypeAlias = tuple[int, int, int]
"""What differs once a file has changed: which one it is, its size, and its time."""

logger = logging.getLogger("framehook")


def file_name(stream: str) -> str:
    """Return the name of a stream's file: as the stream, but / is %2F, % is %25, and a dot at the beginning %2E."""
    return ESCAPED.sub(lambda found: f"%{ord(found[0]):02X}", stream) + SUFFIX


def read_settings(path: Path) -> StreamSettings:
    """Return what a file says; raises ConfigurationError, which names file, key and remedy."""
    try:
        document = read_plain_yaml(path)
        return StreamSettings.model_validate({} if document is None else document)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {first_fault(error)}") from error
    except ModelConfigError as error:
        raise ConfigurationError(str(error)) from error


def checked_settings(document: object) -> StreamSettings:
    """Return the settings that came over HTTP; raises InvalidStreamSettingsError."""
    try:
        return StreamSettings.model_validate(document)
    except ValidationError as error:
        raise InvalidStreamSettingsError(escaped(first_fault(error))[:MAX_SHOWN]) from error


def refuse_unknown_names(settings: StreamSettings, path: Path, labels: Mapping[str, Collection[str]]) -> None:
    """Raise ConfigurationError for the settings of a file that name a model, or a label, that does not exist.

    `labels`: model → its labels.
    """
    if settings.model is not None and settings.model not in labels:
        raise ConfigurationError(f"{path}: model: no such model; the models are: {', '.join(labels)}.")
    known = set().union(*labels.values()) if settings.model is None else set(labels[settings.model])
    named = [("thresholds", label) for label in settings.thresholds if label != OTHERS]
    named += [(f"lines.{line.name}", label) for line in settings.lines for label in line.labels]
    named += [(f"zones.{zone.name}", label) for zone in settings.zones for label in zone.labels]
    for place, label in named:
        if label not in known:
            raise ConfigurationError(f"{path}: {place}: no model for this stream has the label {label}.")


class SettingsOfStreams:
    """The settings of each stream. Reading is for the event loop and costs nothing; the rest is for other threads.

    `folder`: None means that no stream has settings. Raises ConfigurationError if it cannot be read or a file is wrong.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._by_stream: dict[str, StreamSettings] = {}
        self._seen: Mapping[str, State | None] = {}
        self._said: list[str] = []
        self._lock = threading.Lock()
        for fault in self._changes():
            raise ConfigurationError(fault)

    def __len__(self) -> int:
        """Return how many streams have settings of their own."""
        return len(self._by_stream)

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the streams that have settings of their own."""
        return iter(self._by_stream)

    def __contains__(self, stream: str) -> bool:
        """Return whether a stream has settings of its own."""
        return stream in self._by_stream

    def of(self, stream: str) -> StreamSettings | None:
        """Return the settings for a stream, its own or the default ones; None: it has none."""
        return (self._by_stream.get(stream) or self._by_stream.get(DEFAULT)) if stream else None

    def refuse_unknown_names(self, labels: Mapping[str, Collection[str]]) -> None:
        """Raise ConfigurationError as the function of that name does, for the files of all streams."""
        for stream, settings in self._by_stream.items():
            refuse_unknown_names(settings, self._path_of(stream), labels)

    def model_of(self, stream: str) -> str | None:
        """Return the model for frames of a stream whose path names none; None: the default one."""
        settings = self.of(stream)
        return settings.model if settings else None

    def look(self) -> None:
        """Read files that have changed, and log which. A wrong one is logged, too; its earlier settings stay in use."""
        before = self._by_stream
        try:
            faults = self._changes()
        except ConfigurationError as error:
            faults = [str(error)]
        for fault in faults:
            if fault not in self._said:
                logger.warning("stream settings rejected", extra={"facts": {"reason": fault}})
        self._said = faults
        after = self._by_stream
        for stream in sorted(before.keys() | after.keys()):
            if before.get(stream) is not after.get(stream):
                logger.info("stream settings changed", extra={"facts": {"stream": stream}})

    def put(self, stream: str, settings: StreamSettings) -> None:
        """Write the settings of a stream; raises InvalidStreamSettingsError and StreamSettingsLockedError."""
        if not STREAM_NAME.fullmatch(stream):
            raise InvalidStreamSettingsError("A stream's name has 1 to 128 printable characters.")
        path = self._path_of(stream)
        text = yaml.safe_dump(settings.as_document(), sort_keys=False, allow_unicode=True, default_flow_style=None)
        if len(text.encode()) > MAX_SETTINGS_BYTES:
            raise InvalidStreamSettingsError(f"As a file the settings would have more than {MAX_SETTINGS_BYTES} bytes.")
        with self._lock:
            if path.name not in self._seen and len(self._seen) >= MAX_FILES:
                raise StreamSettingsLockedError(
                    f"There are settings of {MAX_FILES} streams, the most that there can be."
                )
            _replace(path, text)
            self._seen = {**self._seen, path.name: _state_of(path)}
            self._by_stream = self._by_stream | {stream: settings}

    def remove(self, stream: str) -> None:
        """Remove the settings of a stream; raises NoStreamSettingsError and StreamSettingsLockedError."""
        path = self._path_of(stream)
        with self._lock:
            if stream not in self._by_stream:
                raise NoStreamSettingsError
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise StreamSettingsLockedError(f"The file cannot be removed: {error.strerror}.") from error
            self._seen = {name: state for name, state in self._seen.items() if name != path.name}
            self._by_stream = {name: settings for name, settings in self._by_stream.items() if name != stream}

    def _path_of(self, stream: str) -> Path:
        if self._folder is None:
            raise StreamSettingsLockedError(
                "This service has no folder for the settings of streams; set FRAMEHOOK_STREAMS."
            )
        return self._folder / file_name(stream)

    def _changes(self) -> list[str]:
        """Read the files that are new or have changed, and forget those that are gone; return what is wrong."""
        if self._folder is None:
            return []
        faults = []
        with self._lock:
            files = _files_of(self._folder)
            by_stream = {name: settings for name, settings in self._by_stream.items() if file_name(name) in files}
            for file, state in list(files.items()):
                if state == self._seen.get(file):
                    continue
                try:
                    stream = _stream_of(self._folder / file)
                    settings = read_settings(self._folder / file)
                    if settings != by_stream.get(stream):  # what the same settings remember is kept
                        by_stream[stream] = settings
                except ConfigurationError as error:
                    faults.append(str(error))
                    del files[file]  # it is read again at the next look
            self._seen, self._by_stream = files, by_stream
        return faults


def _files_of(folder: Path) -> dict[str, State]:
    """Return the names of the files with settings, sorted, and their states. Hidden files are none."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        states = ((path.name, _state_of(path)) for path in paths)
        files = dict(islice(((name, state) for name, state in states if state), MAX_FILES + 1))
    except OSError as error:
        raise ConfigurationError(f"The folder {folder} cannot be read: {error.strerror}.") from error
    if len(files) > MAX_FILES:
        raise ConfigurationError(f"The folder {folder} has more than {MAX_FILES} files.")
    return files


def _state_of(path: Path) -> State | None:
    """Return the state of a file; None if it is none, has just gone, or is a link that leads nowhere."""
    try:
        facts = path.stat()
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ELOOP}:
            return None
        raise
    return (facts.st_ino, facts.st_size, facts.st_mtime_ns) if stat.S_ISREG(facts.st_mode) else None


def _stream_of(path: Path) -> str:
    """Return the name of the stream whose settings a file holds; raises ConfigurationError."""
    stream = unquote(path.name.removesuffix(SUFFIX))
    is_text = os.fsencode(path.name).decode(errors="replace") == path.name
    if not is_text or not path.name.endswith(SUFFIX) or not STREAM_NAME.fullmatch(stream):
        raise ConfigurationError(f"{path.parent / escaped(path.name)}: expected the name of a stream, then {SUFFIX}.")
    if path.name != file_name(stream):
        raise ConfigurationError(f"{path}: the file of this stream is named {file_name(stream)}.")
    return stream


def _replace(path: Path, text: str) -> None:
    """Write a file as a whole, so that nobody reads half of it; raises StreamSettingsLockedError."""
    beside = path.with_name(f".{secrets.token_hex(8)}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):  # a read-only file system refuses to delete even what is not there
            beside.unlink()
        raise StreamSettingsLockedError(f"The settings cannot be written: {error.strerror}.") from error
