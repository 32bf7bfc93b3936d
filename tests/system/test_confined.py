"""The service on a read-only root, as an ordinary user without capabilities and without a home."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.pictures import street_as
from tests.support.process import serving, wait_until_ready
from tests.support.waiting import wait_for

pytestmark = pytest.mark.system

PROC, WRITABLE = Path("/proc"), 0o200
CONFINED = (
    "bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
    "--unshare-user", "--uid", "10001", "--gid", "10001", "--cap-drop", "ALL", "--die-with-parent",
    "--setenv", "HOME", "/nonexistent",
)  # fmt: skip
NO_RELOADS = "hot reload is not available"


@pytest.mark.parametrize(
    ("mounts", "warnings"), [((), [NO_RELOADS]), (("--tmpfs", "/tmp"), [])], ids=["nothing writable", "as documented"]
)
def test_it_serves_and_writes_nothing(tmp_path: Path, mounts: tuple[str, ...], warnings: list[str]) -> None:
    """The line of docs/deploying.md mounts a writable /tmp; without it, the service says what is not available."""
    path = tmp_path / "log"
    with path.open("w") as log:
        arguments: dict[str, Any] = {"wrapper": (*CONFINED, *mounts), "log": log, "PYTHONDONTWRITEBYTECODE": "1"}
        with serving(**arguments) as (process, port):
            wait_until_ready(port)
            answer = httpx.post(f"http://127.0.0.1:{port}/inference", content=street_as("JPEG"))
            assert answer.status_code == 200
            wait_for(lambda: {*warnings, "ready"} <= {line["message"] for line in lines_of(path)})
            service = PROC / str(_innermost(process.pid))
            [capabilities] = re.findall(r"^CapEff:\s*(\w+)$", (service / "status").read_text(), re.MULTILINE)
            assert int(capabilities, 16) == 0
            opened = [link.readlink() for link in (service / "fd").iterdir() if link.lstat().st_mode & WRITABLE]
            assert not [file for file in opened if file.is_absolute() and not _may_be_written(file, path)]
            assert list((service / "root" / "tmp").glob("framehook-*")) == []
            os.kill(int(service.name), signal.SIGTERM)
            assert process.wait(15) == 0
    lines = lines_of(path)
    assert [line["message"] for line in lines if line["level"] not in {"debug", "info"}] == warnings
    assert all("mount a writable /tmp" in line["reason"] for line in lines if line["message"] == NO_RELOADS)


def lines_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]


def _may_be_written(file: Path, log: Path) -> bool:
    return file.is_relative_to("/dev") or file == log


def _innermost(pid: int) -> int:
    """Return the process that bwrap started for us."""
    children = (PROC / str(pid) / "task" / str(pid) / "children").read_text().split()
    return _innermost(int(children[0])) if children else pid
