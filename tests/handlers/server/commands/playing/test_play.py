import argparse
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.server.commands.playing.described import described
from lab.pictures import street
from lab.videos import Coding, write_video
from lab.wire import free_port
from tests.player.running.topologies import extension, hub_sink, node, write_topology
from tests.support.process import FRAMEHOOK, framehook
from tests.support.server import LiveServer
from tests.support.waiting import PATIENCE_S, PROGRAM_S, wait_for

COUNT = 5


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    picture = street().resize((640, 360))
    pictures = [picture.crop((8 * number, 0, 600 + 8 * number, 360)) for number in range(COUNT)]
    return write_video(tmp_path_factory.mktemp("video") / "street.mp4", pictures, Coding(options={"g": "5"}))


def records(text: str, kind: str = "Inference") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    return [record for record in found if record["eventType"].endswith(f".{kind}")]


def found_in(text: str) -> list[list[dict[str, Any]]]:
    return [record["data"]["inferences"] for record in records(text)]


def test_a_file_is_played_with_a_server_and_in_its_process_with_the_same_answers(
    server: LiveServer, video: Path, tmp_path: Path
) -> None:
    topology = write_topology(
        tmp_path / "t.json", str(video), extension(f"{server.url}/inference?confidence=0.6"), hub_sink("detector")
    )
    over_http = framehook("play", topology, "--speed", "max")
    in_process = framehook("play", topology, "--speed", "max", "--serve", "--port", str(free_port()))
    assert (over_http.returncode, in_process.returncode) == (0, 0), over_http.stderr + in_process.stderr
    assert len(found_in(over_http.stdout)) == COUNT
    assert found_in(over_http.stdout) == found_in(in_process.stdout)
    assert found_in(over_http.stdout)[0][0]["entity"]["tag"]["value"] in {"person", "car"}
    assert len(records(over_http.stdout, "MediaSessionEstablished")) == 1


def test_a_ready_topology_needs_a_source_alone(server: LiveServer, video: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    played = framehook(
        *("play", "detect", "--source", video, "--speed", "max", "--to", events, "--name", "yard"),
        *("--set", f"inferencingUrl={server.url}/inference"),
    )
    assert (played.returncode, played.stdout) == (0, "")
    subjects = {record["subject"] for record in records(events.read_text())}
    assert subjects == {"/edgeModules/framehook/livePipelines/yard/processors/detector"}


def test_a_list_plays_several_pipelines_whose_status_can_be_read(
    server: LiveServer, video: Path, tmp_path: Path
) -> None:
    url, status = f"{server.url}/inference", f"http://127.0.0.1:{(port := free_port())}"
    listed = tmp_path / "list.yaml"
    listed.write_text(
        "events: [both.jsonl]\npipelines:\n"
        f"  - {{name: front, topology: detect, source: {video}, set: {{inferencingUrl: '{url}'}}}}\n"
        f"  - {{name: back, topology: detect, source: {video}, set: {{inferencingUrl: '{url}'}}, "
        "events: [back.jsonl]}\n"
    )
    command: list[str | Path] = [FRAMEHOOK, "play", listed, "--loop", "--status", str(port)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:

        def both_play() -> bool:
            assert process.poll() is None
            try:
                pipelines = httpx.get(f"{status}/status").json()["pipelines"]
            except httpx.TransportError:
                return False
            return all(pipeline["answered"] > 1 for pipeline in pipelines)

        wait_for(both_play)
        assert httpx.get(f"{status}/health", timeout=PATIENCE_S).json() == {"status": "playing", "waiting": []}
        metrics = httpx.get(f"{status}/metrics", timeout=PATIENCE_S).text
        assert 'framehook_player_playing{pipeline="back"} 1.0' in metrics
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    for output, pipeline in (("both.jsonl", "front"), ("back.jsonl", "back")):
        subjects = {json.loads(line)["subject"] for line in (tmp_path / output).read_text().splitlines()}
        assert {subject.split("/")[4] for subject in subjects} == {pipeline}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.json"], "nothing.json: there is no such file; count-line, detect, record-on-detection are ready"),
        (["detect"], "rtspUrl"),
        (["detect", "--set", "framesPerSecond"], "--set takes NAME=VALUE, not 'framesPerSecond'."),
        (["detect", "--source", "gone.mp4"], "gone.mp4 does not exist"),
        (["detect", "--source", "ftp://camera.example"], "The scheme 'ftp' is not supported"),
        (["detect", "--source", "gone.mp4", "--to", "gopher://x"], "Events cannot go to 'gopher://'"),
        (["list.yaml", "--name", "yard"], "--source, --set and --name are for one pipeline; a list has them for each."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_played_is_one_sentence(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("pipelines: [{name: a, topology: detect}]\n")
    failed = subprocess.run([FRAMEHOOK, "play", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


def test_check_and_draw_describe_a_topology() -> None:
    checked = framehook("play", "count-line", "--check", "--source", "video.mp4", "--set", "line=0.5,0.1,0.5,0.9")
    assert "LineCrossingProcessor counter <- tracker" in checked.stdout
    assert "rtspUrl (string): replaced by the source" in checked.stdout
    assert checked.returncode == 0
    missing = framehook("play", "count-line", "--check")
    assert (missing.returncode, "give --set rtspUrl=VALUE." in missing.stdout) == (0, True)
    assert framehook("play", "count-line", "--check", "--source", "x", "--set", "line=0").returncode == 1
    drawn = framehook("play", "detect", "--draw", "--source", "video.mp4")
    assert drawn.stdout.startswith("flowchart")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_plays_with_closed_standard_streams(closed: str, server: LiveServer, video: Path, tmp_path: Path) -> None:
    sink = node("VideoSink", "video", "detector", videoName="yard")
    topology = write_topology(
        tmp_path / "t.json", str(video), extension(f"{server.url}/inference"), hub_sink("detector"), sink
    )
    play = f"exec {FRAMEHOOK} play {topology} --speed max --to - --to {tmp_path}/e.jsonl --clips {tmp_path} {closed}"
    assert subprocess.run(["sh", "-c", play], check=False, timeout=PROGRAM_S).returncode == 0
    assert records((tmp_path / "e.jsonl").read_text(), "RecordingAvailable")
    [clip] = (tmp_path / "yard").glob("*.mp4")
    assert b"eventType" not in clip.read_bytes()


@pytest.mark.parametrize("name", ["\x1b[31myard", "yard\nyard", "yard\u202e", os.fsdecode(b"yard\xff")], ids=ascii)
def test_a_name_has_no_letters_that_terminals_and_pages_cannot_show(name: str) -> None:
    [shown], _ = described(argparse.Namespace(topology="detect", name=name, source=None, set=[], to=None, clips=None))
    assert shown.name.isprintable()
    assert "yard" in shown.name


@pytest.mark.parametrize("address", ["port", "9600x", ":", "127.0.0.1:70000"])
def test_a_wrong_address_of_the_status_is_refused(address: str) -> None:
    assert framehook("play", "detect", "--status", address).returncode == 2


def test_a_server_that_cannot_start_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.yaml").write_text("family: {}\n")
    failed = framehook("play", "detect", "--serve", "--source", "x.mp4", "--model-repository", str(tmp_path))
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
