"""What is known of a stream's objects, lines and zones on the event loop: as of its last frame, and its last events."""

import time
from collections import deque
from dataclasses import dataclass

from scene.events import Event, Scene

MAX_EVENTS = 50
"""Of one stream; older ones are dropped."""


@dataclass(frozen=True, slots=True)
class Reported:
    """An event as it was reported. `at_utc`: in seconds since 1970. `model`: whose objects it is about."""

    at_utc: float
    model: str
    event: Event


class Scenes:
    """The scenes of one stream, by model. `begun_at_s`: frames taken before, by the monotonic clock, do not count."""

    def __init__(self, begun_at_s: float = 0) -> None:
        self.begun_at_s = begun_at_s
        self.by_model: dict[str, Scene] = {}
        self._events: deque[Reported] = deque(maxlen=MAX_EVENTS)

    @property
    def events(self) -> list[Reported]:
        """Return the last events, the newest first."""
        return [*reversed(self._events)]

    def record(self, model: str, scene: Scene | None, taken_at_s: float) -> None:
        """Record the scene of a frame; None: the objects of that model are not followed any more."""
        if scene is None:
            self.by_model.pop(model, None)
        elif taken_at_s >= self.begun_at_s:
            self.by_model[model] = scene
            self._events.extend(Reported(time.time(), model, event) for event in scene.events)
