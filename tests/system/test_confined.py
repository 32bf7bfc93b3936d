"""The service on a read-only root, as an ordinary user without capabilities and without a home."""

import os
import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.pictures import street_as
from tests.support.process import serving, wait_until_ready

pytestmark = pytest.mark.system

PROC, WRITABLE = Path("/proc"), 0o200
CONFINED = (
    "bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
    "--unshare-user", "--uid", "10001", "--gid", "10001", "--cap-drop", "ALL", "--die-with-parent",
    "--setenv", "HOME", "/nonexistent",
)  # fmt: skip


def test_it_serves_where_it_may_write_nothing() -> None:
    with serving(wrapper=CONFINED, log=subprocess.DEVNULL, PYTHONDONTWRITEBYTECODE="1") as (process, port):
        wait_until_ready(port)
        answer = httpx.post(f"http://127.0.0.1:{port}/inference", content=street_as("JPEG"))
        assert answer.status_code == 200
        service = PROC / str(_innermost(process.pid))
        [capabilities] = re.findall(r"^CapEff:\s*(\w+)$", (service / "status").read_text(), re.MULTILINE)
        assert int(capabilities, 16) == 0
        opened = [link.readlink() for link in (service / "fd").iterdir() if link.lstat().st_mode & WRITABLE]
        assert not [path for path in opened if path.is_absolute() and not path.is_relative_to("/dev")]
        os.kill(int(service.name), signal.SIGTERM)
        assert process.wait(15) == 0


def _innermost(pid: int) -> int:
    """Return the process that bwrap started for us."""
    children = (PROC / str(pid) / "task" / str(pid) / "children").read_text().split()
    return _innermost(int(children[0])) if children else pid
