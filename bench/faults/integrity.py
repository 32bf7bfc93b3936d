"""Checks that no answer is lost, doubled or mixed up under any load, while some clients hang up.

    python -m bench.faults.integrity [--frames N] [--load X ...] [--abandon SHARE] [--side PX] [--kill-every S]
                                     [--output FILE]

Every frame carries a number that the identity model (lab/graphs.py) returns as a box, and an id of its own that the
answer must echo. The server has one core, the generator another. Frames arrive as a Poisson process at multiples of
capacity, for the same time at each, `--frames` in total. They are large and plain: expensive to decode, so that the
lanes are the bottleneck, but cheap to send. With --kill-every, a worker process drawn at random is killed (SIGKILL)
that often; each may cost the frame that it works on, which must get 503. At the end one more frame must get its answer
within a second, and the server's log must hold no error. Exits with 1 if anything is wrong.
"""

import argparse
import io
import json
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from bench.faults.overload import LOADS, capacity, cores
from bench.harness import report
from bench.harness.connection import Reply
from bench.harness.generator import Clients, Target, open_loop, run, schedule
from bench.harness.outcomes import Verdict
from bench.harness.processes import on_cores
from bench.harness.servers import ASK_AGAIN_S, HOST, OK, UNAVAILABLE, Service, framehook, head, serving
from lab.graphs import board, number_in, write_identity_model
from lab.processes import worker_pids

DISTINCT = 2000
"""More than are ever in flight at once."""
SCATTER = 2_654_435_769
"""Odd, so that products modulo 2**32 are all different: D. Knuth, The Art of Computer Programming 3, section 6.4."""
WITHIN_S = 1.0
KILLED_AT_ITS_START = '"message": "lane not started"'
"""In a line of the log: a kill may end a start, too; the next start follows."""
FORBIDDEN = (Verdict.LOST, Verdict.LATE, Verdict.MIXED_UP, Verdict.OTHER)
ERROR_LEVELS = ("error", "critical")
CAPACITY_S, CLIENTS = 3.0, 8


def painted(number: int) -> int:
    """Return the 32 bits that frame `number` carries."""
    return number % DISTINCT * SCATTER % 2**32


def png(number: int, side_px: int) -> bytes:
    """Return frame `number` as PNG."""
    body = io.BytesIO()
    picture = board(painted(number)).resize((side_px, side_px), Image.Resampling.NEAREST)
    picture.save(body, "PNG", compress_level=1)
    return body.getvalue()


def target(port: int, frames: Sequence[bytes]) -> Target:
    """Return the generator's target: how to post these frames and judge the answers."""

    def request(number: int, _: int) -> Sequence[bytes]:
        body = frames[number % DISTINCT]
        return head("", "image/png", len(body), f"x-ms-client-request-id: frame-{number}\r\n"), body

    return Target(HOST, port, request, check)


def check(number: int, reply: Reply) -> Verdict:
    """Judge one answer by its id, its status and the number in its box."""
    if reply.headers.get("x-ms-client-request-id") != f"frame-{number}":
        return Verdict.MIXED_UP
    if reply.status == UNAVAILABLE:
        return Verdict.REFUSED
    if reply.status != OK:
        return Verdict.OTHER
    inferences = json.loads(reply.body)["inferences"]
    numbers = [number_in(inference["entity"]["box"]) for inference in inferences]
    return Verdict.RIGHT if numbers == [painted(number)] else Verdict.MIXED_UP


