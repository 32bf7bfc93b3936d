"""How the service is doing, as one small record: what the console draws."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from handlers.server.metrics import Metrics
from models.errors import UnavailableError
from models.runtime.engine import Engine


@dataclass(frozen=True, slots=True)
class Status:
    """Reads the state of one service. `frame_operations`: the operationIds whose requests bring a frame."""

    engine: Engine
    metrics: Metrics
    frame_operations: Collection[str]

    def as_record(self) -> dict[str, Any]:
        """Return the contract's schema `Status`."""
        all_lanes = self.engine.lanes
        return {
            **self._readiness(),
            "queueDepth": sum(lanes.waiting for lanes in all_lanes),
            "framesRunning": sum(lanes.running for lanes in all_lanes),
            "framesAnswered": self.metrics.frames_answered(self.frame_operations),
            "requestDurations": self.metrics.request_durations(self.frame_operations),
            "models": self.metrics.loads(),
        }

    def _readiness(self) -> dict[str, Any]:
        try:
            self.engine.refuse_if_not_ready()
        except UnavailableError as error:
            return {"ready": False, "reason": str(error)}
        return {"ready": True}
