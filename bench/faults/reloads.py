"""Reloads good and bad versions of a model, overloads the service and kills it, all at once; judges every answer.

    python -m bench.faults.reloads [--seconds N] [--load X] [--kill-every S] [--output FILE]

Frames arrive as a Poisson process at a multiple of capacity. Each carries a number and an id that its answer must echo
(bench.faults.integrity). Each answer must come from one version alone: its label and confidence must match.
Meanwhile a link is switched between two good versions and a bad one, and a reload is requested each time: the version
whose reload was acknowledged answers the next frame, and a bad one is refused. A supervisor restarts the service after
each kill (SIGKILL) and measures the time until the next right answer. Frames may be lost only while the service is
down. Exits with 1 if anything else went wrong.
"""

import argparse
import http.client
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from bench.faults.integrity import DISTINCT, error_lines, png, target
from bench.faults.integrity import check as check_frame
from bench.faults.overload import capacity
from bench.harness import report
from bench.harness.connection import Reply
from bench.harness.generator import Clients, Target, open_loop, run, schedule
from bench.harness.outcomes import Run, Verdict
from bench.harness.processes import ProcessTree, end, start
from bench.harness.servers import HOST, OK, Service, framehook
from handlers.server.access.credentials import token_hash
from lab.graphs import write_identity_model
from lab.wire import free_port

MODEL, TOKEN, BAD = "identity", "token-of-the-run", "bad"
CREDENTIALS = json.dumps([{"name": "run", "may": ["admin"], "token_sha256": token_hash(TOKEN)}])
GOOD = {"one": 0.9, "two": 0.8}
"""Versions: label → confidence. labels.txt gives the label, the weights give the confidence."""
SIDE_PX, CAPACITY_S, CLIENTS = 640, 3.0, 8
FLIP_S, ASK_AGAIN_S, TIMEOUT_S = 0.3, 0.1, 20
LAST_S = 8.0
"""No kills in these last seconds, so that the service can come back."""
REJECTED = 422
AWAY = {503, None}
"""Statuses while the service is down, full, or starting on a bad version; None: no answer."""
FORBIDDEN = (Verdict.LATE, Verdict.MIXED_UP, Verdict.OTHER)
NEAR_S = 0.5
"""A frame in flight at a kill was sent at most this long before, or still waits in the generator."""


@dataclass(slots=True)
class Findings:
    """What happened. `kills`: perf_counter times; `flips`: reloads by version and status; `wrong`: sentences."""

    kills: list[float] = field(default_factory=list)
    flips: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def write_versions(root: Path) -> None:
    """Write a repository whose one model links to a version; two versions are good, the third has broken weights."""
    releases = root / ".releases"
    for name, confidence in {**GOOD, BAD: 0.0}.items():
        path = write_identity_model(releases, name, (name, "other")) / "model.onnx"
        graph = onnx.load(path)
        [score] = [constant for constant in graph.graph.initializer if constant.name == "score"]
        score.CopyFrom(numpy_helper.from_array(np.full((1, 1), confidence, np.float32), "score"))
        path.write_bytes(b"rubbish" if name == BAD else graph.SerializeToString())
    (root / MODEL).symlink_to(f".releases/{min(GOOD)}")


def version_in(body: bytes) -> str | None:
    """Return the one version that an answer comes from; None for a mixture."""
    [inference] = json.loads(body)["inferences"]
    tag = inference["entity"]["tag"]
    matches = [label for label, confidence in GOOD.items() if abs(tag["confidence"] - confidence) < 1e-3]  # noqa: PLR2004
    return tag["value"] if matches == [tag["value"]] else None


def check(number: int, reply: Reply) -> Verdict:
    """Judge one answer, which must be this frame's and from one version."""
    verdict = check_frame(number, reply)
    mixed = verdict is Verdict.RIGHT and version_in(reply.body) is None
    return Verdict.MIXED_UP if mixed else verdict


class Supervised:
    """The service with its supervisor, which restarts it after each kill. Starts at once; the caller must `close`."""

    def __init__(self, root: Path, folder: Path, findings: Findings) -> None:
        self._server = framehook(
            model_repository=str(root),
            default_model=MODEL,
            on_broken_model="wait",
            credentials=CREDENTIALS,
            anonymous_may="infer,read,monitor",
        )
        self._folder, self._findings, self.port = folder, findings, free_port()
        self.logs: list[Path] = []
        self._start()

    def _start(self) -> None:
        self.logs.append(self._folder / f"log-{len(self.logs)}")
        self._process = start(self._server.command(self.port), self._server.environment, self.logs[-1])

    def service(self) -> Service:
        """Return the service as it runs now."""
        return Service(self._server, self.port, ProcessTree(self._process.pid), self.logs[-1])

    def kill(self) -> None:
        """Kill the service and restart it; wait until it is ready, so that it has time to work before the next kill."""
        if self._process.poll() is not None:
            self._findings.wrong.append(f"the service ended by itself with {self._process.returncode}")
        self._findings.kills.append(time.perf_counter())
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._start()
        self.wait()

    def wait(self) -> None:
        """Wait until the service answers frames."""
        frame = png(0, SIDE_PX)
        self.service().wait_for(lambda: self.service().post(frame).status == OK, ASK_AGAIN_S)

    def close(self) -> None:
        """End the service."""
        end(self._process)


