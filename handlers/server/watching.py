"""Watches the model repository and reloads the models whose folders change."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from watchfiles import awatch

from models.errors import ModelNotFoundError
from models.runtime.reload import Reload, Reloader, obstacle_to_reloads

logger = logging.getLogger("framehook")


async def watch(roots: Sequence[Path], reloader: Reloader, loading: asyncio.Future[None]) -> None:
    """Reload models whose folders change, from when all models are loaded until cancelled.

    Changes made while the models were loading are reloaded first. Where the folders cannot be watched, logs it and
    returns.
    """
    await asyncio.wait([loading])
    if loading.exception():  # the service is about to end
        return
    watcher = _Watcher(roots, reloader)
    await asyncio.to_thread(watcher.start)
    try:
        async for changes in awatch(*roots):
            await asyncio.to_thread(watcher.reload, [Path(path) for _, path in changes])
    except OSError as error:
        logger.warning("models are not watched", extra={"facts": {"reason": str(error)}})


class _Watcher:
    """Reloads what has changed, and logs once when nothing can be reloaded."""

    def __init__(self, roots: Sequence[Path], reloader: Reloader) -> None:
        self._roots, self._reloader = roots, reloader
        self._has_warned = False

    def start(self) -> None:
        """Reload what changed while the models were loading."""
        self._warn_once(obstacle_to_reloads())
        self._reloader.refresh()

    def reload(self, paths: Iterable[Path]) -> None:
        """Reload the models whose folders contain these paths.

        A change in a hidden folder reloads every model that has changed, since links in any folder may lead there.
        """
        names = _folders_in(self._roots, paths)
        if any(name.startswith(".") for name in names):
            outcomes = self._reloader.refresh()
        else:
            outcomes = [outcome for name in sorted(names) for outcome in self._reload(name)]
        for outcome in outcomes:
            if outcome.change == "untried":
                self._warn_once(outcome.reason)

    def _reload(self, name: str) -> list[Reload]:
        with suppress(ModelNotFoundError):  # the changed folder is no model
            return [self._reloader.reload(name)]
        return []

    def _warn_once(self, reason: str | None) -> None:
        if reason and not self._has_warned:
            self._has_warned = True
            logger.warning("hot reload is not available", extra={"facts": {"reason": reason}})


def _folders_in(roots: Sequence[Path], paths: Iterable[Path]) -> set[str]:
    """Return the names of the folders below the roots that contain the paths."""
    resolved = [root.resolve() for root in roots]
    parts = [path.relative_to(root).parts for path in paths for root in resolved if path.is_relative_to(root)]
    return {part[0] for part in parts if part}
