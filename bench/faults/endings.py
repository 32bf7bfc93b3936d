"""Measures how the service ends and comes back: SIGTERM under load, and kill -9 with an immediate restart.

    python -m bench.faults.endings [--times N] [--video FILE] [--output FILE]

Four cameras post one frame after the other over kept connections and obey Retry-After. SIGTERM: the outcome of every
frame, seconds from the signal to the exit, exit status. kill -9: frames lost, and seconds until the next right answer.
"""

import argparse
import http.client
import math
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from bench.harness import pictures, report
from bench.harness.processes import ProcessTree, end, start
from bench.harness.servers import HOST, OK, UNAVAILABLE, Server, Service, framehook
from lab.wire import free_port

CLIENTS = 4
SETTLE_S = 2.0
ASK_AGAIN_S = 0.02
END_S = 30
NOBODY_THERE = 0
"""The connection was refused: nothing was sent, so nothing is lost."""


class Cameras:
    """Post frames over kept connections, obey Retry-After, and record the outcome of every frame."""

    def __init__(self, service: Service, picture: bytes) -> None:
        self._service, self._picture = service, picture
        self._done = threading.Event()
        self.outcomes: list[tuple[float, int | None]] = []
        """Per frame: the perf_counter time of its outcome, and the status; None for a lost frame."""
        self._threads: list[threading.Thread] = []

    def begin(self) -> None:
        """Start posting, and return once the load is steady."""
        self._threads = [threading.Thread(target=self._post) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()
        time.sleep(SETTLE_S)

    def stop(self) -> None:
        """Stop posting, and return when all threads have ended."""
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


class Run:
    """A service on a port of its own, and cameras that post to it. Starts at once; the caller must `close`."""

    def __init__(self, server: Server, picture: bytes, log: Path) -> None:
        self._server, self._picture, self._log, self._port = server, picture, log, free_port()
        self.start()
        self._service = Service(server, self._port, ProcessTree(self.process.pid), log)
        self.cameras = Cameras(self._service, picture)

    def start(self) -> None:
        """Start the service, or restart it after a kill."""
        self.process = start(self._server.command(self._port), self._server.environment, self._log)

    def begin(self) -> None:
        """Start the cameras once the service is ready."""
        self._service.wait_for(lambda: self._service.post(self._picture).status == OK, ASK_AGAIN_S)
        self.cameras.begin()

    def close(self) -> None:
        """Stop the cameras, then the service."""
        self.cameras.stop()
        end(self.process)

    def outcomes_since(self, at: float) -> list[tuple[float, int | None]]:
        """Return the outcomes known since `at` (perf_counter)."""
        return [outcome for outcome in self.cameras.outcomes if outcome[0] >= at]


def drain(run: Run) -> dict[str, Any]:
    """Return the figures of a SIGTERM under load."""
    signalled_at = time.perf_counter()
    run.process.send_signal(signal.SIGTERM)
    status = run.process.wait(END_S)
    ended_s = time.perf_counter() - signalled_at
    run.cameras.stop()
    after = [status for _, status in run.outcomes_since(signalled_at)]
    return {
        "ended_s": ended_s,
        "status": status,
        "served": after.count(OK),
        "refused": after.count(UNAVAILABLE),
        "lost": after.count(None),
    }


def restart(run: Run) -> dict[str, Any]:
    """Return the figures of a kill -9 under load, when a supervisor restarts the service at once."""
    killed_at = time.perf_counter()
    run.process.kill()
    run.process.wait()
    run.start()
    while not any(status == OK for _, status in run.outcomes_since(killed_at)):
        if time.perf_counter() > killed_at + END_S:
            break
        time.sleep(ASK_AGAIN_S)
    run.cameras.stop()
    after = run.outcomes_since(killed_at)
    return {
        "back_s": next((at for at, status in after if status == OK), math.inf) - killed_at,
        "lost": [status for _, status in after].count(None),
    }


def measure(what: Callable[[Run], dict[str, Any]], picture: bytes, times: int) -> list[dict[str, Any]]:
    """Return the figures of several endings, each with a fresh service."""
    figures = []
    for _ in range(times):
        with (
            tempfile.TemporaryDirectory() as folder,
            closing(Run(framehook(), picture, Path(folder) / "log")) as run,
        ):
            run.begin()
            figures.append(what(run))
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Measures how the service ends and comes back.")
    parser.add_argument("--times", type=int, default=10)
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    picture = pictures.bodies("W2", options.video)[0]
    drains, restarts = (measure(what, picture, options.times) for what in (drain, restart))
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
