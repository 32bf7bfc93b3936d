"""What operations can reach: the service's parts, and the record of the request at hand."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from connexion.middleware.abstract import ROUTING_CONTEXT
from starlette.types import Scope

from handlers.dataplane import DataPlane
from handlers.parsing.queries import stream_of
from handlers.parsing.request_names import TraceParent
from handlers.streams.live_view import LiveStreams
from models.errors import ModelNotFoundError, ShedReason
from models.order import Outcome
from models.repository.folder import ModelFolder
from models.runtime.engine import Engine
from models.runtime.reload import Reloader

MODEL = "model"
"""Name in a request's state."""


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of the running service; built once, when it starts.

    `metrics`: returns the current ones in Prometheus's text format. `status`, `refusals`: the contract's records.
    `challenges`: returns the values of WWW-Authenticate. `kinds_of_model`: operationId → the kind of model that an
    operation uses instead of the default one, see `Contract.kinds_of_model`.
    """

    dataplane: DataPlane
    reloader: Reloader
    contract_yaml: bytes
    contract_json: bytes
    metrics: Callable[[], bytes]
    status: Callable[[], dict[str, Any]]
    refusals: Callable[[], list[dict[str, Any]]]
    challenges: Callable[..., list[str]]
    kinds_of_model: Mapping[str, Mapping[str, str]]

    @property
    def engine(self) -> Engine:
        """Return what runs the models."""
        return self.dataplane.engine

    @property
    def streams(self) -> LiveStreams:
        """Return the live streams."""
        return self.dataplane.streams

    def model_for(self, scope: Scope) -> str | None:
        """Return the name of the model that a routed request is for; None for the default one.

        The path's, else that of its stream's settings. It is decided once: settings may change while a body arrives,
        and access was given for one model. Raises ModelNotFoundError when no model is of the operation's kind.
        """
        state = scope["state"]
        if MODEL not in state:
            operation = scope["extensions"][ROUTING_CONTEXT]["operation_id"]
            kind = self.kinds_of_model.get(operation)
            state[MODEL] = self._first_of(kind) if kind else self._named_by(scope)
        model: str | None = state[MODEL]
        return model

    def _named_by(self, scope: Scope) -> str | None:
        named = scope["path_params"].get("model") or self.dataplane.settings.model_of(stream_of(scope["query_string"]))
        return self.engine.served.aliases.get(named, named) if named else None

    def _first_of(self, kind: Mapping[str, str]) -> str:
        [(key, value)] = kind.items()
        for model in self.engine.served.models:
            if value in KINDS[key](model.folder):
                return model.name
        raise ModelNotFoundError(NO_MODEL[key].format(value))


KINDS: Mapping[str, Callable[[ModelFolder], Collection[str]]] = {
    "family": lambda folder: [folder.config.family.name],
    "label": lambda folder: folder.reported if len(folder.reported) == 1 else (),
    "then": lambda folder: {kind for chained in folder.chained for kind in chained.config.inference_types},
}
"""A key of the contract's `x-model` → what a model has of it."""
NO_MODEL = {
    "family": "No model of the family {} is served here.",
    "label": "No model served here has {} as its only label.",
    "then": "No model served here gives its objects to one that reports {} (docs/chains.md).",
}


@dataclass(slots=True)
class RequestRecord:
    """What is known of one request, for its line in the log and the metrics. Written on the event loop only.

    `operation`: its operationId; None when the contract has none. `status`: of the answer. `stream`: as the request
    names it; empty if it names none. `caller`: who sent a frame, see `caller_of`; empty for other requests.
    `frame_format`: what the body's bytes are, or `raw`. `dropped`: candidates left out because the model gave them a
    value that is no number. `problem` and `detail`: the kind of refusal, and the sentence that was sent. `outcome`: of
    a frame. `shed`: why the frame was refused for now. `traceback`: the cause of a failure of our own. `credential`:
    whose it was. `peer`: the address of a caller that had to show one. `parent`: the caller's span that the request
    belongs to. `trace_id`: of its trace, which began at the caller or here. `started_at`, `read_at`, `queued_at`: when
    it came, when its body was waited for, and when its frame was queued, by time.perf_counter; None: of a head that was
    refused, or not yet.
    """

    request_id: str
    operation: str | None = None
    status: int | None = None
    duration_ms: float = 0
    stages_ms: dict[str, float] = field(default_factory=dict)
    model: str | None = None
    stream: str = ""
    caller: str = ""
    outcome: Outcome | None = None
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
    parent: TraceParent | None = None
    trace_id: str | None = None
    started_at: float | None = None
    read_at: float | None = None
    queued_at: float | None = None

    @property
    def may_send_frames(self) -> bool:
        """Return whether the caller of a frame did not have to show a credential, or has shown one that allows it."""
        return self.status != HTTPStatus.FORBIDDEN and bool(self.credential or not self.peer)
