"""The walk of docs/more-than-one.md: each stream is at one of three instances behind HAProxy."""

import json
import os
import re
import signal
import subprocess
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import httpx
import pytest

from lab.wire import free_port
from tests.support.client import ROOT
from tests.support.waiting import PATIENCE_S, PROGRAM_S, wait_for

pytestmark = pytest.mark.system

DOCUMENT = (ROOT / "docs" / "more-than-one.md").read_text()
STEPS: list[tuple[str, str]] = re.findall(r"<!-- (tested|runs on) -->\n```sh\n(.*?)```", DOCUMENT, re.DOTALL)
NAMES = ("LISTEN_ON", "INSTANCE_ONE", "INSTANCE_TWO", "INSTANCE_THREE")


def are_ready(ports: list[str]) -> bool:
    with suppress(httpx.TransportError):
        return all(httpx.get(f"http://127.0.0.1:{port}/health/ready").is_success for port in ports)
    return False


def test_each_stream_is_at_one_instance(tmp_path: Path) -> None:
    for name in (".venv", "deploy", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    ports = {str(written): str(free_port()) for written in range(8080, 8084)}
    addresses = {name: f"127.0.0.1:{port}" for name, port in zip(NAMES, ports.values(), strict=True)}
    environment = {**os.environ, **addresses}
    [(_, instances), (_, balancer), (_, posts)] = [
        (kind, re.sub(r"\b808[0-3]\b", lambda found: ports[found[0]], step)) for kind, step in STEPS
    ]
    with ExitStack() as stack:
        own, *others = ports.values()
        for command, needed in ((instances, others), (balancer, [own])):
            process = subprocess.Popen(["bash", "-ec", command], cwd=tmp_path, start_new_session=True, env=environment)
            stack.callback(process.wait, PATIENCE_S)
            stack.callback(os.killpg, process.pid, signal.SIGTERM)
            wait_for(partial(are_ready, needed), PROGRAM_S)
        walk = subprocess.run(["bash", "-ec", posts], cwd=tmp_path, capture_output=True, text=True, check=True)
    lists = [json.loads(line)["streams"] for line in walk.stdout.splitlines()]
    frames = [(stream["id"], stream["frames"]["run"]) for streams in lists for stream in streams]
    assert len(lists) == 3
    assert sorted(frames) == [(stream, 2) for stream in ("gate", "hall", "porch", "ramp", "roof", "yard")]
