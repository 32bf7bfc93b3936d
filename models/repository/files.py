"""The files of a model's folder, read within limits: somebody else may write them, also while they are read."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from models.errors import ModelConfigError

CONFIG_FILE_NAME = "model.yaml"
WEIGHTS_NAME, LABELS_NAME = "model.onnx", "labels.txt"
"""What framehook calls the other files of a folder that it writes."""
MAX_FILES = 1000
MAX_FOLDER_BYTES = 4 << 30
"""Of all files of a folder together; no trial may take more memory than that."""
CHUNK_BYTES = 1 << 20


def files_of(folder: Path) -> list[Path]:
    """Return the regular files of a model's folder, sorted by name; raises ModelConfigError and OSError.

    Links must stay inside the repository, the folder's parent. What is no file is skipped, such as folders and pipes,
    and so are names that begin with a dot.
    """
    root = Path(os.path.realpath(folder.parent))
    _refuse_if_outside(folder, root)
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in islice(entries, MAX_FILES + 1))
    if len(names) > MAX_FILES:
        raise ModelConfigError(f"{folder} has more than {MAX_FILES} files.")
    sizes = {path: _size_bytes(path, root) for path in (folder / name for name in names if name[0] != ".")}
    files = [path for path, size_bytes in sizes.items() if size_bytes is not None]
    if sum(size_bytes or 0 for size_bytes in sizes.values()) > MAX_FOLDER_BYTES:
        raise ModelConfigError(f"{folder} has more than {MAX_FOLDER_BYTES >> 30} GiB.")
    return files


def _size_bytes(path: Path, root: Path) -> int | None:
    """Return the length of a file, links followed; None for what is no regular file."""
    _refuse_if_outside(path, root)
    try:
        facts = path.stat()
    except FileNotFoundError:  # a link to nothing, or removed meanwhile
        return None
    except OSError as error:  # a link to itself
        raise ModelConfigError(f"{path} cannot be read: {error.strerror}.") from error
    return facts.st_size if stat.S_ISREG(facts.st_mode) else None


def leads_outside(path: Path, root: Path) -> bool:
    """Return whether a path leads out of a folder through links. `root`: that folder, without links."""
    return not Path(os.path.realpath(path)).is_relative_to(root)


def _refuse_if_outside(path: Path, root: Path) -> None:
    if leads_outside(path, root):
        raise ModelConfigError(f"{path} leads out of the model repository; put the file itself into the repository.")


def chunks_of(path: Path) -> Iterator[bytes]:
    """Yield the contents of a regular file, no more than it had when it was opened.

    Raises ModelConfigError for what is no regular file, and OSError.
    """
    with _opened(path) as file:
        left = os.fstat(file.fileno()).st_size
        while left > 0 and (chunk := file.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk


def copy_files(folder: Path, target: Path) -> None:
    """Copy the files of a model's folder into the folder `target`; raises ModelConfigError and OSError."""
    for path in files_of(folder):
        with (target / path.name).open("wb") as copy:
            copy.writelines(chunks_of(path))


def read_text(path: Path, max_bytes: int) -> str:
    """Return the text of a file in UTF-8, without a byte order mark; raises ModelConfigError."""
    try:
        with _opened(path) as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise ModelConfigError(f"{path} is not a file that can be read: {error.strerror}.") from error
    if len(content) > max_bytes:
        raise ModelConfigError(f"{path} has more than {max_bytes} bytes.")
    try:
        return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig").read()
    except UnicodeDecodeError as error:
        raise ModelConfigError(f"{path} cannot be read as UTF-8 text.") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file; raises ModelConfigError for a pipe, which could block for ever, or a device."""
    with open(path, "rb", opener=_open_without_waiting) as file:  # pathlib has no opener
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ModelConfigError(f"{path} is not a file.")
        yield file


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
