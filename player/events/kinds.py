"""Makes events, each with the body that the analyzers published for its kind. All times are in Unix time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from player.events.event import Event, EventClass, Place, new_id, ticks
from player.flow import Inference

RecordingKind: TypeAlias = Literal["RecordingStarted", "RecordingAvailable", "RecordingStopped"]
OutputType: TypeAlias = Literal["filePath", "videoName", "assetName"]
"""What a sink writes to: a file sink, a video sink of AVA, an asset sink of LVA."""
AccessKind: TypeAlias = Literal["AuthenticationError", "AuthorizationError", "NetworkError"]
Detail: TypeAlias = tuple[str, str]
"""A code, and a message for people."""


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
