"""What is known of a stream's objects, lines and zones on the event loop: as of its last frame, and its last events."""

import time
from collections import deque
from dataclasses import dataclass, replace

from models.runtime.stream_memory import EXPIRY_S
from scene.events import Event, Scene
from scene.settings import StreamSettings

MAX_EVENTS = 50
"""Of one stream; older ones are dropped."""


@dataclass(frozen=True, slots=True)
class Reported:
    """An event as it was reported. `at_utc`: in seconds since 1970. `model`: whose objects it is about."""

    at_utc: float
    model: str
    event: Event


class Scenes:
    """The scenes of one stream, by model, as long as its settings stay the same.

    `begun_at_s`: frames taken before, by the monotonic clock, do not count.
    """

    def __init__(self, settings: StreamSettings, begun_at_s: float) -> None:
        self.settings, self.begun_at_s = settings, begun_at_s
        self._by_model: dict[str, tuple[float, Scene]] = {}
        """Model → when its last frame was taken, and the scene."""
        self._events: deque[Reported] = deque(maxlen=MAX_EVENTS)

    @property
    def by_model(self) -> dict[str, Scene]:
        """Return the scenes that their lanes have not forgotten yet, sorted by model."""
        oldest_s = time.monotonic() - EXPIRY_S
        return {model: scene for model, (taken_at_s, scene) in sorted(self._by_model.items()) if taken_at_s > oldest_s}

    @property
    def events(self) -> list[Reported]:
        """Return the last events, the newest first."""
        return [*reversed(self._events)]

    def record(self, model: str, scene: Scene, taken_at_s: float) -> None:
        """Record the scene of a frame, unless it was taken before the scenes began."""
        if taken_at_s >= self.begun_at_s:
            self._by_model[model] = taken_at_s, replace(scene, events=())
            self._events.extend(Reported(time.time(), model, event) for event in scene.events)
