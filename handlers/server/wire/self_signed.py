"""The service's own certificate, for the lab: made once and kept, so that its fingerprint stays the same."""

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handlers.errors import ConfigurationError
from handlers.server.wire.certificates import is_valid_for, make_certificate

CERTIFICATE_NAME, KEY_NAME = "self-signed.pem", "self-signed.key"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
ALL_ADDRESSES = {"0.0.0.0", "::"}  # noqa: S104  # addresses to listen on that name no host


def state_folder() -> Path:
    """Return where programs keep a user's state: framehook's folder in that of the XDG base directories."""
    state = os.environ.get("XDG_STATE_HOME") or Path(os.environ.get("HOME", "/")) / ".local" / "state"
    return Path(state) / "framehook"


def self_signed(host: str) -> tuple[Path, Path]:
    """Return the paths of a certificate for `host` and its key; makes them unless valid ones lie in the state folder.

    Raises ConfigurationError when the folder cannot be written.
    """
    folder = state_folder()
    certificate_path, key_path = folder / CERTIFICATE_NAME, folder / KEY_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
        with _locked(folder):
            if not (key_path.exists() and certificate_path.exists() and _is_valid(certificate_path, host)):
                certificate, key = make_certificate({*LOCAL_NAMES, socket.gethostname(), host} - ALL_ADDRESSES)
                _write(key_path, key, stat.S_IRUSR | stat.S_IWUSR)
                _write(certificate_path, certificate, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IROTH)
    except OSError as error:
        raise ConfigurationError(
            f"The folder {folder} cannot hold a certificate ({error.strerror}); set XDG_STATE_HOME to another."
        ) from error
    return certificate_path, key_path


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out that start at the same time."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file that nobody sees half-written, and that has its mode from the beginning."""
    new_path = path.with_suffix(".new")
    new_path.unlink(missing_ok=True)
    with os.fdopen(os.open(new_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    new_path.replace(path)


def _is_valid(path: Path, host: str) -> bool:
    return is_valid_for(path.read_bytes(), None if host in ALL_ADDRESSES else host)
