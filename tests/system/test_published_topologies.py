"""Microsoft's published topologies run, or are refused by name. .ci/run gets them; none of them is copied."""

import json
from collections import Counter
from pathlib import Path

import pytest

from player.errors import TopologyError
from player.topology.drawing import mermaid
from player.topology.reading import read_topology
from player.topology.report import report
from tests.player.running.playing import PERSON, Answering, events_in, play, write_street
from tests.support.client import ROOT

SOURCES = ROOT / ".tools" / "sources" / "Azure"
FOLDERS = {"lva": "live-video-analytics/MediaGraph/topologies", "ava": "video-analyzer/pipelines/live/topologies"}
CAMERA = "rtsp://camera.example/stream"
NEEDED = {"inferencingUrl": "http://127.0.0.1:8080/inference"}
"""Two topologies have no default for it."""
EXPECTED = {
    "lva": {"runs": 40, "gRPC": 13, "spatial analysis": 3},
    "ava": {"runs": 17, "gRPC": 5, "spatial analysis": 4, "not JSON": 1},
}
WARNED = {
    "lva": {
        "the parameter * is not used.": 18,
        "* has the minimumActivationTime 5 s; documented is 10 s to 3600 s.": 6,
        "* has the maximumActivationTime 5 s; documented is 10 s to 3600 s.": 6,
        "* has no maximumSizeMiB: clips are kept until the disk is full.": 6,
        "it has both asset sinks and file sinks; Live Video Analytics took only one kind.": 3,
    },
    "ava": {"line 2, column 5: the key systemData is not known, and has no effect.": 1},
}

pytestmark = pytest.mark.system


def files(dialect: str) -> list[Path]:
    """Return the published topologies of a dialect; skips the test where .ci/run could not get them."""
    found = sorted((SOURCES / FOLDERS[dialect]).rglob("*.json"))
    if not found:
        pytest.skip(f".tools/sources/Azure/{FOLDERS[dialect]} is empty: .ci/run fills it")
    return found


def values(path: Path) -> dict[str, str]:
    """Return a value for what has no default."""
    text = path.read_text(encoding="utf-8")
    return {name: value for name, value in NEEDED.items() if f'"{name}"' in text}


def reason(error: TopologyError) -> str:
    """Return why a topology is refused, in short; the whole sentence if that is another."""
    text = str(error)
    return next((word for word in ("gRPC", "spatial analysis", "not JSON") if word in text), text)


@pytest.mark.parametrize("dialect", FOLDERS)
def test_they_run_or_are_refused_by_name(dialect: str) -> None:
    outcomes: Counter[str] = Counter()
    for path in files(dialect):
        try:
            found = read_topology(path, values(path), source=CAMERA, pipeline="door").topology
        except TopologyError as error:
            outcomes[reason(error)] += 1
            continue
        assert found.dialect == dialect
        assert found.camera.endpoint.url == CAMERA
        assert mermaid(found).count("-->") + mermaid(found).count("-.->") >= len(found.nodes) - len(found.sources)
        outcomes["runs"] += 1
    assert outcomes == EXPECTED[dialect]


@pytest.mark.parametrize("dialect", FOLDERS)
def test_their_oddities_are_warnings(dialect: str) -> None:
    warned: Counter[str] = Counter()
    for path in files(dialect):
        try:
            found = read_topology(path, values(path), source=CAMERA, pipeline="door")
        except TopologyError:
            continue
        names = {each["name"] for each in json.loads(path.read_text("utf-8"))["properties"].get("parameters", [])}
        names |= {node.name for node in found.topology.nodes}
        for warning in found.warnings:
            warned[" ".join("*" if word in names else word for word in warning.split(" "))] += 1
    assert warned == WARNED[dialect]


@pytest.mark.parametrize("dialect", FOLDERS)
def test_each_that_is_json_has_a_report(dialect: str) -> None:
    failed = []
    for path in files(dialect):
        try:
            assert len(report(path, {}, pipeline="door").lines) > 3
        except TopologyError as error:
            failed.append(reason(error))
    assert failed == ["not JSON"] * EXPECTED[dialect].get("not JSON", 0)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_street(tmp_path_factory.mktemp("video") / "street.mp4", 40)


@pytest.mark.parametrize("dialect", FOLDERS)
def test_those_that_run_play_a_file_to_its_end(dialect: str, video: Path, tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    for number, path in enumerate(files(dialect)):
        try:
            topology = read_topology(path, values(path), source=str(video), pipeline="yard").topology
        except TopologyError:
            continue
        folder, output = tmp_path / str(number), tmp_path / f"{number}.jsonl"
        play(topology, output, Answering([(PERSON,)]), clips=folder)
        events = {event["eventType"].rpartition(".")[2] for event in events_in(output)}
        assert "MediaSessionEstablished" in events
        assert not events & {"RuntimeError", "StorageError", "NetworkError", "ProtocolError"}, path
        kinds = {type(node).__name__ for node in topology.nodes}
        has_hub_source = "IotHubMessageSource" in kinds
        if "HttpExtension" in kinds and "LineCrossingProcessor" not in kinds:
            assert "Inference" in events, path
        if kinds & {"FileSink", "VideoSink"} and not has_hub_source:
            assert [*folder.rglob("*.mp4")], path
        outcomes["plays"] += 1
    assert outcomes["plays"] == EXPECTED[dialect]["runs"]
