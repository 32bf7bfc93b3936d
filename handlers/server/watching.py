"""Watches the model repository and reloads the models whose folders change."""

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from models.errors import ModelConfigError, ModelNotFoundError
from models.repository.chains import chained_folders
from models.repository.files import MAX_FILES, leads_outside
from models.repository.folder import escaped, names_in
from models.runtime.reload import Reloader, obstacle_to_reloads

POLL_S = 0.5
PAUSE_PER_LOOK = 50
"""Where a look takes long, because there is much to look at or the file system is slow, the pause is so much longer."""

MAX_SHOWN = 10
"""Most names in a line of the log."""

State: TypeAlias = tuple[object, ...]
"""What differs once anything in a folder has changed: names, times and sizes of its files."""

logger = logging.getLogger("framehook")


async def watch(roots: Sequence[Path], reloader: Reloader, loading: asyncio.Future[None]) -> None:
    """Reload models whose folders change, from when all models are loaded until cancelled.

    Changes made while the models were loading are reloaded first.
    """
    watcher = Watcher(roots, reloader)
    await asyncio.wait([loading])
    if loading.exception():  # the service is about to end
        return
    await asyncio.to_thread(watcher.start)
    while True:
        look_s = await asyncio.to_thread(watcher.look)
        await asyncio.sleep(max(POLL_S, PAUSE_PER_LOOK * look_s))


class Watcher:
    """Compares the folders with what they were, and reloads those that have changed and now rest.

    It looks again and again. Notifications of the system would cost less, but they do not come from network file
    systems, end at the first name that is not UTF-8, and follow links out of the repository.
    """

    def __init__(self, roots: Sequence[Path], reloader: Reloader) -> None:
        self._roots, self._reloader = roots, reloader
        self._below: dict[Path, dict[str, State]] = {}
        """Repository → name → state of its folders at the last look at which it could be read."""
        self._chained: dict[Path, tuple[State, list[str]]] = {}
        """Folder → its own state, and the names of the models that it gives its objects to."""
        self._reloaded: dict[str, State] = {}
        self._before: dict[str, State] = {}
        self._said: dict[str, str | None] = {}

    def start(self) -> None:
        """Log when nothing can be reloaded."""
        self._warn("hot reload is not available", obstacle_to_reloads())

    def look(self) -> float:
        """Reload each model whose folder is not as it was at its last reload, but as it was at the last look.

        A repository that cannot be read is as it was before: its models stay, and the others are watched. Logs what
        goes wrong; the next look goes on. Returns how long the look took, in seconds, without the reloads.
        """
        started_at, look_s = time.perf_counter(), 0.0
        try:
            states = self._states()
            look_s = time.perf_counter() - started_at
            self._reload_changed(states)
            self._warn("models are not watched", None)
        except Exception as error:  # noqa: BLE001  # otherwise no later change would be noticed
            self._warn("models are not watched", f"{type(error).__name__}: {error}")
        return look_s

    def _states(self) -> dict[str, State]:
        """Return name → state of the folders below all roots."""
        faults = []
        for root in self._roots:
            try:
                self._below[root] = self._states_below(root)
            except ModelConfigError as error:
                faults.append(str(error))
        self._warn("repository not watched", " ".join(faults) or None)
        states: dict[str, State] = {}
        for root in self._roots:
            for name, state in self._below.get(root, {}).items():
                states[name] = (*states.get(name, ()), state)
        return states

    def _states_below(self, root: Path) -> dict[str, State]:
        """Return name → state of the folders below one root; a chained model counts for those that need it, too."""
        own = {name: _state_of(root / name) for name in names_in(root)}
        for gone in [folder for folder in self._chained if folder.parent == root and folder.name not in own]:
            del self._chained[gone]
        return {
            name: (state, *(own.get(chained) for chained in self._chained_by(root / name, state)))
            for name, state in own.items()
        }

    def _chained_by(self, folder: Path, state: State) -> list[str]:
        """Return the names of the models that a folder's model gives its objects to; reads it if it has changed."""
        before, names = self._chained.get(folder, (None, []))
        if before != state:
            names = [chained.name for chained in chained_folders(folder)]
            self._chained[folder] = state, names
        return names

    def _reload_changed(self, states: dict[str, State]) -> None:
        strange = sorted(escaped(name) for name in states if not name.isprintable())[:MAX_SHOWN]
        self._warn("folders skipped", f"Names that are not printable UTF-8: {', '.join(strange)}" if strange else None)
        resting = {name for name in states.keys() | self._reloaded if states.get(name) == self._before.get(name)}
        self._before = states
        for name in sorted(resting):
            if name.isprintable() and states.get(name) != self._reloaded.get(name):
                self._reload(name, states.get(name))

    def _reload(self, name: str, state: State | None) -> None:
        """Reload one model; not again before its folder changes, whatever comes of it."""
        if state is None:
            del self._reloaded[name]
        else:
            self._reloaded[name] = state
        try:
            outcome = self._reloader.reload(name)
        except ModelNotFoundError:  # the folder is no model
            return
        if outcome.change == "untried":
            self._warn("hot reload is not available", outcome.reason)

    def _warn(self, message: str, reason: str | None) -> None:
        """Log a warning when it is new; None: all is well."""
        if reason and reason != self._said.get(message):
            logger.warning(message, extra={"facts": {"reason": reason}})
        self._said[message] = reason


def _state_of(folder: Path) -> State:
    if leads_outside(folder, Path(os.path.realpath(folder.parent))):
        return ("outside",)
    try:
        with os.scandir(folder) as entries:
            return tuple(sorted(_state_of_entry(entry) for entry in islice(entries, MAX_FILES + 1)))
    except OSError as error:  # no folder, or none that may be read
        return (error.errno,)


def _state_of_entry(entry: os.DirEntry[str]) -> tuple[str, tuple[int, ...]]:
    if entry.name.startswith("."):
        return entry.name, ()
    try:
        facts = entry.stat()
    except OSError as error:
        return entry.name, (error.errno or 0,)
    return entry.name, (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
