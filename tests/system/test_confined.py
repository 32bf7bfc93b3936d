"""The service on a read-only root, as an ordinary user without capabilities and without a home."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.graphs import board, write_identity_model
from lab.pictures import encode, street_as
from tests.support.process import service_of, serving, wait_until_ready
from tests.support.waiting import PATIENCE_S, wait_for

pytestmark = pytest.mark.system

PROC, WRITABLE = Path("/proc"), 0o200
CONFINED = (
    "bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
    "--unshare-user", "--uid", "10001", "--gid", "10001", "--cap-drop", "ALL", "--die-with-parent",
    "--setenv", "HOME", "/nonexistent",
)  # fmt: skip
NO_RELOADS = "hot reload is not available"


@pytest.mark.parametrize(
    ("mounts", "warnings"),
    [(("--remount-ro", "/tmp"), [NO_RELOADS]), ((), [])],
    ids=["nothing writable", "as documented"],
)
def test_it_serves_and_writes_nothing(tmp_path: Path, mounts: tuple[str, ...], warnings: list[str]) -> None:
    """The line of docs/deploying.md mounts a writable /tmp; without it, the service reports what is unavailable."""
    path, models, made = tmp_path / "log", str(tmp_path / "models"), tmp_path / "made"
    for folder in (models, made):
        Path(folder).mkdir()
    wrapper = (*CONFINED, "--tmpfs", "/tmp", "--ro-bind", models, models, *mounts)
    with (
        path.open("w") as log,
        serving(
            "--model-repository", f"zoo,{models}", wrapper=wrapper, log=log, PYTHONDONTWRITEBYTECODE="1"
        ) as (process, port),
    ):  # fmt: skip
        wait_until_ready(port)
        service = PROC / str(service_of(process.pid))
        others = set((service / "root" / "tmp").glob("framehook-*"))  # of the built-in models
        url = f"http://127.0.0.1:{port}/inference"
        assert httpx.post(url, content=street_as("JPEG"), timeout=PATIENCE_S).status_code == 200
        wait_for(lambda: {*warnings, "ready"} <= {line["message"] for line in lines_of(path)})
        time.sleep(1)  # the watch begins
        write_identity_model(made, "new").rename(Path(models) / "new")
        time.sleep(1 if warnings else 0)
        expected = 404 if warnings else 200
        frame = encode(board(7), "PNG")
        wait_for(lambda: httpx.post(f"{url}/new", content=frame, timeout=PATIENCE_S).status_code == expected)
        [capabilities] = re.findall(r"^CapEff:\s*(\w+)$", (service / "status").read_text(), re.MULTILINE)
        assert int(capabilities, 16) == 0
        assert not [file for file in _opened_for_writing(service) if not _may_be_written(file, path)]
        copies = set((service / "root" / "tmp").glob("framehook-*")) - others
        assert len(copies) == (0 if warnings else 1), "of the new model"
        os.kill(int(service.name), signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    lines = [line for line in lines_of(path) if line["message"] != "request"]
    assert [line["message"] for line in lines if line["level"] != "info"] == warnings
    assert all("mount a writable /tmp" in line["reason"] for line in lines if line["message"] == NO_RELOADS)
    requests = [line for line in lines_of(path) if line["message"] == "request"]
    assert not [line for line in requests if line["level"] == "error"]


def lines_of(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]


def _opened_for_writing(service: Path) -> Iterator[Path]:
    for link in (service / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if link.lstat().st_mode & WRITABLE and link.readlink().is_absolute():
                yield link.readlink()


def _may_be_written(file: Path, log: Path) -> bool:
    return file.is_relative_to("/dev") or file == log or file.name.startswith("memfd:")  # which is memory
