"""Private copies of models' folders, in the system's temporary folder: nobody else writes to them."""

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from models.errors import ModelConfigError
from models.repository.chains import chained_folders
from models.repository.files import copy_files

PREFIX = "framehook-"
MIN_AGE_S = 60.0
"""A younger copy may just be made, and not be locked yet."""


class FolderCopy:
    """A copy of one model's folder, and beside it of those that it gives its objects to.

    `path`: of the copy; it has the same name. It is locked while this process lives; systemd-tmpfiles does not clean
    locked folders either. Raises ModelConfigError when the folder cannot be copied.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._scratch = Path(tempfile.mkdtemp(prefix=PREFIX))
            self._lock = os.open(self._scratch, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise _cannot_copy(folder, error) from error
        self._root, self.path = folder.parent, self._scratch / folder.name
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)  # one that looks for abandoned copies may hold it for a moment
            self._copy(folder)
            for chained in chained_folders(self.path):
                if os.path.isdir(folder.parent / chained.name):  # noqa: PTH112  # else reading the copy says what is missing
                    self._copy(folder.parent / chained.name)
        except OSError as error:
            self.close()
            raise _cannot_copy(folder, error) from error
        except ModelConfigError:
            self.close()
            raise

    def _copy(self, folder: Path) -> None:
        copied = self._scratch / folder.name
        copied.mkdir()
        copy_files(folder, copied)

    def original(self, error: ModelConfigError) -> ModelConfigError:
        """Return an error about the copy as one about the folder that was copied."""
        return ModelConfigError(str(error).replace(str(self._scratch), str(self._root)))

    def close(self) -> None:
        """Remove the copy."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        os.close(self._lock)


def remove_abandoned() -> None:
    """Remove the copies of processes that were killed."""
    try:
        scratches = list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
    except OSError:  # there is no temporary folder
        return
    for scratch in scratches:
        with suppress(OSError):
            _remove_unless_locked(scratch)


def _remove_unless_locked(scratch: Path) -> None:
    lock = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.time() - os.fstat(lock).st_mtime > MIN_AGE_S:
            shutil.rmtree(scratch, ignore_errors=True)
    finally:
        os.close(lock)


def is_copy(folder: Path) -> bool:
    """Return whether a folder is such a copy."""
    return folder.parent.name.startswith(PREFIX)


def _cannot_copy(folder: Path, error: OSError) -> ModelConfigError:
    return ModelConfigError(f"{folder} cannot be copied: {error.strerror or error}.")
