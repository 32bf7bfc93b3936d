import json
import os
from pathlib import Path
from typing import Any, NoReturn

import av
import pytest

from lab.wire import refusing
from player.errors import ClipError, ExtensionBusyError, ExtensionError, ExtensionRefusedError, TopologyError
from player.media.sources import Source
from player.running import building
from player.running.pipeline import Pipeline
from tests.player.running.playing import PERSON, Answering, events_in, play, playing, write_street
from tests.player.running.topologies import (
    VIDEO,
    extension,
    file_sink,
    gate,
    hub_sink,
    node,
    write_topology,
)
from tests.support.http_camera import http_camera
from tests.support.mqtt_broker import broking
from tests.support.waiting import wait_for

URL = "http://127.0.0.1:1/inference"
COUNT = 40
NOTHING = ()


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_street(tmp_path_factory.mktemp("video") / "street.mp4", COUNT)


def duration_s(path: Path) -> float:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert packets[0].is_keyframe
        return float(len(packets)) / 10


def test_what_is_found_is_reported_with_the_time_of_its_frame(video: Path, tmp_path: Path) -> None:
    answering = Answering([(PERSON,), NOTHING, (PERSON,), NOTHING])
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), hub_sink("detector"))
    player = play(topology, tmp_path / "events.jsonl", answering)
    found = events_in(tmp_path / "events.jsonl", "Inference")
    assert [event["data"]["inferences"] for event in found] == [[PERSON], [PERSON]]
    assert [event["data"]["timestamp"] for event in found] == [round(90_000 * answering.times_s[at]) for at in (0, 2)]
    assert {event["subject"] for event in found} == {"/edgeModules/framehook/livePipelines/yard/processors/detector"}
    [state] = player.pipelines
    assert (state.phase, state.frames, state.total("answered"), state.total("asked")) == ("ended", COUNT, COUNT, COUNT)
    assert answering.is_closed


def test_what_reaches_a_sink_on_two_ways_is_reported_once(video: Path, tmp_path: Path) -> None:
    filtered = node("FrameRateFilterProcessor", "few", "detector", maximumFps="5")
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), filtered, hub_sink("detector", "few"))
    play(topology, tmp_path / "events.jsonl", Answering([(PERSON,)]))
    assert len(events_in(tmp_path / "events.jsonl", "Inference")) == COUNT


def test_a_clip_begins_before_its_event_at_a_keyframe(video: Path, tmp_path: Path) -> None:
    answers = [NOTHING] * 15 + [(PERSON,)] + [NOTHING]
    topology = write_topology(
        tmp_path / "t.json", str(video), extension(URL), gate("detector"), file_sink(tmp_path / "clips")
    )
    player = play(topology, tmp_path / "events.jsonl", Answering([*answers]))
    [clip] = (tmp_path / "clips").iterdir()
    assert duration_s(clip) == pytest.approx(1.5, abs=0.51)  # half a second before, one after, and a group of pictures
    kinds = [event["eventType"].rpartition(".")[2] for event in events_in(tmp_path / "events.jsonl")]
    assert kinds == ["MediaSessionEstablished", "RecordingStarted", "RecordingStopped", "RecordingAvailable"]
    recordings = events_in(tmp_path / "events.jsonl")[1:]
    assert {event["data"]["outputLocation"] for event in recordings} == {str(clip)}
    assert len({event["correlationId"] for event in recordings}) == 1
    [state] = player.pipelines
    assert (state.clips, state.clip_bytes, state.clip_faults) == (1, clip.stat().st_size, 0)


def test_nothing_found_is_no_clip(video: Path, tmp_path: Path) -> None:
    topology = write_topology(
        tmp_path / "t.json", str(video), extension(URL), gate("detector"), file_sink(tmp_path / "clips")
    )
    play(topology, tmp_path / "events.jsonl", Answering([NOTHING]))
    assert [*(tmp_path / "clips").iterdir()] == []


@pytest.mark.parametrize(
    ("trigger_filter", "clips"),
    [
        ({"labels": "person"}, 1),
        ({"labels": "car, dog"}, 0),
        ({"labels": "person", "minimumConfidence": "0.95"}, 0),
    ],
    ids=str,
)
def test_a_filter_chooses_what_opens_a_gate(
    video: Path, tmp_path: Path, trigger_filter: dict[str, str], clips: int
) -> None:
    gated = gate("detector", triggerFilter=trigger_filter)
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), gated, file_sink(tmp_path / "clips"))
    play(topology, tmp_path / "events.jsonl", Answering([NOTHING, (PERSON,), NOTHING]))
    assert len([*(tmp_path / "clips").iterdir()]) == clips


