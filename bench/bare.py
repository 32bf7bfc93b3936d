"""The upper limit: the service's decoder, family and session on threads of one process, without HTTP.

    python -m bench.bare --bodies FOLDER [--route exact|plain] [--threads N] [--seconds S]

Prints one JSON object. The CPU time covers the loop alone, summed over all threads.
"""

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

from bench.harness.outcomes import percentiles_ms
from bench.harness.processes import Clocks, memory_mib
from bench.harness.servers import ZOO_MODEL
from handlers.decoding.decoder import Decoder, RouteName
from handlers.encoding import metadata
from models.repository.folder import read_folder
from models.results import Selection
from models.runtime.loading import load_model

MAX_PIXELS = 36_000_000
WARM_UP_FRAMES = 10


def pipeline(route: RouteName) -> Callable[[bytes], bytes]:
    """Return a function that turns a body into inference metadata: one frame's whole work, on the calling thread."""
    model = load_model(read_folder(ZOO_MODEL))
    decoder, target = Decoder(MAX_PIXELS, route), model.family.picture.target

    def infer(body: bytes) -> bytes:
        feeds, placed = model.family.picture.preprocess(decoder.encoded(body, target))
        return metadata.encode(model.family.postprocess(model.session.run(feeds), placed, Selection()))

    return infer


def measure(infer: Callable[[bytes], bytes], bodies: list[bytes], threads: int, seconds: float) -> dict[str, Any]:
    """Return the figures of a loop over the bodies."""
    for body in itertools.islice(itertools.cycle(bodies), WARM_UP_FRAMES):
        infer(body)
    before = Clocks.read(None)
    with ThreadPoolExecutor(threads) as pool:
        loops = [pool.submit(_loop, infer, bodies[first:] + bodies[:first], seconds) for first in range(threads)]
        latencies_s = [latency_s for loop in loops for latency_s in loop.result()]
    passed = Clocks.read(None).since(before)
    return {
        "frames": len(latencies_s),
        "wrong": 0,
        "cpu_ms_per_frame": passed.own_s * 1000 / len(latencies_s),
        "frames_per_s": len(latencies_s) / passed.wall_s,
        "memory_mib": memory_mib(os.getpid()),
        "elsewhere_cores": passed.elsewhere_cores,
        **{f"{name}_ms": value for name, value in percentiles_ms(latencies_s).items()},
    }


def _loop(infer: Callable[[bytes], bytes], bodies: Sequence[bytes], seconds: float) -> list[float]:
    return list(_timed(infer, itertools.cycle(bodies), time.perf_counter() + seconds))


def _timed(infer: Callable[[bytes], bytes], bodies: Iterator[bytes], until: float) -> Iterator[float]:
    while (started_at := time.perf_counter()) < until:
        infer(next(bodies))
        yield time.perf_counter() - started_at


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Measures the pipeline without HTTP.")
    parser.add_argument("--bodies", type=Path, required=True, help="folder of pictures, posted by name")
    parser.add_argument("--route", choices=get_args(RouteName), default="exact")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args(arguments)
    bodies = [path.read_bytes() for path in sorted(options.bodies.iterdir())]
    print(json.dumps(measure(pipeline(options.route), bodies, options.threads, options.seconds)))


if __name__ == "__main__":
    main()
