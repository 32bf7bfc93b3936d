"""Models come, change and go while the service runs: a candidate is copied, tried, loaded, and then takes over."""

import shutil
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from models.errors import ModelConfigError
from models.repository.checksums import files_of
from models.repository.folder import ModelFolder, find_models, read_folder
from models.runtime.engine import Engine
from models.runtime.trial import Trial

Change: TypeAlias = Literal["loaded", "replaced", "unchanged", "unloaded", "rejected"]


@dataclass(frozen=True, slots=True)
class Reload:
    """What became of one model. `version`: of what is served now, None when nothing is. `reason`: of a rejection."""

    model: str
    change: Change
    version: str | None = None
    reason: str | None = None


class Reloader:
    """Brings what is served into step with the repository, one model at a time.

    Everything happens on a copy, so nothing that is written meanwhile can mix one version with another. Thread-safe.
    """

    def __init__(
        self,
        engine: Engine,
        roots: Sequence[Path],
        names: Sequence[str],
        trial: Trial,
        report: Callable[[Reload], None],
    ) -> None:
        """Take the repository as `find_models` does.

        `report`: hears of everything but `unchanged`.
        """
        self._engine, self._roots, self._names = engine, roots, names
        self._trial, self._report = trial, report
        self._lock = threading.Lock()

    def reload(self, name: str) -> Reload:
        """Bring one model into step; raises ModelNotFoundError when there is none of that name, served or not."""
        with self._lock:
            outcome = self._reload(name)
        if outcome.change != "unchanged":
            self._report(outcome)
        return outcome

    def refresh(self) -> list[Reload]:
        """Bring all models into step."""
        found: Collection[str] = ()
        with suppress(ModelConfigError):  # each of those served will say so
            found = find_models(self._roots, self._names)
        served = (model.name for model in self._engine.served.models)
        return [self.reload(name) for name in sorted({*found, *served, *self._engine.served.broken})]

    def close(self) -> None:
        """End a trial that is under way."""
        self._trial.close()

    def _reload(self, name: str) -> Reload:
        served = self._engine.served.version_of(name)
        try:
            path = find_models(self._roots, self._names).get(name)
            if path is None:
                return self._unload(name, served)
            with _copied(path) as folder:
                if folder.version == served:
                    return Reload(name, "unchanged", served)
                self._trial(folder.path)
                self._engine.served.install(replace(folder, path=path), self._engine.warm(folder))
        except ModelConfigError as error:
            self._engine.served.reject(name, str(error))
            return Reload(name, "rejected", served, str(error))
        return Reload(name, "replaced" if served else "loaded", folder.version)

    def _unload(self, name: str, served: str | None) -> Reload:
        """Take out a model whose folder is gone; the default model stays."""
        if self._engine.served.is_default(name):
            return Reload(name, "rejected", served, "Its folder is gone, but the default model is never unloaded.")
        if name not in self._engine.served.broken:
            self._engine.served.find(name)
        self._engine.served.remove(name)
        return Reload(name, "unloaded")


@contextmanager
def _copied(path: Path) -> Iterator[ModelFolder]:
    """Give a model's folder read from a copy that nobody else writes to; raises ModelConfigError, of the original."""
    try:
        with tempfile.TemporaryDirectory(prefix="framehook-") as scratch:
            copy = Path(scratch) / path.name
            copy.mkdir()
            for file in files_of(path):
                shutil.copyfile(file, copy / file.name)
            try:
                yield read_folder(copy)
            except ModelConfigError as error:
                raise ModelConfigError(str(error).replace(str(copy), str(path))) from error
    except OSError as error:
        raise ModelConfigError(f"{path} cannot be copied to be tried: {error.strerror or error}.") from error
