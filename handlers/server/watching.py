"""Watches the model repository, and has what changes there reloaded."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from watchfiles import awatch

from models.errors import ModelNotFoundError
from models.runtime.reload import Reloader

logger = logging.getLogger("framehook")


async def watch(roots: Sequence[Path], reloader: Reloader, loading: asyncio.Future[None]) -> None:
    """Reload the models whose folders change once all are loaded, or have changed until then, until cancelled.

    Where nothing can be watched, say so and return.
    """
    await asyncio.wait([loading])
    if loading.exception():  # the service is about to end
        return
    await asyncio.to_thread(reloader.refresh)
    try:
        async for changes in awatch(*roots):
            await asyncio.to_thread(_reload, reloader, _folders_in(roots, (Path(path) for _, path in changes)))
    except OSError as error:
        logger.warning("models are not watched", extra={"facts": {"reason": str(error)}})


def _reload(reloader: Reloader, folders: set[str]) -> None:
    """Reload the models of these folders; when one of them is hidden, all, since links may lead to it from any."""
    if any(name.startswith(".") for name in folders):
        reloader.refresh()
        return
    for name in sorted(folders):
        with suppress(ModelNotFoundError):  # something else lies there
            reloader.reload(name)


def _folders_in(roots: Sequence[Path], paths: Iterable[Path]) -> set[str]:
    """Return the names of the folders below the roots that the paths are in."""
    resolved = [root.resolve() for root in roots]
    parts = [path.relative_to(root).parts for path in paths for root in resolved if path.is_relative_to(root)]
    return {part[0] for part in parts if part}
