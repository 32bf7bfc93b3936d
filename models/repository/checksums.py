"""The version of a model's folder, and its manifest, which shows whether the folder is complete."""

import hashlib
import os
import re
from pathlib import Path

from models.errors import ModelConfigError
from models.repository.chains import chained_folders
from models.repository.files import CONFIG_FILE_NAME, MAX_FILES, chunks_of, files_of, read_text

MANIFEST_NAME = "SHA256SUMS"
"""As `sha256sum * > SHA256SUMS` writes it."""
MANIFEST_LINE = re.compile(r"([0-9a-f]{64}) [ *](?:\./)?(.+)")
VERSION_DIGITS = 12
MAX_MANIFEST_BYTES = MAX_FILES * 400
"""A line has 64 digits, and a name of at most 255 bytes."""


def checked_version(folder: Path) -> str:
    """Return the version of a folder: the first 12 hexadecimal digits of the SHA-256 of its files' names and contents.

    Those of the models that it gives its objects to count, too. Raises ModelConfigError when one of them is missing,
    when a file cannot be read, or when the files do not match the folder's manifest.
    """
    lines = _lines_of(folder)
    for chained in chained_folders(folder):
        if not os.path.isdir(chained):  # noqa: PTH112  # pathlib's raises where access is denied
            place = f"{folder / CONFIG_FILE_NAME}: then"
            raise ModelConfigError(f"{place}: there is no folder {chained.name} beside {folder.name}.")
        lines += f"{chained.name}/\0{_digest_of(_lines_of(chained))}\n"
    return _digest_of(lines)[:VERSION_DIGITS]


def _lines_of(folder: Path) -> str:
    """Return the names and SHA-256 of a folder's own files, one a line."""
    try:
        sums = {path.name: _sum_of(path) for path in files_of(folder)}
        manifest = _read_manifest(folder / MANIFEST_NAME) if MANIFEST_NAME in sums else {}
    except OSError as error:
        raise ModelConfigError(f"{folder} cannot be read: {error.strerror}.") from error
    for name, expected in manifest.items():
        if sums.get(name) != expected:
            raise ModelConfigError(f"{folder / name} does not match {MANIFEST_NAME}; is it still being written?")
    return "".join(f"{name}\0{digest}\n" for name, digest in sums.items() if name != MANIFEST_NAME)


def _digest_of(lines: str) -> str:
    return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()


def _sum_of(path: Path) -> str:
    digest = hashlib.sha256()
    for chunk in chunks_of(path):
        digest.update(chunk)
    return digest.hexdigest()


def _read_manifest(path: Path) -> dict[str, str]:
    """Return name → SHA-256."""
    matches = [MANIFEST_LINE.fullmatch(line) for line in read_text(path, MAX_MANIFEST_BYTES).splitlines()]
    if not matches or None in matches:
        raise ModelConfigError(f"{path}: expected lines in the format of sha256sum.")
    return {match[2]: match[1] for match in matches if match and match[2] != MANIFEST_NAME}