def test_a_recording_without_a_gate_has_segments_and_notes_what_was_found(video: Path, tmp_path: Path) -> None:
    sink = node(
        "VideoSink",
        "video",
        "camera",
        "detector",
        videoName="yard",
        videoCreationProperties={"segmentLength": "PT2S"},
    )
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), sink)
    player = play(topology, tmp_path / "events.jsonl", Answering([NOTHING, (PERSON,), NOTHING]), clips=tmp_path / "all")
    segments = sorted((tmp_path / "all" / "yard").glob("*.mp4"))
    assert [duration_s(segment) for segment in segments] == [2, 2]
    [notes] = (tmp_path / "all" / "yard").glob("*.jsonl")
    assert notes.with_suffix(".mp4") == segments[0]
    assert PERSON["entity"]["tag"]["value"] in notes.read_text()
    recordings = [event for event in events_in(tmp_path / "events.jsonl") if "Operational" in event["eventType"]]
    assert [event["eventType"].rpartition(".")[2] for event in recordings] == [
        "RecordingStarted",
        "RecordingAvailable",
        "RecordingStopped",
    ]
    assert {event["data"]["outputLocation"] for event in recordings} == {"yard"}
    assert player.pipelines[0].clips == 2


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_notes_are_written_to_a_file_alone(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(building, "file_name", lambda *_: "name")
    notes, other = tmp_path / "clips" / "name" / "name.jsonl", tmp_path / "other"
    notes.parent.mkdir(parents=True)
    other.write_text("theirs")
    notes.symlink_to(other) if kind == "link" else os.mkfifo(notes)
    sink = node("VideoSink", "video", "camera", "detector", videoName="yard")
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), sink)
    player = play(topology, tmp_path / "events.jsonl", Answering([(PERSON,)]), clips=tmp_path / "clips")
    assert player.pipelines[0].clips == 1
    assert other.read_text() == "theirs"


def test_motion_is_reported_by_its_node(video: Path, tmp_path: Path) -> None:
    motion = node("MotionDetectionProcessor", "motion", "camera", eventAggregationWindow="PT0S")
    topology = write_topology(tmp_path / "t.json", str(video), motion, hub_sink("motion"))
    play(topology, tmp_path / "events.jsonl")
    found = events_in(tmp_path / "events.jsonl", "Inference")
    assert found
    assert {inference["type"] for event in found for inference in event["data"]["inferences"]} == {"motion"}


def test_crossings_carry_totals(video: Path, tmp_path: Path) -> None:
    def person(left: float) -> dict[str, object]:
        return {**PERSON, "entity": {**PERSON["entity"], "box": {"l": left, "t": 0.2, "w": 0.1, "h": 0.4}}}

    line = {"@type": "#Microsoft.VideoAnalyzer.NamedLineString", "name": "gate", "line": "[[0.5,0.1],[0.5,0.9]]"}
    walking = Answering([(person(0.2 + 0.012 * number),) for number in range(COUNT)])
    topology = write_topology(
        tmp_path / "t.json",
        str(video),
        extension(URL),
        node("ObjectTrackingProcessor", "tracker", "detector"),
        node("LineCrossingProcessor", "counter", "tracker", lines=[line]),
        hub_sink("counter"),
    )
    play(topology, tmp_path / "events.jsonl", walking)
    [event] = events_in(tmp_path / "events.jsonl", "Inference")
    [crossing] = event["data"]["inferences"]
    assert crossing["event"]["name"] == "gate"
    assert crossing["event"]["properties"]["total"] == "1"
    assert crossing["event"]["properties"]["direction"] == "counterclockwise"


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ExtensionRefusedError("It refuses.", 400, "no picture"), "ProtocolError", "400"),
        (ExtensionBusyError("It is busy.", 0.01), "ProtocolError", "503"),
        (ExtensionError("It is away."), "NetworkError", "noAnswer"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_a_fault_of_an_extension_is_reported_once(
    video: Path, tmp_path: Path, error: ExtensionError, kind: str, code: str
) -> None:
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), hub_sink("detector"))
    player = play(topology, tmp_path / "events.jsonl", Answering([error]))
    [event] = events_in(tmp_path / "events.jsonl", kind)
    assert code in event["data"].values()
    assert event["subject"].endswith("/processors/detector")
    assert player.pipelines[0].total("failed") >= 1


