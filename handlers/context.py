"""What operations can reach: the service's parts, and the record of the request at hand."""

from dataclasses import dataclass, field
from typing import Any

from models.runtime.engine import Engine


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the running service; built once, in the lifespan."""

    engine: Engine
    max_pixels: int
    body_timeout_s: float
    contract_yaml: bytes
    contract_json: bytes


@dataclass(slots=True)
class RequestRecord:
    """What is known of one request, for its line in the log. Hears the stages of its frame."""

    request_id: str
    facts: dict[str, Any] = field(default_factory=dict)
    stages_ms: dict[str, float] = field(default_factory=dict)

    def observe(self, stage: str, seconds: float) -> None:
        """Take note that `stage` took `seconds` of wall time."""
        self.stages_ms[stage] = round(seconds * 1000, 3)
