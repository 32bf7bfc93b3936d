"""Events of pipelines: where one comes from, and for each kind the body that the analyzers published.

All times are in Unix time.
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from player.flow import Inference

EventClass: TypeAlias = Literal["Analytics", "Operational", "Diagnostics"]
Dialect: TypeAlias = Literal["ava", "lva"]
Group: TypeAlias = Literal["sources", "processors", "sinks"]
"""The part of a topology that a node belongs to, as in `subject`."""
RecordingKind: TypeAlias = Literal["RecordingStarted", "RecordingAvailable", "RecordingStopped"]
OutputType: TypeAlias = Literal["filePath", "videoName", "assetName"]
"""What a sink writes to: a file sink, a video sink of AVA, an asset sink of LVA."""
AccessKind: TypeAlias = Literal["AuthenticationError", "AuthorizationError", "NetworkError"]
Detail: TypeAlias = tuple[str, str]
"""A code, and a message for people."""

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


def inference(place: Place, at_s: float, inferences: Iterable[Inference]) -> Event:
    """Report what was found in a frame. `at_s`: the frame's capture time. `inferences`: one at least, all valid."""
    return _event(place, "Analytics", "Inference", at_s, {"timestamp": ticks(at_s), "inferences": list(inferences)})


def recording(place: Place, kind: RecordingKind, at_s: float, output: tuple[OutputType, str], clip: str = "") -> Event:
    """Report that a clip begins, can be read, or ends. `output`: what it is written to, and where.

    `clip`: the correlation of its events.
    """
    output_type, location = output
    body = {"outputType": output_type, "outputLocation": location}
    return replace(_event(place, "Operational", kind, at_s, body), correlation=clip)


def media_session_established(place: Place, at_s: float, sdp: str) -> Event:
    """Report that a source sends. `sdp`: the description of its streams, in the form of SDP."""
    return _event(place, "Diagnostics", "MediaSessionEstablished", at_s, {"sdp": f"SDP:\n{sdp}"})


def protocol_error(
    place: Place, at_s: float, code: str, peer: tuple[str, str], details: Sequence[Detail] = ()
) -> Event:
    """Report that a peer did not answer as its protocol wants.

    `code`: a status, such as 401. `peer`: its address, which must contain no password, and its protocol: rtsp or http.
    """
    target, protocol = peer
    body: dict[str, Any] = {"code": code, "target": target, "protocol": protocol}
    if details:
        body["details"] = [{"code": detail, "message": message} for detail, message in details]
    return _event(place, "Diagnostics", "ProtocolError", at_s, body)


def media_format_error(place: Place, at_s: float, code: str = "unsupportedVideoFormat") -> Event:
    """Report that a source sends what cannot be decoded."""
    return _event(place, "Diagnostics", "MediaFormatError", at_s, {"timestamp": round(at_s * 1000), "code": code})


def access_error(place: Place, kind: AccessKind, at_s: float, error_code: str) -> Event:
    """Report that a peer could not be reached, or does not admit the pipeline."""
    return _event(place, "Diagnostics", kind, at_s, {"errorCode": error_code})


def data_dropped(place: Place, at_s: float, data_type: str) -> Event:
    """Report that something was dropped. `data_type`: what."""
    return _event(place, "Diagnostics", "DataDropped", at_s, {"dataType": data_type})


def storage_error(place: Place, at_s: float, name: str) -> Event:
    """Report that a sink cannot write. `name`: what it writes to."""
    return _event(place, "Diagnostics", "StorageError", at_s, {"storageAccountName": name})


def runtime_error(place: Place, at_s: float, code: str) -> Event:
    """Report that a pipeline has failed. `code`: names the fault in one word."""
    return _event(place, "Diagnostics", "RuntimeError", at_s, {"code": code})


def events_dropped(lost: Event, at_s: float, count: int) -> Event:
    """Report that an output had no room for events of a pipeline. `lost`: the last of them. `count`: how many."""
    body = {"dataType": "analyticsEvents", "count": count}
    dropped = replace(lost, event_class="Diagnostics", kind="DataDropped", at_s=at_s, body=body, correlation="")
    return replace(dropped, id=new_id())


def _event(place: Place, event_class: EventClass, kind: str, at_s: float, body: Mapping[str, Any]) -> Event:
    return Event(
        event_class=event_class,
        kind=kind,
        subject=place.subject,
        at_s=at_s,
        body=body,
        topic=place.topic,
        pipeline=place.pipeline,
        dialect=place.dialect,
    )
