"""A line on a terminal that says how pipelines go."""

import shutil
import sys
import time
from collections.abc import Collection, Sequence

from player.running.state import PipelineState
from player.running.status import Watched


class Progress:
    """Writes a line on standard error, again and again in its place. Does nothing if people do not see it alone."""

    def __init__(self, watched: Watched, outputs: Collection[str]) -> None:
        events_are_shown = sys.stdout.isatty() and "-" in outputs
        self._is_shown = sys.stderr.isatty() and not events_are_shown
        self._watched = watched
        self._last_s, self._last_frames = time.monotonic(), 0

    def show(self) -> None:
        """Write the line anew. The cursor stays at its begin, so that the next line of the log replaces it."""
        if self._is_shown:
            columns = shutil.get_terminal_size().columns
            waiting = sum(output.waiting for output in self._watched.outputs())
            line = _line([*self._watched.pipelines()], self._rate(), waiting)
            print(f"\x1b[K{line[: columns - 1]}", end="\r", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the last line where it is."""
        if self._is_shown:
            print(file=sys.stderr)

    def _rate(self) -> float:
        """Return the frames a second since the last line."""
        now_s, frames = time.monotonic(), sum(state.frames for state in self._watched.pipelines())
        rate = (frames - self._last_frames) / max(now_s - self._last_s, 1e-3)
        self._last_s, self._last_frames = now_s, frames
        return rate


def _line(states: Sequence[PipelineState], rate: float, waiting: int) -> str:
    """Return one line about all pipelines."""
    asked, answered = (int(sum(state.total(name) for state in states)) for name in ("asked", "answered"))
    waited_s = sum(state.waited_s for state in states)
    found = sum(state.events["Inference"] for state in states)
    playing = sum(state.phase == "playing" for state in states)
    parts = [
        states[0].phase if len(states) == 1 else f"{playing} of {len(states)} play",
        f"{rate:.1f} frames/s",
        f"{answered} of {asked} answered" + (f" in {1000 * waited_s / answered:.0f} ms" if answered else ""),
        f"{found} events" + (f", {waiting} waiting" if waiting else ""),
        *([f"{clips} clips"] if (clips := sum(state.clips for state in states)) else ()),
        *(f"{state.name}: {state.fault}" for state in states if state.fault),
    ]
    return ", ".join(parts)
