"""`framehook serve` as a process of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.support.waiting import wait_for

PROC = Path("/proc")
FRAMEHOOK = Path(sys.executable).with_name("framehook")


def framehook(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one command until it ends."""
    command = [FRAMEHOOK, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60, check=False
    )


@contextmanager
def reserved_port() -> Iterator[int]:
    """Yield a port that refuses connections, and that nobody but who asks for it by its number gets in the block."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the service sets it, too: it may listen there
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextmanager
def serving(
    *arguments: str, wrapper: Sequence[str] = (), log: Any = subprocess.PIPE, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the service, at the latest until the block ends; yield the process and its port."""
    with reserved_port() as port:
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

    def is_ready() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
        return False

    wait_for(is_ready)


def service_of(pid: int) -> int:
    """Return the process of the service, which bwrap started through others; its lanes are its children."""
    if b"models.workers.child" in (PROC / str(pid) / "cmdline").read_bytes():
        return int((PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()[1])
    children = (PROC / str(pid) / "task" / str(pid) / "children").read_text().split()
    return service_of(int(children[0])) if children else pid
