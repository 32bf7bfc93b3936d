"""One event of a pipeline, and where in the pipeline it comes from."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

EventClass: TypeAlias = Literal["Analytics", "Operational", "Diagnostics"]
Dialect: TypeAlias = Literal["ava", "lva"]
Group: TypeAlias = Literal["sources", "processors", "sinks"]
"""The part of a topology that a node belongs to, as in `subject`."""

TICKS_PER_S = 90_000
"""Of `timestamp` in bodies of analytics events."""
DATA_VERSION = "1.0"
NAMESPACES: Mapping[Dialect, str] = {"ava": "Microsoft.VideoAnalyzer", "lva": "Microsoft.Media.Graph"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event comes from: a pipeline, or one of its nodes.

    `dialect`: that of the pipeline's topology. `group` and `node`: of the node; empty for the whole pipeline. `topic`:
    the resource that sends, as Event Grid has it. `module`: the name of the edge module, which AVA's subjects contain.
    """

    pipeline: str
    dialect: Dialect = "ava"
    group: Group | Literal[""] = ""
    node: str = ""
    topic: str = "/framehook"
    module: str = "framehook"

    @property
    def subject(self) -> str:
        """Return the path of the pipeline or node, such as /graphInstances/yard/processors/motion."""
        if self.dialect == "lva":
            pipeline = f"/graphInstances/{self.pipeline}"
        else:
            pipeline = f"/edgeModules/{self.module}/livePipelines/{self.pipeline}"
        return f"{pipeline}/{self.group}/{self.node}" if self.node else pipeline


def new_id() -> str:
    """Return an identifier that no other event has."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `kind`: the last part of its type, such as Inference. `at_s`: when it happened, in Unix time.

    `body`: JSON as the analyzers publish it. `topic`: the resource that sends. `pipeline`: its name. `correlation`:
    what events of one clip have in common; empty for others.
    """

    event_class: EventClass
    kind: str
    subject: str
    at_s: float
    body: Mapping[str, Any]
    topic: str
    pipeline: str
    dialect: Dialect
    id: str = field(default_factory=new_id)
    correlation: str = ""

    @property
    def event_type(self) -> str:
        """Return its type, as the topology's dialect has it."""
        return f"{NAMESPACES[self.dialect]}.{self.event_class}.{self.kind}"

    @property
    def event_time(self) -> str:
        """Return `at_s` in UTC with milliseconds: 2020-05-12T23:33:09.381Z."""
        return (
            datetime.fromtimestamp(round(self.at_s, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )

    def as_record(self) -> dict[str, Any]:
        """Return the event as Event Grid has it."""
        return {
            "id": self.id,
            "topic": self.topic,
            "subject": self.subject,
            "eventType": self.event_type,
            "eventTime": self.event_time,
            "data": dict(self.body),
            "dataVersion": DATA_VERSION,
            **({"correlationId": self.correlation} if self.correlation else {}),
        }

    def application_properties(self) -> dict[str, str]:
        """Return what a message of IoT Hub has beside its body, `message-id` among it."""
        record = self.as_record()
        return {"message-id": record.pop("id")} | {name: text for name, text in record.items() if name != "data"}


def as_json(value: Mapping[str, Any]) -> bytes:
    """Return JSON in one line, without a line end. Half characters, which JSON can contain, become question marks.

    Raises ValueError if there is a number that JSON does not have, such as NaN.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def ticks(at_s: float) -> int:
    """Return a time in Unix time as the `timestamp` of an analytics body."""
    return round(at_s * TICKS_PER_S)
