"""Hot reload: models are added, replaced and removed while the service runs.

A changed folder is copied to a temporary folder, tried in a process of its own, loaded, and then takes over.
"""

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from models.errors import ModelConfigError
from models.repository.checksums import checked_version
from models.repository.copies import PREFIX, FolderCopy
from models.repository.folder import (
    ModelFolder,
    folders_named,
    only_folder,
    read_folder,
    reason_for_clients,
    refuse_misplaced_config,
)
from models.runtime.engine import Engine
from models.runtime.trial import Trial

Change: TypeAlias = Literal["loaded", "replaced", "unchanged", "unloaded", "rejected", "untried"]
"""`untried`: the folder has changed, but no temporary folder can be written to copy it to."""


@dataclass(frozen=True, slots=True)
class Reload:
    """The outcome for one model. `version`: the version served now, or None. `reason`: why a version was not loaded."""

    model: str
    change: Change
    version: str | None = None
    reason: str | None = None


class Reloader:
    """Makes the engine serve what is in the repository, one model at a time. Thread-safe.

    A folder is copied only when its version is not the one served. Then everything happens on the copy, so that files
    written meanwhile cannot mix two versions. `roots`, `names`: see `find_models`. `report`: called with every outcome
    but `unchanged` and `untried`.
    """

    def __init__(
        self,
        engine: Engine,
        roots: Sequence[Path],
        names: Sequence[str],
        trial: Trial,
        report: Callable[[Reload], None],
    ) -> None:
        self._engine, self._roots, self._names = engine, roots, names
        self._trial, self._report = trial, report
        self._lock = threading.Lock()

    def reload(self, name: str) -> Reload:
        """Reload one model if its folder has changed; raises ModelNotFoundError when there is no such model."""
        with self._lock:
            outcome = self._reload(name)
            if outcome.change == "unchanged":
                self._engine.served.accept(name)
        if outcome.change not in {"unchanged", "untried"}:
            self._report(outcome)
        return outcome

    def close(self) -> None:
        """End a trial that is running."""
        self._trial.close()

    def _reload(self, name: str) -> Reload:
        served = self._engine.served.version_of(name)
        try:
            folders = folders_named(name, self._roots)
            if not folders or (self._names and name not in self._names):
                return self._unload(name)
            path = only_folder(folders)
            refuse_misplaced_config(path)
            if served and served == checked_version(path):
                return Reload(name, "unchanged", served)
            if obstacle := obstacle_to_reloads():
                return Reload(name, "untried", served, obstacle)
            with _copied(path) as folder:
                if folder.version == served:  # it has changed back meanwhile
                    return Reload(name, "unchanged", served)
                self._trial(folder.path)
                self._engine.served.install(folder.at(path), *self._engine.warm(folder))
        except ModelConfigError as error:
            self._engine.served.reject(name, reason_for_clients(error, self._roots))
            return Reload(name, "rejected", served, str(error))
        return Reload(name, "replaced" if served else "loaded", folder.version)

    def _unload(self, name: str) -> Reload:
        """Remove a model whose folder is gone; raises ModelConfigError for the default model, which stays."""
        if name == self._engine.served.default_model:
            raise ModelConfigError("Its folder is gone, but the default model is never unloaded.")
        if name not in self._engine.served.broken:
            self._engine.served.find(name)
        self._engine.served.remove(name)
        return Reload(name, "unloaded")


def obstacle_to_reloads() -> str | None:
    """Return why no model can be reloaded, in one sentence with the remedy; None when they can be."""
    try:
        tempfile.TemporaryDirectory(prefix=PREFIX).cleanup()
    except OSError as error:
        return (
            f"Models cannot be reloaded: no temporary folder can be written ({error.strerror or error}); "
            "mount a writable /tmp, with docker: --tmpfs /tmp."
        )
    return None


@contextmanager
def _copied(path: Path) -> Iterator[ModelFolder]:
    """Yield the model's folder, read from a copy that nobody else writes to.

    Raises ModelConfigError, with the path of the original in its message.
    """
    with closing(FolderCopy(path)) as copy:
        try:
            yield read_folder(copy.path)
        except ModelConfigError as error:
            raise copy.original(error) from error
