"""Measures what a frame costs in which something has moved, and one in which nothing has; counts the cores for many.

    python -m bench.sizing --video FILE [--rate FRAMES_PER_S] [--seconds S] [--output FILE]

Four streams with the motion gate, default model, JPEG. The server and the generator share the machine; only the CPU
time of the server counts. From the two figures follow the cores for any number of cameras: they are used to
`SHARE` of their time at most, so that frames seldom wait.
"""

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from bench.harness import report
from bench.harness.frames import read_frames
from bench.harness.servers import framehook, serving
from bench.streams import QUALITIES, STEP, jpeg, measure, target_of

SIZES_WH = ((640, 480), (1280, 720), (1920, 1080))
STREAMS = 4
SHARE = 0.7
CAMERAS, RATES_PER_S, CHANGED = (4, 16, 64), (2.0, 5.0), (0.1, 0.5, 1.0)
NEVER = 1_000_000


def cost_ms(pictures: Sequence[Image.Image], same: int, options: argparse.Namespace) -> float:
    """Return the CPU time of the server for one frame. `same`: so many frames of a stream show the same."""
    options.streams = STREAMS
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "default.yaml").write_text("motion: {}\n", encoding="utf-8")
        with serving(framehook(streams=folder), jpeg(pictures[0], QUALITIES[0])) as service:
            figures = measure(service, target_of(service.port, pictures, STREAMS, same), options)
    return float(figures["cpu_ms_per_frame"])


def cores(cameras: int, rate_per_s: float, changed: float, changed_ms: float, still_ms: float) -> float:
    """Return the cores that so many cameras need. `changed`: share of their frames in which something has moved."""
    return cameras * rate_per_s * (changed * changed_ms + (1 - changed) * still_ms) / 1000 / SHARE


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Measures what frames cost, and says how many cores that makes.")
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=4, help="frames a second of each of the four streams")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    frames = read_frames(options.video, STEP)
    print("| picture | something has moved, CPU ms | nothing has moved, CPU ms |\n|---|---|---|", flush=True)
    costs: dict[str, tuple[float, float]] = {}
    for width, height in SIZES_WH:
        pictures = [frame.resize((width, height)) for frame in frames]
        name = f"{width} x {height}"
        costs[name] = cost_ms(pictures, 1, options), cost_ms(pictures, NEVER, options)
        print(f"| {name} | {costs[name][0]:.1f} | {costs[name][1]:.1f} |", flush=True)
    titles = " | ".join(f"{share:.0%} of frames" for share in CHANGED)
    print(f"\n| picture | cameras, frames/s of each | {titles} |\n|---|---|{'---|' * len(CHANGED)}")
    for name, cameras, rate in itertools.product(costs, CAMERAS, RATES_PER_S):
        cells = " | ".join(f"{cores(cameras, rate, each, *costs[name]):.1f}" for each in CHANGED)
        print(f"| {name} | {cameras}, {rate:g} | {cells} |")
    results = [{"size": name, "changed_ms": each[0], "still_ms": each[1]} for name, each in costs.items()]
    report.write(options.output, "sizing", options, results)


if __name__ == "__main__":
    main()
