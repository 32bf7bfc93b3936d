"""Events have the shapes that the analyzers published."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.published import PUBLISHED
from player.events.event import (
    Event,
    Place,
    access_error,
    as_json,
    data_dropped,
    events_dropped,
    inference,
    media_format_error,
    media_session_established,
    protocol_error,
    recording,
    runtime_error,
    storage_error,
)
from tests.support.player_events import AT_S, BOX, MOTION, seen

ID = "6b5c5c2e-1f0a-4b6f-9c0a-3d2f7b1f0001"
GOLDEN: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))
AVA, LVA = Place("yard"), Place("yard", "lva")
SOURCE = Place("yard", group="sources", node="rtspSource")
VIDEO = Place("yard", group="sinks", node="videoSink")
EVENTS = [
    inference(Place("yard", "lva", "processors", "md"), AT_S, [MOTION]),
    recording(
        Place("yard", "lva", "sinks", "fileSink"),
        "RecordingStarted",
        AT_S,
        ("filePath", "/var/media/yard-1.mp4"),
        "clip-1",
    ),
    recording(VIDEO, "RecordingAvailable", AT_S, ("videoName", "sample-video")),
    recording(Place("yard", "lva", "sinks", "assetSink"), "RecordingStopped", AT_S, ("assetName", "sample-asset")),
    media_session_established(SOURCE, AT_S, "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"),
    protocol_error(SOURCE, AT_S, "401", ("rtsp://camera:554/yard", "rtsp"), [("401", "Unauthorized")]),
    media_format_error(SOURCE, AT_S),
    access_error(AVA, "AuthenticationError", AT_S, "401"),
    data_dropped(Place("yard", group="processors", node="http"), AT_S, "frames"),
    storage_error(VIDEO, AT_S, "/clips"),
    runtime_error(LVA, AT_S, "decoder"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.kind)
def test_each_kind_is_as_published(event: Event) -> None:
    assert replace(event, id=ID).as_record() == GOLDEN[event.kind]


def test_every_kind_is_checked() -> None:
    assert GOLDEN.keys() == {event.kind for event in EVENTS}


def test_what_was_found_is_valid() -> None:
    entity = {"type": "entity", "entity": {"tag": {"value": "person", "confidence": 0.8}, "box": BOX}}
    assert not [*PUBLISHED.iter_errors(dict(seen("yard", MOTION, entity).body))]


def test_properties_are_those_of_a_message_of_iot_hub() -> None:
    properties = replace(EVENTS[1], id=ID).application_properties()
    assert properties == {
        "message-id": ID,
        "topic": "/framehook",
        "subject": "/graphInstances/yard/sinks/fileSink",
        "eventType": "Microsoft.Media.Graph.Operational.RecordingStarted",
        "eventTime": "2020-05-12T23:33:09.381Z",
        "dataVersion": "1.0",
        "correlationId": "clip-1",
    }


def test_each_event_has_an_id_of_its_own() -> None:
    assert len({seen().id for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("at_s", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1.9996, "1970-01-01T00:00:02.000Z"),
        (1620725770.126, "2021-05-11T09:36:10.126Z"),
    ],
)
def test_times_have_milliseconds(at_s: float, text: str) -> None:
    assert seen(at_s=at_s).event_time == text


def test_events_that_had_no_room_are_counted() -> None:
    lost = seen("yard")
    event = events_dropped(lost, AT_S + 60, 12)
    assert event.id != lost.id
    assert (event.event_type, event.subject) == ("Microsoft.VideoAnalyzer.Diagnostics.DataDropped", lost.subject)
    assert event.body == {"dataType": "analyticsEvents", "count": 12}
    assert event.event_time == "2020-05-12T23:34:09.381Z"


def test_json_is_one_line() -> None:
    assert as_json({"text": "é\n\ud800"}) == '{"text":"é\\n?"}'.encode()
    with pytest.raises(ValueError, match="Out of range"):
        as_json({"number": float("nan")})