def measure(posts: Target, rate_per_s: float, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the figures of every load, printing a row each. `rate_per_s`: the capacity."""
    seconds = options.frames / (rate_per_s * sum(options.load))
    for load in options.load:
        clients = Clients(abandon_share=options.abandon)
        result = run(open_loop(posts, schedule(load * rate_per_s, seconds, seed=1), clients))
        record = result.record()
        cells = [f"{load:g}", f"{record['offered_per_s']:.0f}", *map(str, record["counts"].values())]
        print(f"| {' | '.join(cells)} |", flush=True)
        yield {"load": load, "capacity_per_s": rate_per_s, "frames": record}


def faults_in(service: Service, results: Sequence[dict[str, Any]], frame: bytes) -> list[str]:
    """Return what went wrong, a sentence each."""
    counts = [result["frames"]["counts"] for result in results]
    totals = {name: sum(count[name] for count in counts) for name in (*FORBIDDEN, "doubled")}
    faults = [f"{name}: {total}" for name, total in totals.items() if total]
    refused = sum(count["refused"] for count in counts)
    if refused != sum(result["frames"]["refused_with_retry_after"] for result in results):
        faults.append("refused without Retry-After")
    started_at = time.perf_counter()
    if service.post(frame).status != OK or time.perf_counter() - started_at > WITHIN_S:
        faults.append("a good frame did not get its answer within a second")
    errors = [line for line in error_lines(service.log) if KILLED_AT_ITS_START not in line]
    return [*faults, f"{len(errors)} errors in the log, such as {errors[0]}"] if errors else faults


@dataclass(slots=True)
class Kills:
    """How many workers were killed."""

    count: int = 0


@contextmanager
def killing_workers(service: int, every_s: float | None) -> Iterator[Kills]:
    """Kill a worker process of the service now and then until the block ends. `service`: its process id."""
    kills, over, chance = Kills(), threading.Event(), random.Random(1)

    def kill() -> None:
        while not over.wait(every_s):
            with suppress(ProcessLookupError, IndexError):  # it has ended by itself, or none has started
                os.kill(chance.choice(worker_pids(service)), signal.SIGKILL)
                kills.count += 1

    killer = threading.Thread(target=kill)
    if every_s:
        killer.start()
    try:
        yield kills
    finally:
        over.set()
        if every_s:
            killer.join()


def lost_with_workers(service: Service) -> int:
    """Return how many frames were refused because their worker had ended."""
    text = httpx.get(f"http://{HOST}:{service.port}/metrics").text
    [lost] = re.findall(r'^framehook_shed_total\{reason="lane_lost"\} (\S+)$', text, re.MULTILINE)
    return int(float(lost))


def error_lines(log: Path) -> list[str]:
    """Return the lines of a log that report errors or are not JSON."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        return [line for line in lines if _is_error(line)]


def _is_error(line: str) -> bool:
    try:
        return json.loads(line).get("level") in ERROR_LEVELS
    except ValueError:
        return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and what went wrong."""
    parser = argparse.ArgumentParser(description="Counts lost, doubled and mixed-up answers.")
    parser.add_argument("--frames", type=int, default=200_000, help="in total")
    parser.add_argument("--load", action="append", type=float, help="times capacity; by default 0.5, 1, 2, 5 and 10")
    parser.add_argument("--abandon", type=float, default=0.02, help="share of clients that hang up")
    parser.add_argument("--side", type=int, default=640, help="pixels; larger frames keep the lanes busier")
    parser.add_argument("--kill-every", type=float, help="seconds between two kills of a worker; by default none")
    parser.add_argument("--cores", help="the server's and the generator's, for example 0,1")
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file")
    options = parser.parse_args(arguments)
    options.load = options.load or list(LOADS)
    server_cores, generator_cores = cores(options.cores)
    print(f"| load | frames/s | {' | '.join(Verdict)} | doubled |\n|---|---|{'---|' * len(Verdict)}---|", flush=True)
    with tempfile.TemporaryDirectory() as folder, on_cores(generator_cores):
        model = write_identity_model(Path(folder))
        server = framehook(model_repository=folder, default_model=model.name)
        frame = png(0, options.side)
        with serving(server, frame, server_cores) as service:
            posts = target(service.port, [png(number, options.side) for number in range(DISTINCT)])
            rate_per_s = capacity(posts, CLIENTS, CAPACITY_S)["goodput_per_s"]
            with killing_workers(service.tree.pid, options.kill_every) as kills:
                results = list(measure(posts, rate_per_s, options))
            if options.kill_every:  # the last one killed may still be starting again
                service.wait_for(lambda: service.post(frame).status == OK, ASK_AGAIN_S)
            faults = faults_in(service, results, frame)
            if options.kill_every:
                lost = lost_with_workers(service)
                print(f"workers killed: {kills.count}, frames lost with them: {lost}")
                faults += ["more frames were lost than workers killed"] if lost > kills.count else []
    report.write(options.output, "integrity", options, results)
    print("\n".join(faults) or "Nothing lost, doubled or mixed up.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
