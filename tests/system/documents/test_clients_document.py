"""The commands of docs/clients.md get the results of /inference; the addresses that it configures are served."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from lab.pictures import STREET
from tests.contract.builders import post
from tests.support.client import CONTRACT, ROOT
from tests.support.server import LiveServer, running
from tests.support.waiting import PATIENCE_S, wait_for

pytestmark = pytest.mark.system

DOCUMENT = (ROOT / "docs" / "clients.md").read_text()
COMMANDS = re.findall(r"<!-- tested -->\n```(sh|python)\n(.*?)```", DOCUMENT, re.DOTALL)
CAMERAS = re.findall(r"<!-- runs on -->\n```sh\n(.*?)```", DOCUMENT, re.DOTALL)
RUNS_S = 10
SOURCES = {
    "-i rtsp://camera.example/stream": "-re -f lavfi -i testsrc=size=640x360:rate=25",
    "uridecodebin uri=rtsp://camera.example/stream": "videotestsrc is-live=true",
}
"""The camera in the document → one that is always there."""
SHELLS = {"sh": ["bash", "-o", "pipefail", "-ec"], "python": [sys.executable, "-c"]}


def request_facts(caplog: pytest.LogCaptureFixture) -> Iterator[dict[str, Any]]:
    """Yield the log's facts about each posted frame; a line may follow its answer a little later."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        facts = [vars(record)["facts"] for record in caplog.records if record.getMessage() == "request"]
        yield from (each for each in facts if not each["path"].startswith("/health"))  # the server's start
        time.sleep(0.05)


def test_there_are_commands_to_test() -> None:
    assert len(COMMANDS) == 5


@pytest.mark.parametrize(("language", "command"), COMMANDS, ids=["form", "body", "python", "ffmpeg", "gstreamer"])
def test_a_command_is_answered(
    server: LiveServer, language: str, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "framehook")
    there = command.replace("http://127.0.0.1:8080", server.url)
    run = subprocess.run([*SHELLS[language], there], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    facts = next(request_facts(caplog))
    assert facts["status"] == 200
    expected = server.client.post("/inference?confidence=0.6", content=STREET.read_bytes()).json()["inferences"]
    assert facts["detections"] >= len(expected) > 0
    if "gst-launch" not in command:
        assert run.stdout.count("person") >= 3


def test_the_commands_for_cameras_go_on_while_the_service_is_overloaded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Other streams take all places; each command must lose frames, get others worked off, and still run at the end."""
    caplog.set_level("INFO", "framehook")
    over = threading.Event()
    with running(lanes=1, queue_size=1, models=("ssdlite-mobilenet-v2",)) as live:
        flood = [threading.Thread(target=_post_until, args=(over, live, number)) for number in range(6)]
        replaced = {"http://127.0.0.1:8080": live.url, "/dev/shm": str(tmp_path), **SOURCES}
        commands = [_started(command, replaced) for command in CAMERAS]
        for thread in flood:
            thread.start()
        try:
            over.wait(RUNS_S)
            wait_for(
                lambda: all(_counted(caplog)[name, status] for name in ("yard", "door", "gate") for status in (2, 5))
            )
            still_run, counted = [command.poll() is None for command in commands], _counted(caplog)
        finally:
            over.set()
            for command in commands:
                os.killpg(command.pid, signal.SIGKILL)
                command.wait()
            for thread in flood:
                thread.join()
    assert still_run == [True] * 3
    assert {status for _, status in counted} == {2, 5}, counted


def _started(command: str, replaced: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a command for a camera in a process group of its own. `replaced`: text in the document → here."""
    for written, here in replaced.items():
        command = command.replace(written, here)
    return subprocess.Popen(
        ["bash", "-o", "pipefail", "-ec", command], stdout=subprocess.DEVNULL, start_new_session=True
    )


def _post_until(over: threading.Event, live: LiveServer, number: int) -> None:
    frame = STREET.read_bytes()
    with live.new_client() as client:
        while not over.is_set():
            client.post("/inference", content=frame, params={"stream": f"other-{number}"})


def _counted(caplog: pytest.LogCaptureFixture) -> Counter[tuple[str, int]]:
    """Return how many frames of each camera got a status of that class, such as 2 for 200 and 204."""
    facts = [vars(record)["facts"] for record in list(caplog.records) if record.getMessage() == "request"]
    return Counter(
        (each["stream"], each["status"] // 100) for each in facts if each.get("stream") in {"yard", "door", "gate"}
    )


ADDRESSES = sorted(set(re.findall(r"http://[\w.]+:8080(/[\w/.-]+(?:\?[\w=,]+)?)", DOCUMENT)))


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_takes_pictures(server: LiveServer, address: str) -> None:
    assert post(server, address, STREET.read_bytes()).is_success


def test_there_are_addresses_to_test() -> None:
    assert len(ADDRESSES) >= 6


def test_frigate_beside_the_service() -> None:
    """Compose's check needs an image's name; Frigate's configuration names a path that accepts its pictures."""
    folder = ROOT / "deploy" / "compose"
    command = ["docker-compose", "-f", str(folder / "compose.yaml"), "-f", str(folder / "frigate.yaml"), "config"]
    run = subprocess.run(command, env={"FRIGATE_IMAGE": "frigate", "PATH": "/usr/bin:/bin:/usr/local/bin"}, text=True,
                         capture_output=True, check=True)  # fmt: skip
    services = yaml.safe_load(run.stdout)["services"]
    config = yaml.safe_load((folder / "frigate-config.yml").read_text())
    [detector] = config["detectors"].values()
    address = urlsplit(detector["api_url"])
    assert address.hostname in services
    assert "post" in CONTRACT["paths"][address.path]
    labels = (ROOT / "models" / "zoo" / "ssdlite-mobilenet-v2" / "labels.txt").read_text().splitlines()
    assert set(config["objects"]["track"]) <= set(labels)
