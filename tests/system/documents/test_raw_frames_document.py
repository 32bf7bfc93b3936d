"""The commands of docs/raw-frames.md post the street photo, and get the same results as for the JPEG."""

import json
import logging
import re
import subprocess
import time
from typing import Any

import pytest

from lab.pictures import STREET
from tests.support.client import ROOT
from tests.support.models.matching import flat, iou
from tests.support.server import LiveServer
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.system

DOCUMENT = (ROOT / "docs" / "raw-frames.md").read_text()
COMMANDS = re.findall(r"<!-- tested -->\n```sh\n(.*?)```", DOCUMENT, re.DOTALL)


def test_there_are_commands_to_test() -> None:
    assert len(COMMANDS) == 3


@pytest.mark.parametrize("command", COMMANDS, ids=["ffmpeg", "gstreamer", "gstreamer alone"])
def test_a_command_posts_the_street(server: LiveServer, command: str, caplog: pytest.LogCaptureFixture) -> None:
    """GStreamer's conversions differ a little from ours, so its boxes get a wider tolerance."""
    expected = flat(server.client.post("/inference?confidence=0.7", content=STREET.read_bytes()).json())
    caplog.set_level(logging.INFO, "framehook")
    there = command.replace("http://127.0.0.1:8080", server.url)
    run = subprocess.run(["bash", "-ec", there], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    facts = logged_request(caplog)
    assert facts["status"] == 200
    assert facts["detections"] >= len(expected)
    if "curl --data-binary" in command:
        found = flat(json.loads(run.stdout))
        assert all(any(one["label"] == other["label"] and iou(one, other) > 0.8 for other in found) for one in expected)


def logged_request(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Return the facts of the request's log line, which is written after the answer is sent."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        lines = [vars(record)["facts"] for record in caplog.records if record.getMessage() == "request"]
        if lines:
            return dict(lines[-1])
        time.sleep(0.02)
    raise AssertionError("no request was logged")
