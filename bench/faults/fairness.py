"""Measures what one greedy camera costs the others: ten streams, one with ten times its share of the capacity.

    python -m bench.faults.fairness [--streams N] [--greed X] [--workload W2] [--seconds S] [--video FILE]
                                    [--output FILE]

Every frame names its stream in the parameter `stream`. The fair share is capacity ÷ streams; nine streams send at it,
the greedy one at `--greed` times it. The figures are right answers per second of each stream, and the highest ÷ the
lowest of them. The server has one core, the generator another.
"""

import argparse
from collections.abc import Sequence
from typing import Any

from bench.faults.overload import capacity, cores
from bench.harness import pictures, report
from bench.harness.generator import Clients, Shot, open_loop, run, schedule
from bench.harness.outcomes import Run
from bench.harness.processes import on_cores
from bench.harness.servers import framehook, serving

CLIENTS = 8
GREEDY = 0


def shots(streams: int, greed: float, capacity_per_s: float, seconds: float) -> list[Shot]:
    """Return the arrivals of all streams, each a Poisson process; stream 0 is the greedy one."""
    share_per_s = capacity_per_s / streams
    rates = [share_per_s * (greed if stream == GREEDY else 1) for stream in range(streams)]
    merged = (shot for stream, rate in enumerate(rates) for shot in schedule(rate, seconds, stream, stream))
    return sorted(merged, key=lambda shot: shot.due_s)


def figures(result: Run, streams: int, capacity_per_s: float) -> dict[str, Any]:
    """Return each stream's goodput and the highest ÷ the lowest."""
    goodputs = [result.goodput_per_s(stream=stream) for stream in range(streams)]
    share_per_s = capacity_per_s / streams
    return {
        "capacity_per_s": capacity_per_s,
        "goodput_per_s": goodputs,
        "of_share": [goodput / share_per_s for goodput in goodputs],
        "most_to_least": max(goodputs) / max(min(goodputs), 1 / result.seconds),
        "frames": result.record(),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one run."""
    bodies = pictures.bodies(options.workload, options.video)
    server_cores, generator_cores = cores(options.cores)
    with serving(framehook(), bodies[0], server_cores) as service, on_cores(generator_cores):
        target = service.target(bodies, lambda stream: f"?stream=cam{stream}")
        capacity_per_s = capacity(target, CLIENTS, options.capacity_seconds)["goodput_per_s"]
        arrivals = shots(options.streams, options.greed, capacity_per_s, options.seconds)
        return figures(run(open_loop(target, arrivals, Clients())), options.streams, capacity_per_s)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measures how streams share the capacity.")
    parser.add_argument("--streams", type=int, default=10)
    parser.add_argument("--greed", type=float, default=10, help="times its share, the first stream's rate")
    parser.add_argument("--workload", choices=pictures.NAMES, default="W2")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--capacity-seconds", type=float, default=4)
    parser.add_argument("--cores", help="the server's and the generator's, for example 0,1")
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    result = measure(options)
    print("| stream | right answers/s | of its fair share |\n|---|---|---|")
    for stream, (goodput, share) in enumerate(zip(result["goodput_per_s"], result["of_share"], strict=True)):
        print(f"| cam{stream}{' (greedy)' if stream == GREEDY else ''} | {goodput:.1f} | {share:.2f} |")
    print(f"\nMost ÷ least: **{result['most_to_least']:.2f}**; {result['frames']['counts']}")
    report.write(options.output, "fairness", options, [result])


if __name__ == "__main__":
    main()
