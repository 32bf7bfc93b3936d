"""The commands of docs/tutorial.md, in their order, lead to a live stream with settings."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from lab.wire import free_port
from tests.support.client import ROOT
from tests.support.process import FRAMEHOOK
from tests.support.waiting import PROGRAM_S, wait_for

pytestmark = pytest.mark.system

DOCUMENT = (ROOT / "docs" / "tutorial.md").read_text()
STEPS: list[tuple[str, str]] = re.findall(r"<!-- (tested|runs on) -->\n```sh\n(.*?)```", DOCUMENT, re.DOTALL)


class Reader:
    """Somebody who types the commands into terminals, in a copy of the repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.running: list[subprocess.Popen[bytes]] = []

    def types(self, command: str) -> str:
        """Run a command to its end; return what it prints."""
        run = subprocess.run(self._shell(command), cwd=self.folder, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def starts(self, command: str) -> None:
        """Start a command that runs on."""
        self.running.append(subprocess.Popen(self._shell(command), cwd=self.folder, start_new_session=True))

    def stops(self, number: int) -> None:
        os.killpg(self.running[number].pid, signal.SIGINT)
        self.running[number].wait()

    def stream(self) -> dict[str, int]:
        """Return how the frames of the camera were answered so far; nothing while it is not there."""
        with suppress(httpx.TransportError):
            streams = httpx.get(f"http://127.0.0.1:{self.port}/streams").json().get("streams", ())
            frames: dict[str, int] = next((stream["frames"] for stream in streams if stream["id"] == "yard"), {})
            return frames
        return {}

    def is_ready(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.port}/health/ready").is_success
        return False

    def _shell(self, command: str) -> list[str]:
        """What the first start installs is there already, and the port is another one."""
        here = command.replace("scripts/serve", f"{FRAMEHOOK} serve --port {self.port}").replace(
            ":8080", f":{self.port}"
        )
        here = re.sub(r"(camera-ffmpeg.sh .*)", rf"\1 http://127.0.0.1:{self.port}/inference", here)
        here = here.replace("client.py", f"client.py --url http://127.0.0.1:{self.port}/inference")
        return ["bash", "-o", "pipefail", "-ec", here]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    somebody = Reader(tmp_path)
    yield somebody
    for process in somebody.running:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_the_commands_lead_to_a_live_stream_with_settings(reader: Reader) -> None:
    steps = iter(STEPS)

    def next_command(marker: str, part: str) -> str:
        marked, command = next(steps)
        assert (marked, part in command) == (marker, True), command
        return command

    reader.starts(next_command("runs on", "scripts/serve"))
    wait_for(reader.is_ready, PROGRAM_S)
    photo = reader.types(next_command("tested", "curl --data-binary"))
    assert (photo.count('"person"'), photo.count('"car"')) == (2, 1)
    assert reader.types(next_command("tested", "client.py")).count("person") == 6
    reader.types(next_command("tested", "ffmpeg"))
    reader.starts(next_command("runs on", "camera-ffmpeg.sh"))
    wait_for(lambda: reader.stream().get("run"))
    assert '"yard"' in reader.types(next_command("tested", "curl"))
    assert "person" in reader.types(next_command("tested", "--json"))
    reader.types(next_command("tested", "streams/yard.yaml"))
    reader.stops(0)
    reader.starts(next_command("runs on", "--streams streams"))
    wait_for(lambda: all(reader.stream().get(outcome) for outcome in ("regions", "repeated")), PROGRAM_S)
    assert '"repeated"' in reader.types(next_command("tested", "curl"))
    assert list(steps) == []
