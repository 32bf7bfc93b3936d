"""Measures how the service ends and comes back: SIGTERM under load, and kill -9 when it is started anew at once.

    python -m bench.endings [--times N] [--video FILE] [--output FILE]

Four cameras post one frame after the other over kept connections; they heed Retry-After. SIGTERM: what became of every
frame, seconds from the signal to the end, exit status. kill -9: frames lost, and seconds until the next right answer.
"""

import argparse
import http.client
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import pictures, report
from bench.processes import ProcessTree
from bench.servers import HOST, OK, Server, Service, framehook, free_port

CLIENTS = 4
SETTLE_S = 2.0
ASK_AGAIN_S = 0.02
END_S = 30
NOBODY_THERE = 0
"""Nobody listens: nothing was sent, so nothing is lost."""


class Cameras:
    """Post frames over kept connections, come back when told to, and note what became of every frame."""

    def __init__(self, service: Service, picture: bytes) -> None:
        """Begin at once."""
        self._service, self._picture = service, picture
        self._done = threading.Event()
        self.outcomes: list[tuple[float, int | None]] = []
        """When each was known, and its status; None for a frame that was lost."""
        self._threads = [threading.Thread(target=self._post) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Return when all are done."""
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _post(self) -> None:
        connection = http.client.HTTPConnection(HOST, self._service.port, timeout=END_S)
        while not self._done.is_set():
            status, pause_s = None, ASK_AGAIN_S
            try:
                connection.request("POST", "/score", self._picture, {"Content-Type": self._service.server.media_type})
                response = connection.getresponse()
                response.read()
                status, pause_s = response.status, float(response.headers.get("Retry-After", ASK_AGAIN_S))
            except ConnectionRefusedError:
                status = NOBODY_THERE
            except (OSError, http.client.HTTPException):
                status = None
            self.outcomes.append((time.perf_counter(), status))
            if status != OK:
                connection.close()
                self._done.wait(pause_s)


def start(server: Server, port: int, log: Path) -> subprocess.Popen[bytes]:
    """Start the service."""
    with log.open("ab") as output:
        return subprocess.Popen(
            server.command(port), env={**os.environ, **server.environment}, stderr=output, start_new_session=True
        )


def under_load(server: Server, picture: bytes, log: Path) -> tuple[subprocess.Popen[bytes], int, Cameras]:
    """Return a service that cameras have posted to for a while, its port, and the cameras."""
    port = free_port()
    process = start(server, port, log)
    service = Service(server, port, ProcessTree(process.pid), log)
    service.wait_for(lambda: service.post(picture).status == OK, ASK_AGAIN_S)
    cameras = Cameras(service, picture)
    time.sleep(SETTLE_S)
    return process, port, cameras


def drain(server: Server, picture: bytes, log: Path) -> dict[str, Any]:
    """Return what a SIGTERM under load does."""
    process, _, cameras = under_load(server, picture, log)
    told_at = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    status = process.wait(END_S)
    ended_s = time.perf_counter() - told_at
    cameras.stop()
    after = [status for at, status in cameras.outcomes if at >= told_at]
    return {
        "ended_s": ended_s,
        "status": status,
        "served": after.count(OK),
        "refused": after.count(503),
        "lost": after.count(None),
    }


def restart(server: Server, picture: bytes, log: Path) -> dict[str, Any]:
    """Return what a kill -9 under load costs, when whoever supervises starts the service anew at once."""
    process, port, cameras = under_load(server, picture, log)
    killed_at = time.perf_counter()
    process.kill()
    process.wait()
    process = start(server, port, log)
    deadline = time.perf_counter() + END_S
    while not any(at > killed_at and status == OK for at, status in cameras.outcomes[-50:]):
        if time.perf_counter() > deadline:
            raise RuntimeError(log.read_text(errors="replace"))
        time.sleep(ASK_AGAIN_S)
    cameras.stop()
    process.terminate()
    process.wait(END_S)
    after = [(at, status) for at, status in cameras.outcomes if at > killed_at]
    return {
        "back_s": next(at for at, status in after if status == OK) - killed_at,
        "lost": [status for _, status in after].count(None),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Measures how the service ends and comes back.")
    parser.add_argument("--times", type=int, default=10)
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    server, picture = framehook(), pictures.bodies("W2", options.video)[0]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        drains = [drain(server, picture, log) for _ in range(options.times)]
        restarts = [restart(server, picture, log) for _ in range(options.times)]
    print("| SIGTERM | ended after, s: p50, most | exit status | served, refused after the signal | lost |")
    print("|---|---|---|---|---|")
    ended_s = [figures["ended_s"] for figures in drains]
    counts = [sum(figures[name] for figures in drains) for name in ("served", "refused", "lost")]
    statuses = sorted({figures["status"] for figures in drains})
    served, refused, lost_frames = counts
    ended = f"{median(ended_s):.2f}, {max(ended_s):.2f}"
    print(f"| {len(drains)} times | {ended} | {statuses} | {served}, {refused} | {lost_frames} |\n")
    print("| kill -9 | next right answer after, s: p50, most | frames lost: p50, most |\n|---|---|---|")
    back_s, lost = ([figures[name] for figures in restarts] for name in ("back_s", "lost"))
    print(f"| {len(restarts)} times | {median(back_s):.2f}, {max(back_s):.2f} | {median(lost):.0f}, {max(lost)} |")
    report.write(options.output, "endings", options, [{"drains": drains, "restarts": restarts}])


if __name__ == "__main__":
    main()
