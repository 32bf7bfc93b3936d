"""`framehook serve` as a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from lab.wire import free_port

FRAMEHOOK = Path(sys.executable).with_name("framehook")


def framehook(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command until it ends."""
    command = [FRAMEHOOK, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60, check=False
    )


@contextmanager
def serving(
    *arguments: str, wrapper: Sequence[str] = (), log: Any = subprocess.PIPE, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the service, at the latest until the block ends; yield the process and its port."""
    port = free_port()
    process = subprocess.Popen(
        [*wrapper, FRAMEHOOK, "serve", "--port", str(port), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=log,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process, port
    finally:
        process.kill()
        process.communicate()


def wait_until_ready(port: int) -> None:
    """Wait until the service on that port accepts frames."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("not ready in time")
