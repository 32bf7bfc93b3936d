"""Measures what each route costs to bring a posted frame to the model's size, side by side in one run.

    python -m bench.decode [--video FILE] [--rounds N]

Prints CPU milliseconds per frame for decoding + resizing, and their ratio to code as users write it: Pillow's open and
convert, then resize; for raw frames a plain conversion of all pixels, then resize. All routes take turns in every
round; the figures are those of the round with the median sum.
"""

import argparse
import json
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from bench.harness.frames import read_frames
from bench.harness.workloads import WORKLOADS, Stages, Workload, routes
from handlers.decoding.decoder import ROUTES

FRAMES = 8
STEP = 100


def cpu_ms(stages: Stages, bodies: list[bytes]) -> tuple[float, float]:
    """Return the CPU milliseconds of one frame by stage, summed over all threads of this process."""
    decode, resize = stages
    spent = [0.0, 0.0]
    for body in bodies:
        started_at = time.process_time()
        decoded = decode(body)
        decoded_at = time.process_time()
        resize(decoded)
        del decoded  # release the frame before the next one is decoded, as a returning function would
        spent[0] += decoded_at - started_at
        spent[1] += time.process_time() - decoded_at
    return spent[0] / len(bodies) * 1000, spent[1] / len(bodies) * 1000


def measure(workload: Workload, bodies: list[bytes], rounds: int) -> dict[str, tuple[float, float]]:
    """Return the median cost of every route's stages, after one warm-up round."""
    ways = routes(workload)
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, stages in ways.items():
            costs[name].append(cpu_ms(stages, bodies))
    return {name: sorted(values[1:], key=sum)[rounds // 2] for name, values in costs.items()}


def row(name: str, costs: dict[str, tuple[float, float]]) -> str:
    """Return one row of the table."""
    whole = sum(costs["by hand"])
    cells = [f"{decode:.2f} + {resize:.2f}" for decode, resize in costs.values()]
    shares = ["", *(f" = **{sum(cost) / whole:.2f}**" for cost in list(costs.values())[1:])]
    return f"| {name} | {' | '.join(cell + share for cell, share in zip(cells, shares, strict=True))} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, then everything as one JSON object."""
    parser = argparse.ArgumentParser(description="Measures decoding, route by route.")
    parser.add_argument("--video", type=Path, help="take frames of this video instead of the repository's photos")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    frames = read_frames(options.video, STEP)[:FRAMES]
    names = ["workload", "by hand", *ROUTES]
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}", flush=True)
    results = {}
    for name, workload in WORKLOADS.items():
        results[name] = measure(workload, workload.bodies(frames), options.rounds)
        print(row(name, results[name]), flush=True)
    print(json.dumps({"machine": platform.processor() or platform.machine(), "cpu_ms": results}))


if __name__ == "__main__":
    main()