def test_the_log_says_why_an_extension_gives_no_answer(
    video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), hub_sink("detector"))
    play(topology, tmp_path / "events.jsonl", Answering([ExtensionError("It is away.")]))
    [record] = [record for record in caplog.records if record.message == "extension failed"]
    assert vars(record)["facts"] == {"pipeline": "yard", "node": "detector", "reason": "It is away."}


def test_a_file_that_cannot_be_read_fails_and_a_camera_is_tried_again(tmp_path: Path) -> None:
    gone = write_topology(tmp_path / "t.json", str(tmp_path / "gone.mp4"), extension(URL), hub_sink("detector"))
    player = play(gone, tmp_path / "events.jsonl", Answering([NOTHING]))
    assert player.pipelines[0].phase == "failed"
    assert "gone.mp4 does not exist" in player.pipelines[0].fault
    with refusing() as port:
        url = f"http://127.0.0.1:{port}/video"
        away = write_topology(tmp_path / "u.json", url, extension(URL), hub_sink("detector"))
        with playing(away, tmp_path / "away.jsonl", Answering([NOTHING])) as (player, over):
            wait_for(lambda: "refuses connections" in player.pipelines[0].fault)
            assert player.pipelines[0].phase == "connecting"
            assert not over.is_set()
    assert len(events_in(tmp_path / "away.jsonl", "NetworkError")) == 1


def test_a_fault_of_the_player_ends_the_pipeline_and_is_logged(
    video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Answering):
        def prepare(self, *_: object) -> NoReturn:
            raise ZeroDivisionError

    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), hub_sink("detector"))
    player = play(topology, tmp_path / "events.jsonl", Broken([NOTHING]))
    assert player.pipelines[0].phase == "failed"
    assert [event["data"] for event in events_in(tmp_path / "events.jsonl", "RuntimeError")] == [
        {"code": "ZeroDivisionError"}
    ]
    assert "pipeline failed" in caplog.text


def test_a_file_at_the_pace_of_its_pictures_is_asked_about_by_another_thread(video: Path, tmp_path: Path) -> None:
    answering = Answering([(PERSON,)])
    sampled = extension(URL, samplingOptions={"maximumSamplesPerSecond": "5"})
    topology = write_topology(tmp_path / "t.json", str(video), sampled, hub_sink("detector"))
    player = play(topology, tmp_path / "events.jsonl", answering, is_paced=True)
    assert player.pipelines[0].phase == "ended"
    assert len(events_in(tmp_path / "events.jsonl", "Inference")) == len(answering.times_s)
    assert 1 < len(answering.times_s) <= 21  # a busy machine may be late for some
    assert 20 <= len(answering.times_s) + player.pipelines[0].total("skipped") <= 21


def test_an_input_may_take_sound_alone(video: Path, tmp_path: Path) -> None:
    silent = extension(URL)
    silent["inputs"] = [{"nodeName": "camera", "outputSelectors": [{**VIDEO[0], "value": "audio"}]}]
    answering = Answering([(PERSON,)])
    play(write_topology(tmp_path / "t.json", str(video), silent, hub_sink("detector")), tmp_path / "e.jsonl", answering)
    assert answering.times_s == []


def test_an_extension_that_cannot_be_asked_is_refused_before_anything_runs(video: Path, tmp_path: Path) -> None:
    credentials = {
        "@type": "#Microsoft.VideoAnalyzer.HttpHeaderCredentials",
        "headerName": "x-key",
        "headerValue": "schlüssel",
    }
    endpoint = {"@type": "#Microsoft.VideoAnalyzer.UnsecuredEndpoint", "url": URL, "credentials": credentials}
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL, endpoint=endpoint), hub_sink("detector"))
    with pytest.raises(TopologyError):
        play(topology, tmp_path / "events.jsonl")


