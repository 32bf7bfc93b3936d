"""What operations can reach: the service's parts, and the record of the request at hand."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.types import Scope

from handlers.dataplane import DataPlane
from handlers.streams import Streams
from models.errors import ShedReason
from models.order import Answered
from models.runtime.engine import Engine
from models.runtime.reload import Reloader

WELL_FORMED_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""Names that callers give: of requests, and of streams."""

FAMILIES_OF_OPERATIONS = {"classify_scene": "classifier", "detect_faces": "blazeface"}
"""Operations for which it is no matter what the default model is: operationId → the family of theirs."""


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the running service; built once, when it starts.

    `metrics`: gives the current ones in Prometheus's text format. `challenges`: gives the values of WWW-Authenticate.
    """

    dataplane: DataPlane
    reloader: Reloader
    contract_yaml: bytes
    contract_json: bytes
    metrics: Callable[[], bytes]
    challenges: Callable[..., list[str]]

    @property
    def engine(self) -> Engine:
        """Return what runs the models."""
        return self.dataplane.engine

    @property
    def streams(self) -> Streams:
        """Return the live streams."""
        return self.dataplane.streams

    def model_for(self, scope: Scope) -> str | None:
        """Return the name of the model that a routed request is for; None for the default one.

        Raises ModelNotFoundError when no model is of the operation's family.
        """
        named: str | None = scope["path_params"].get("model")
        family = FAMILIES_OF_OPERATIONS.get(scope["extensions"][ROUTING_CONTEXT]["operation_id"])
        return self.engine.served.first_of(family) if family else named


@dataclass(slots=True)
class RequestRecord:
    """What is known of one request, for its line in the log and the metrics. Written on the event loop only.

    `operation`: its operationId; None when the contract has none. `status`: of the answer. `stream`: whose turn the
    frame waits for. `frame_format`: what the body's bytes are, or `raw`.
    `dropped`: candidates left out because the model gave them a value that is no number. `problem` and `detail`: the
    kind of refusal, and the sentence that was sent. `shed`: why the frame was refused for now. `traceback`: the cause
    of a failure of our own. `credential`: whose it was. `peer`: the address of a caller that had to show one.
    `check_key`: what must see the key of the form, when no header brought a credential and one is asked for.
    """

    request_id: str
    operation: str | None = None
    status: int | None = None
    duration_ms: float = 0
    stages_ms: dict[str, float] = field(default_factory=dict)
    model: str | None = None
    stream: str = ""
    body_bytes: int | None = None
    detections: int | None = None
    dropped: int | None = None
    frame_format: str | None = None
    problem: str | None = None
    shed: ShedReason | None = None
    detail: str | None = None
    traceback: str | None = None
    credential: str | None = None
    peer: str | None = None
    check_key: Callable[[str], None] | None = None

    def fill(self, answered: Answered) -> None:
        """Fill in what became of the request's frame."""
        self.stages_ms.update(answered.stages_ms)
        self.detections, self.dropped = answered.results.count, answered.results.dropped
