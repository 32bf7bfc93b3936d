"""What is said of recordings is true of the files that are there."""

from pathlib import Path

import av
import pytest

from player.errors import ClipError
from player.media.mp4 import Mp4File
from player.media.tracks import Content
from tests.player.running.playing import PERSON, Answering, events_in, play, write_street
from tests.player.running.topologies import extension, file_sink, gate, node, write_topology

URL = "http://127.0.0.1:1/inference"
SEGMENTS = {"segmentLength": "PT1S"}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_street(tmp_path_factory.mktemp("video") / "street.mp4", 40)


def test_events_name_the_clip_of_their_own_gate_if_two_write_into_a_folder(video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    second = {**gate("detector"), "name": "second"}
    sinks = file_sink(folder), {**file_sink(folder, "second"), "name": "more"}
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), gate("detector"), second, *sinks)
    play(topology, tmp_path / "e.jsonl", Answering([*[()] * 15, (PERSON,), ()]))
    named: dict[str, list[str]] = {}
    for event in events_in(tmp_path / "e.jsonl")[1:]:
        named.setdefault(event["subject"], []).append(event["data"]["outputLocation"])
    assert [len(paths) for paths in named.values()] == [3, 3]
    assert sorted(path for paths in named.values() for path in set(paths)) == sorted(map(str, folder.iterdir()))


def test_what_was_found_is_beside_each_of_two_clips_of_the_same_second(video: Path, tmp_path: Path) -> None:
    sinks = [
        node("VideoSink", name, "detector", videoName="yard", videoCreationProperties=SEGMENTS)
        for name in ("one", "other")
    ]
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), *sinks)
    play(topology, tmp_path / "e.jsonl", Answering([(PERSON,)]), clips=tmp_path)
    clips = [*(tmp_path / "yard").glob("*.mp4")]
    lines = [path.with_suffix(".jsonl").read_text().count("\n") for path in clips]
    assert len(lines) == 8
    assert sum(lines) == 80


def test_of_a_clip_that_could_not_be_written_no_notes_are_left(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Mp4File.write

    def fills_up(file: Mp4File, content: Content) -> bool:
        if file.path.with_suffix(".jsonl").exists():
            raise ClipError("The disk is full.")
        return write(file, content)

    monkeypatch.setattr(Mp4File, "write", fills_up)
    sink = node("VideoSink", "video", "detector", videoName="yard", videoCreationProperties=SEGMENTS)
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), sink)
    player = play(topology, tmp_path / "e.jsonl", Answering([(PERSON,)]), clips=tmp_path)
    assert player.pipelines[0].clip_faults > 0
    assert [*(tmp_path / "yard").iterdir()] == []


def test_the_end_of_a_recording_without_a_gate_names_its_file(video: Path, tmp_path: Path) -> None:
    topology = write_topology(tmp_path / "t.json", str(video), file_sink(tmp_path / "clips", "camera"))
    play(topology, tmp_path / "e.jsonl")
    [stopped] = events_in(tmp_path / "e.jsonl", "RecordingStopped")
    assert [stopped["data"]["outputLocation"]] == [str(path) for path in (tmp_path / "clips").iterdir()]


def test_a_sink_of_two_gates_records_while_either_is_open(video: Path, tmp_path: Path) -> None:
    labels = [{"triggerFilter": {"labels": [label]}} for label in ("person", "dog")]
    gates = gate("detector", **labels[0]), {**gate("detector", **labels[1]), "name": "second"}
    sink = file_sink(tmp_path / "clips")
    sink["inputs"].append({"nodeName": "second"})
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), *gates, sink)
    dog = {"type": "entity", "entity": {**PERSON["entity"], "tag": {"value": "dog", "confidence": 0.9}}}
    play(topology, tmp_path / "e.jsonl", Answering([*[()] * 10, (PERSON,), *[()] * 7, (dog,), ()]))
    [clip] = (tmp_path / "clips").iterdir()
    with av.open(str(clip)) as container:
        count = sum(packet.size > 0 for packet in container.demux(video=0))
    assert count == pytest.approx(23, abs=2)  # from half a second before the person to a second after the dog
    kinds = [event["eventType"].rpartition(".")[2] for event in events_in(tmp_path / "e.jsonl")[1:]]
    assert kinds == ["RecordingStarted", "RecordingStopped", "RecordingAvailable"]
