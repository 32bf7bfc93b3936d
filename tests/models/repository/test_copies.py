"""Private copies of folders: they go with the process that made them."""

import fcntl
import os
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from lab.graphs import write_identity_model
from models.errors import ModelConfigError
from models.repository.checksums import checked_version
from models.repository.copies import MIN_AGE_S, PREFIX, FolderCopy, remove_abandoned


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


def age(copy: Path) -> None:
    """Make a copy as old as that of a process that was killed long ago."""
    os.utime(copy.parent, (0, copy.parent.stat().st_mtime - 2 * MIN_AGE_S))


def test_a_copy_has_the_version_of_its_folder(tmp_path: Path, scratch: Path) -> None:
    folder = write_identity_model(tmp_path)
    with closing(FolderCopy(folder)) as copy:
        assert copy.path.name == folder.name
        assert checked_version(copy.path) == checked_version(folder)
    assert not list(scratch.iterdir())


def test_only_copies_of_dead_processes_are_removed(tmp_path: Path, scratch: Path) -> None:
    folder = write_identity_model(tmp_path)
    with closing(FolderCopy(folder)) as alive:
        age(alive.path)
        dead, young = (FolderCopy(folder) for _ in range(2))
        age(dead.path)
        for copy in (dead, young):
            os.close(copy._lock)  # noqa: SLF001  # as the kernel does it for a killed process
        (scratch / f"{PREFIX}of-others").mkdir()
        remove_abandoned()
        assert alive.path.exists()
        assert young.path.exists()
        assert not dead.path.parent.exists()
        assert (scratch / f"{PREFIX}of-others").exists()


def test_one_that_looks_for_abandoned_copies_keeps_nobody_from_copying(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It locks each copy for a moment, also one that was just made."""
    folder, made = write_identity_model(tmp_path), scratch / f"{PREFIX}made"
    made.mkdir()
    looking = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(looking, fcntl.LOCK_EX)
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **_: str(made))
    threading.Timer(0.2, os.close, (looking,)).start()
    with closing(FolderCopy(folder)) as copy:
        assert checked_version(copy.path) == checked_version(folder)


def test_what_cannot_be_copied_leaves_nothing(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(ModelConfigError, match="cannot be copied"):
        FolderCopy(tmp_path / "missing")
    assert not list(scratch.iterdir())


def test_without_a_temporary_folder_there_is_nothing_to_remove(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", fail)
    remove_abandoned()
