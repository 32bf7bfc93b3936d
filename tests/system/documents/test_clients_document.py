"""The commands of docs/clients.md get the results of /inference; the addresses that it configures are served."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from lab.pictures import STREET
from tests.contract.builders import post
from tests.support.client import CONTRACT, ROOT
from tests.support.server import LiveServer

pytestmark = pytest.mark.system

DOCUMENT = (ROOT / "docs" / "clients.md").read_text()
PATIENCE_S = 10
COMMANDS = re.findall(r"<!-- tested -->\n```(sh|python)\n(.*?)```", DOCUMENT, re.DOTALL)
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
    run = subprocess.run([*SHELLS[language], there], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    facts = next(request_facts(caplog))
    assert facts["status"] == 200
    expected = server.client.post("/inference?confidence=0.6", content=STREET.read_bytes()).json()["inferences"]
    assert facts["detections"] >= len(expected) > 0
    if "gst-launch" not in command:
        assert run.stdout.count("person") >= 3


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
