"""Reads whole model repositories; the service reads them folder by folder, since one may be broken."""

from pathlib import Path

from models.repository.folder import ModelFolder, find_models, read_folder


def read_repository(root: Path) -> tuple[ModelFolder, ...]:
    """Return the models below a root, by name; raises ModelConfigError if there are none or one is wrong."""
    return tuple(read_folder(path) for path in find_models((root,)).values())
