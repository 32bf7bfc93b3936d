"""Measures what it costs to bring a posted frame to the model's size, by every route, side by side in one run.

    python -m bench.decode [--video FILE] [--rounds N]

Prints CPU milliseconds per frame (medians of rounds in which all routes take their turns) and their share of the way
users write it: Pillow's open, convert and resize; for raw frames a plain conversion of all pixels, then the same.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.frames import read_frames
from bench.workloads import WORKLOADS, Workload, routes
from models.frame import Pixels

FRAMES = 8
STEP = 100


def cpu_ms(decode: Callable[[bytes], Pixels], bodies: list[bytes]) -> float:
    """Return the CPU time of one frame in milliseconds, all threads of this process together."""
    started_at = time.process_time()
    for body in bodies:
        decode(body)
    return (time.process_time() - started_at) / len(bodies) * 1000


def measure(workload: Workload, bodies: list[bytes], rounds: int) -> dict[str, float]:
    """Return the median cost of every route, after one round to warm up."""
    costs: dict[str, list[float]] = {name: [] for name in routes(workload)}
    for _ in range(rounds + 1):
        for name, decode in routes(workload).items():
            costs[name].append(cpu_ms(decode, bodies))
    return {name: statistics.median(values[1:]) for name, values in costs.items()}


def row(name: str, costs: dict[str, float]) -> str:
    """Return one line of the table."""
    shares = [f"{cost:.2f} ({cost / costs['by hand']:.2f})" for cost in list(costs.values())[1:]]
    return f"| {name} | {costs['by hand']:.2f} | {' | '.join(shares)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, then everything as one JSON object."""
    parser = argparse.ArgumentParser(description="Measures decoding, route by route.")
    parser.add_argument("--video", type=Path, help="take frames of this video instead of the repository's photos")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    frames = read_frames(options.video, STEP)[:FRAMES]
    print("| workload | by hand, CPU ms | plain | exact | fast |\n|---|---|---|---|---|", flush=True)
    results = {}
    for name, workload in WORKLOADS.items():
        results[name] = measure(workload, workload.bodies(frames), options.rounds)
        print(row(name, results[name]), flush=True)
    print(json.dumps({"machine": platform.processor() or platform.machine(), "cpu_ms": results}))


if __name__ == "__main__":
    main()
