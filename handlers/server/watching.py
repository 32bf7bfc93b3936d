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
    """Reload the models whose folders change once all are loaded, until cancelled.

    Where nothing can be watched, say so and return.
    """
    await asyncio.wait([loading])
    try:
        async for changes in awatch(*roots, recursive=True):
            for name in sorted(_models_of(roots, (Path(path) for _, path in changes))):
                with suppress(ModelNotFoundError):  # something else lies there
                    await asyncio.to_thread(reloader.reload, name)
    except OSError as error:
        logger.warning("models are not watched", extra={"facts": {"reason": str(error)}})


def _models_of(roots: Sequence[Path], paths: Iterable[Path]) -> set[str]:
    """Return the names of the folders below the roots that the paths are in; links may make them any model's."""
    resolved = [root.resolve() for root in roots]
    parts = [path.relative_to(root).parts for path in paths for root in resolved if path.is_relative_to(root)]
    names = {part[0] for part in parts if part and not part[0].startswith(".")}
    hidden = any(part and part[0].startswith(".") for part in parts)
    return names | ({path.name for root in roots for path in root.glob("[!.]*")} if hidden else set())
