"""Measures how long Frigate waits for its answers; it gives up after 0.1 s.

    python -m bench.frigate [--load X ...] [--queue-size N ...] [--workload W2] [--seconds S] [--output FILE]

JPEG pictures of 320 x 320 arrive at an even rate in DeepStack's form, as Frigate's plugin writes it. Where Frigate
would hang up, this waits for late answers, to measure how late they are. Meanwhile eight cameras post frames to /score,
each as a stream of its own; their total rate is the load times the capacity, which is what a closed loop reaches that
keeps the queue full. The server has one core, the generator another.
"""

import argparse
import asyncio
import itertools
import json
from collections.abc import Sequence
from typing import Any

import requests
from PIL import Image

from bench.faults.overload import capacity, cores
from bench.harness import pictures, report
from bench.harness.connection import Reply
from bench.harness.frames import read_frames
from bench.harness.generator import Clients, Shot, Target, open_loop, run, schedule
from bench.harness.outcomes import Run, Verdict
from bench.harness.processes import on_cores
from bench.harness.servers import HOST, OK, UNAVAILABLE, Service, framehook, serving
from lab.pictures import encode

SIDE = 320
PATIENCE_S = 0.1
FRAMES_PER_S = 5
"""Frames per second that Frigate analyses of each camera, by default."""
CAMERAS = 8
LOADS = (0.0, 0.5, 0.8, 1.0, 2.0)
QUEUE_SIZES = (2, 8)
COLUMNS = ("queue", "load", "p50, p99 ms", "within 0.1 s", "refused", "of", "others' p50, p99 ms", "refused")


def detector(service: Service, frames: Sequence[Image.Image]) -> Target:
    """Return the generator's target for posting as Frigate does."""
    url = f"http://{HOST}:{service.port}/v1/vision/detection"
    small = [encode(frame.resize((SIDE, SIDE)), "JPEG") for frame in frames]
    posts = [_written(requests.Request("POST", url, data={"api_key": ""}, files={"image": jpeg})) for jpeg in small]

    def request(number: int, _: int) -> Sequence[bytes]:
        return posts[number % len(posts)]

    def check(_: int, reply: Reply) -> Verdict:
        if reply.status == UNAVAILABLE:
            return Verdict.REFUSED
        return Verdict.RIGHT if reply.status == OK and json.loads(reply.body)["success"] else Verdict.OTHER

    return Target(HOST, service.port, request, check)


def _written(request: requests.Request) -> tuple[bytes, bytes]:
    """Return head and body as the requests library sends them; Frigate uses it."""
    prepared = requests.Session().prepare_request(request)
    headers = "".join(f"{name}: {prepared.headers[name]!s}\r\n" for name in prepared.headers)
    head = f"POST {prepared.path_url} HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n"
    return head.encode(), bytes(prepared.body)  # type: ignore[arg-type]  # with files it is bytes


def both(frigate: Target, cameras: Target, rate_per_s: float, seconds: float) -> list[Run]:
    """Return the outcomes of Frigate's frames, and of the other cameras' if there are any."""
    rates = [rate_per_s / CAMERAS] * CAMERAS if rate_per_s else []
    merged = (shot for stream, rate in enumerate(rates) for shot in schedule(rate, seconds, stream + 1, stream))
    shots: list[Shot] = sorted(merged, key=lambda shot: shot.due_s)
    loads = [(frigate, schedule(FRAMES_PER_S, seconds)), *([(cameras, shots)] if shots else [])]

    async def all_of_them() -> list[Run]:
        return await asyncio.gather(*(open_loop(target, arrivals, Clients()) for target, arrivals in loads))

    return run(all_of_them())


def within(patience_s: float, result: Run) -> float:
    """Return the share of frames answered in time."""
    return sum(outcome.latency_s <= patience_s for outcome in result.having(Verdict.RIGHT)) / len(result.outcomes)


def measure(queue_size: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the figures of one server, at each load."""
    frames = read_frames(options.video)
    bodies = pictures.bodies(options.workload, options.video)
    server_cores, generator_cores = cores(options.cores)
    settings = {"queue_size": str(queue_size)}
    with serving(framehook(**settings), bodies[0], server_cores) as service, on_cores(generator_cores):
        frigate = detector(service, frames)
        cameras = service.target(bodies, lambda stream: f"?stream=cam{stream}")
        capacity_per_s = capacity(cameras, 1 + queue_size, options.capacity_seconds)["goodput_per_s"]
        results = []
        for load in options.load:
            ours, *others = both(frigate, cameras, load * capacity_per_s, options.seconds)
            figures = {
                "queue_size": queue_size,
                "load": load,
                "capacity_per_s": capacity_per_s,
                "within_patience": within(PATIENCE_S, ours),
                "frigate": ours.record(),
                "cameras": others[0].record() if others else None,
            }
            print(row(figures), flush=True)
            results.append(figures)
        return results


def row(figures: dict[str, Any]) -> str:
    """Return one row of the table."""
    frigate, cameras = figures["frigate"], figures["cameras"]
    counts = frigate["counts"]
    cells = (
        figures["queue_size"],
        f"{figures['load']:g}",
        _milliseconds(frigate["answered_ms"]),
        f"**{figures['within_patience']:.0%}**",
        counts["refused"],
        round(frigate["offered_per_s"] * frigate["seconds"]),
        _milliseconds(cameras["answered_ms"]) if cameras else "",
        f"{cameras['counts']['refused'] / sum(cameras['counts'].values()):.0%}" if cameras else "",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _milliseconds(answered_ms: dict[str, float]) -> str:
    return f"{answered_ms['p50']:.0f}, {answered_ms['p99']:.0f}" if answered_ms else "none"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measures how long Frigate waits.")
    parser.add_argument("--load", type=float, nargs="+", default=LOADS, help="of the other cameras, times the capacity")
    parser.add_argument("--queue-size", type=int, nargs="+", default=QUEUE_SIZES)
    parser.add_argument("--workload", choices=pictures.NAMES, default="W2", help="of the other cameras")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--capacity-seconds", type=float, default=4)
    parser.add_argument("--cores", help="the server's and the generator's, for example 0,1")
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    results = itertools.chain.from_iterable(measure(queue_size, options) for queue_size in options.queue_size)
    report.write(options.output, "frigate", options, list(results))


if __name__ == "__main__":
    main()