def test_messages_of_a_broker_open_a_gate(video: Path, tmp_path: Path) -> None:
    source = {"@type": "#Microsoft.VideoAnalyzer.IotHubMessageSource", "name": "outside", "hubInputName": "record"}
    topology = write_topology(
        tmp_path / "t.json", str(video), gate("outside"), file_sink(tmp_path / "clips"), more=source
    )
    with broking() as broker:
        output = f"mqtt://127.0.0.1:{broker.port}"
        with playing(topology, tmp_path / "e.jsonl", is_looped=True, more_outputs=[output]) as (player, _):
            wait_for(lambda: any("framehook/yard/inputs/record" in client.filters for client in broker.present))
            wait_for(lambda: player.pipelines[0].packets > 15)
            broker.publish("framehook/yard/inputs/record", b"now")
            wait_for(lambda: player.pipelines[0].clips == 1)
    assert duration_s(next((tmp_path / "clips").iterdir())) == pytest.approx(1.5, abs=0.65)


def test_a_clip_that_cannot_be_written_is_reported_and_the_next_one_tried(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise ClipError("The disk is full.")

    monkeypatch.setattr("player.media.clips.Mp4File.write", full)
    sink = node("VideoSink", "video", "camera", videoName="yard", videoCreationProperties={"segmentLength": "PT2S"})
    topology = write_topology(tmp_path / "t.json", str(video), sink)
    player = play(topology, tmp_path / "events.jsonl", clips=tmp_path / "all")
    assert player.pipelines[0].clip_faults == 2
    faults = events_in(tmp_path / "events.jsonl", "StorageError")
    assert [event["data"] for event in faults] == [{"storageAccountName": "yard"}] * 2


def test_a_filter_between_motion_and_gate_opens_it(video: Path, tmp_path: Path) -> None:
    motion = node("MotionDetectionProcessor", "motion", "camera", eventAggregationWindow="PT0S")
    few = node("FrameRateFilterProcessor", "few", "motion", maximumFps="10")
    topology = write_topology(tmp_path / "t.json", str(video), motion, few, gate("few"), file_sink(tmp_path / "clips"))
    play(topology, tmp_path / "events.jsonl")
    assert [*(tmp_path / "clips").glob("*.mp4")]


def test_a_clip_ends_when_the_camera_is_away(jpegs: list[bytes], tmp_path: Path) -> None:
    sink = node("VideoSink", "video", "camera", videoName="yard")
    with http_camera(jpegs) as url:
        topology = write_topology(tmp_path / "t.json", f"{url}/few", sink)
        with playing(topology, tmp_path / "events.jsonl", clips=tmp_path / "all") as (player, _):
            wait_for(lambda: player.pipelines[0].events["RecordingStarted"] > 1)
    kinds = [event["eventType"].rpartition(".")[2] for event in events_in(tmp_path / "events.jsonl")]
    first = [kind for kind in kinds if kind.startswith("Recording")][:4]
    assert first == ["RecordingStarted", "RecordingAvailable", "RecordingStopped", "RecordingStarted"]


@pytest.mark.parametrize(
    ("kind", "keys", "trusted"),
    [
        ("UnsecuredEndpoint", {}, None),
        ("TlsEndpoint", {}, "the system's"),
        ("TlsEndpoint", {"validationOptions": {"ignoreSignature": "true"}}, None),
        ("TlsEndpoint", {"trustedCertificates": {"certificates": ["-----BEGIN CERTIFICATE-----\nAA"]}}, "its own"),
    ],
)
def test_the_certificate_of_an_encrypted_camera_is_checked_where_the_topology_wants_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, keys: dict[str, Any], trusted: str | None
) -> None:
    opened: list[Source] = []
    texts: list[str] = []

    def start(_: Pipeline, source: Source, _built: object) -> None:
        opened.append(source)
        texts.append(source.ca_file.read_text() if source.ca_file else "")

    monkeypatch.setattr(Pipeline, "start", start)
    topology = write_topology(tmp_path / "t.json", "rtsps://127.0.0.1:1/a", extension(URL), hub_sink("detector"))
    document = json.loads(topology.read_text())
    endpoint = document["properties"]["sources"][0]["endpoint"]
    endpoint |= {"@type": f"#Microsoft.VideoAnalyzer.{kind}", **keys}
    topology.write_text(json.dumps(document))
    with playing(topology, tmp_path / "e.jsonl", Answering([NOTHING])):
        pass
    assert bool(opened[0].ca_file) == bool(trusted)
    assert ("AA" in texts[0] and len(texts[0]) < 100) == (trusted == "its own")
