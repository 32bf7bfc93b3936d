"""What operations can reach: the service's parts, and the record of the request at hand."""

from dataclasses import dataclass, field

from handlers.decoding.decoder import Decoder
from models.runtime.engine import Engine


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the running service; built once, when it starts."""

    engine: Engine
    decoder: Decoder
    body_timeout_s: float
    contract_yaml: bytes
    contract_json: bytes


@dataclass(slots=True)
class RequestRecord:
    """What is known of one request, for its line in the log. Hears the stages of its frame.

    `dropped`: candidates left out because the model gave them a value that is no number. `problem` and `detail`: the
    kind of refusal, and the sentence that was sent. `traceback`: the cause of a failure of our own.
    """

    request_id: str
    stages_ms: dict[str, float] = field(default_factory=dict)
    model: str | None = None
    body_bytes: int | None = None
    detections: int | None = None
    dropped: int | None = None
    problem: str | None = None
    detail: str | None = None
    traceback: str | None = None

    def observe(self, stage: str, seconds: float) -> None:
        """Take note that `stage` took `seconds` of wall time."""
        self.stages_ms[stage] = round(seconds * 1000, 3)