class Flipper:
    """Switches the link to another version, requests a reload, and checks that the answer is true.

    Versions come in rounds: each once, in an order drawn at random. `root`: the repository; `port`: of the service.
    """

    def __init__(self, root: Path, port: int, findings: Findings, seed: int) -> None:
        self._root, self._port, self._findings = root, port, findings
        self._random, self._frame = random.Random(seed), png(0, SIDE_PX)
        self._round: list[str] = []

    def flip(self) -> None:
        """Switch to the next version, reload it, and judge the outcome."""
        name = self._next_version()
        link = self._root / ".next"
        link.symlink_to(f".releases/{name}")
        os.replace(link, self._root / MODEL)  # noqa: PTH105  # the very call that flips a link
        status, _ = self._post(f"/models/{MODEL}/reload", b"")
        self._findings.flips[f"{'bad' if name == BAD else 'good'} {status or 'unanswered'}"] += 1
        if status not in {*AWAY, REJECTED if name == BAD else OK}:
            self._findings.wrong.append(f"reload of {name}: {status}")
        if status is None:  # the service was killed meanwhile: the version has its turn again
            self._round.append(name)
        if status == OK:
            answer, body = self._post("/inference?stream=flipper", self._frame)
            if answer not in {*AWAY, OK} or (answer == OK and version_in(body) != name):
                self._findings.wrong.append(f"after the reload of {name}: {answer} {body.decode()}")

    def _next_version(self) -> str:
        self._round = self._round or self._random.sample([*GOOD, BAD], len(GOOD) + 1)
        return self._round.pop()

    def _post(self, path: str, body: bytes) -> tuple[int | None, bytes]:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", path, body, {"Authorization": f"Bearer {TOKEN}", "Content-Type": "image/png"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            return None, b""
        finally:
            connection.close()


def repeated(
    act: Callable[[], None], every_s: float, until: float, over: threading.Event, findings: Findings
) -> threading.Thread:
    """Return a thread that calls `act` every `every_s` until `until` or `over`; its errors count as findings."""

    def repeat() -> None:
        try:
            while not over.wait(every_s) and time.perf_counter() < until:
                act()
        except (OSError, ValueError, KeyError) as error:
            findings.wrong.append(repr(error))

    return threading.Thread(target=repeat)


def measure(seconds: float, load: float, kill_every_s: float, seed: int = 1) -> tuple[dict[str, Any], list[str]]:
    """Return the figures of one run, and what went wrong."""
    findings, over = Findings(), threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "models"
        write_versions(root)
        supervised = Supervised(root, Path(folder), findings)
        try:
            supervised.wait()
            frames = target(supervised.port, [png(number, SIDE_PX) for number in range(DISTINCT)])
            frames = Target(frames.host, frames.port, frames.request, check)
            rate_per_s = load * capacity(frames, CLIENTS, CAPACITY_S)["goodput_per_s"]
            flipper = Flipper(root, supervised.port, findings, seed)
            threads = [
                repeated(flipper.flip, FLIP_S, np.inf, over, findings),
                repeated(supervised.kill, kill_every_s, time.perf_counter() + seconds - LAST_S, over, findings),
            ]
            started_at = time.perf_counter()
            for thread in threads:
                thread.start()
            try:
                result = run(open_loop(frames, schedule(rate_per_s, seconds, seed), Clients(patience_s=TIMEOUT_S)))
            finally:
                over.set()
                for thread in threads:
                    thread.join()
        finally:
            supervised.close()
        errors = [line for log in supervised.logs for line in error_lines(log) if not _is_rejection(line)]
    return judge(result, findings, [at - started_at for at in findings.kills], errors)


def _is_rejection(line: str) -> bool:
    return "model rejected" in line or "model broken" in line


def judge(
    result: Run, findings: Findings, kills_s: Sequence[float], errors: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the figures, and what went wrong. `kills_s`: seconds since the first frame."""
    right = [(frame.due_s, frame.due_s + frame.latency_s) for frame in result.having(Verdict.RIGHT)]
    back_s = [min((at for due, at in right if due > killed), default=np.inf) - killed for killed in kills_s]
    away = [(killed - NEAR_S, killed + back) for killed, back in zip(kills_s, back_s, strict=True)]
    stray = [
        frame
        for frame in result.having(Verdict.LOST)
        if not any(began <= frame.due_s + frame.latency_s and frame.due_s <= ended for began, ended in away)
    ]
    counts = result.counts()
    faults = [f"{name}: {counts[name]}" for name in (*FORBIDDEN, "doubled") if counts[name]]
    faults += ["no right answer after a kill"] if np.inf in back_s else []
    faults += [f"{len(stray)} frames lost while it served"] if stray else []
    faults += [f"{len(errors)} errors in the log, such as {errors[0]}"] if errors else []
    figures = {
        "counts": counts,
        "flips": dict(sorted(findings.flips.items())),
        "kills": len(kills_s),
        "back_s": sorted(round(back, 2) for back in back_s),
    }
    return figures, [*faults, *findings.wrong]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures, and what went wrong."""
    parser = argparse.ArgumentParser(description="Reloads, overload and kill -9 at once.")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--load", type=float, default=2, help="times capacity")
    parser.add_argument("--kill-every", type=float, default=15, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args(arguments)
    figures, faults = measure(options.seconds, options.load, options.kill_every, options.seed)
    for name, value in figures.items():
        print(f"{name}: {value}")
    report.write(options.output, "reloads", options, [figures])
    print("\n".join(faults) or "Every answer was right.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
