"""How a model of the catalogue gets into a model repository: whole, checked, in one step.

Its files are put together in a folder whose name begins with a dot, so nobody serves them before they are complete. If
a download breaks off, what came stays there, and the next call goes on with it.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from models.catalogue.download import Download, Patience, SourceError
from models.catalogue.entries import Entry
from models.errors import PullError
from models.repository.files import WEIGHTS_NAME, chunks_of

SHOWN_DIGITS = 12
"""Of a sha256, where it makes a name unique."""
PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Staged:
    """A model that is being put together.

    `folder`: has the model's name, and lies in a folder of the repository `root` whose name begins with a dot.
    """

    entry: Entry
    folder: Path
    root: Path

    @property
    def weights(self) -> Path:
        """Return the path of the weights."""
        return self.folder / WEIGHTS_NAME

    def download(self, mirror: str | None, report: Callable[[int], None]) -> None:
        """Bring the weights from the mirror, or from the catalogue's URLs one after the other.

        Raises PullError, which says what was wrong with each.
        """
        urls = [f"{mirror.rstrip('/')}/{self.folder.name}.onnx"] if mirror else self.entry.urls
        faults = []
        for url in urls:
            try:
                self._download_from(Download(url, self.entry.size_bytes, report, PATIENCE))
            except SourceError as error:
                faults.append(f"{_shown(url)} {error}")
            else:
                return
        kept = " What came is kept: the same command goes on with it." if _size_bytes(self.weights) else ""
        raise PullError(
            f"{self.folder.name} cannot be downloaded: {'; '.join(faults)}.{kept} Try again later, name a mirror with "
            "FRAMEHOOK_MODEL_MIRROR, or get the file in another way and give it with --from."
        )

    def _download_from(self, download: Download) -> None:
        """Download the file, and once again from its beginning if what was there before was wrong."""
        went_on = bool(_size_bytes(self.weights))
        with self.weights.open("a+b") as file:
            _refuse_unless_it_fits(self.root, self.entry.size_bytes - _size_bytes(self.weights))
            try:
                download.into(file)
                os.fsync(file.fileno())
            except OSError:  # the disk is full: what came must not keep it full
                os.truncate(self.weights, 0)
                raise
        actual = _sha256(self.weights)
        if actual == self.entry.sha256:
            return
        os.truncate(self.weights, 0)
        if not went_on:
            raise SourceError(f"has another file: its sha256 is {actual}, expected {self.entry.sha256}")
        self._download_from(download)

    def copy(self, file: Path) -> None:
        """Copy the weights from a file. Raises PullError if it is not the one of the catalogue, and OSError."""
        try:
            size_bytes = file.stat().st_size
        except OSError as error:
            raise PullError(f"{file} cannot be read: {error.strerror}.") from error
        if size_bytes != self.entry.size_bytes:
            raise PullError(f"{file} has {size_bytes} bytes; {self.folder.name} has {self.entry.size_bytes}.")
        _refuse_unless_it_fits(self.root, size_bytes)
        with self.weights.open("wb") as copy:
            copy.writelines(chunks_of(file))
        if (actual := _sha256(self.weights)) != self.entry.sha256:
            os.truncate(self.weights, 0)
            raise PullError(f"{file} is not {self.folder.name}: its sha256 is {actual}, expected {self.entry.sha256}.")

    def write(self, texts: Mapping[str, str]) -> None:
        """Write the files beside the weights: name → content. Raises OSError."""
        for name, text in texts.items():
            (self.folder / name).write_text(text, encoding="utf-8")

    def publish(self, *, overwrite: bool) -> Path:
        """Move the folder into the repository in one step, and return its path.

        Raises PullError for one that is there already, unless it may be overwritten, and OSError.
        """
        target = self.root / self.folder.name
        if not overwrite:
            refuse_existing(target)
        old = self.folder.with_name("old")
        if os.path.lexists(target):
            target.rename(old)
        try:
            self.folder.rename(target)
        except OSError:
            if os.path.lexists(old):
                old.rename(target)
            raise
        return target


def refuse_existing(target: Path) -> None:
    """Raise PullError if something has that path."""
    if os.path.lexists(target):
        raise PullError(f"{target} is there already; --overwrite replaces it.")


@contextmanager
def staged(name: str, entry: Entry, root: Path) -> Iterator[Staged]:
    """Yield the model to put together, which nobody else puts together meanwhile.

    At the end, only the beginning of a download stays, and a whole one that was not published. Raises PullError, also
    for an OSError in the `with` block.
    """
    shelter = root / f".{name}-{entry.sha256[:SHOWN_DIGITS]}"
    model = Staged(entry, shelter / name, root)
    try:
        model.folder.mkdir(parents=True, exist_ok=True)
        with _locked(shelter / "lock", name):
            try:
                yield model
            finally:
                if not _size_bytes(model.weights):
                    shutil.rmtree(shelter, ignore_errors=True)
    except BrokenPipeError:  # of standard output
        raise
    except OSError as error:
        raise PullError(f"{error.filename or root} cannot be written: {error.strerror or error}.") from error


@contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PullError(f"Another process pulls {name} into {path.parent.parent}; wait for it.") from error
        yield


def _refuse_unless_it_fits(root: Path, size_bytes: int) -> None:
    free_bytes = shutil.disk_usage(root).free
    if free_bytes < size_bytes:
        raise PullError(f"{root} has {free_bytes} bytes free; {size_bytes} are needed.")


def _size_bytes(path: Path) -> int:
    """Return the length of a file; 0 for one that is not there."""
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    for chunk in chunks_of(path):
        digest.update(chunk)
    return digest.hexdigest()


def _shown(url: str) -> str:
    """Return a URL for people, without the password that one of a mirror may have."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
