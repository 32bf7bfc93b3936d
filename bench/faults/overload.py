"""Measures a server under more frames than it can serve: open loop at multiples of its capacity.

    python -m bench.faults.overload [--server NAME ...] [--workload W2] [--load X ...] [--seconds S] [--even]
                             [--video FILE] [--peer-model FILE] [--output FILE]

The server has one core, the generator another. Capacity is what a closed loop of `--clients` reaches. Then frames
arrive at each load times the capacity (by default as a Poisson process), regardless of earlier frames. Meanwhile
framehook's readiness is probed ten times a second. Goodput counts right answers that came while frames were still being
sent; timely answers came within a second of when their frame was due.
"""

import argparse
import asyncio
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any

from bench.harness import pictures, report
from bench.harness.connection import Reply
from bench.harness.generator import Clients, Target, closed_loop, open_loop, run, schedule
from bench.harness.outcomes import Run, Verdict
from bench.harness.processes import Clocks, on_cores
from bench.harness.servers import HOST, OK, servers, serving

LOADS = (0.5, 1.0, 2.0, 5.0, 10.0)
PROBES_PER_S = 10
PROBE = f"GET /health/ready HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
WARM_UP_S = 1.0
COLUMNS = (
    "server", "load", "goodput ÷ capacity", "timely ÷ capacity", "answered p50, p99 ms", "p99 ÷ at capacity",
    "refused", "with Retry-After", "refusal p99 ms (since sent)", "lost, late, mixed up, doubled, other, not sent",
    "probe p99 ms, right", "MiB before, after", "generator late p99 ms", "cores busy elsewhere",
)  # fmt: skip


def cores(wanted: str | None) -> tuple[set[int], set[int]]:
    """Return the server's and the generator's core: from the option ("0,1"), or the first and last available."""
    usable = [int(core) for core in wanted.split(",")] if wanted else sorted(os.sched_getaffinity(0))
    return {usable[0]}, {usable[-1]}


def capacity(target: Target, clients: int, seconds: float) -> dict[str, Any]:
    """Return the figures of a closed loop; its goodput_per_s is the capacity."""
    run(closed_loop(target, clients, WARM_UP_S))
    return run(closed_loop(target, clients, seconds)).record()


def overload(frames: Target, rate_per_s: float, options: argparse.Namespace, probes: Target | None) -> list[Run]:
    """Return the outcomes of the frames at that rate, and of the probes if there are any."""
    shots = schedule(rate_per_s, options.seconds, None if options.even else 1)

    async def both() -> list[Run]:
        loads = [open_loop(frames, shots, Clients(max_connections=options.connections))]
        if probes:
            loads.append(open_loop(probes, schedule(PROBES_PER_S, options.seconds), Clients()))
        return await asyncio.gather(*loads)

    return run(both())


def probe(port: int) -> Target:
    """Return the generator's target for readiness probes."""

    def check(_: int, reply: Reply) -> Verdict:
        return Verdict.RIGHT if reply.status == OK else Verdict.OTHER

    return Target(HOST, port, lambda *_: (PROBE,), check)


def measure(name: str, load: float, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one server at one load; each load gets a fresh server."""
    bodies = pictures.bodies(options.workload, options.video)
    server_cores, generator_cores = cores(options.cores)
    with serving(servers(options.peer_model)[name], bodies[0], server_cores) as service, on_cores(generator_cores):
        target = service.target(bodies)
        at_capacity = capacity(target, options.clients, options.capacity_seconds)
        memory_before_mib = service.tree.memory_mib()
        probes = probe(service.port) if name.startswith("framehook") else None
        before = Clocks.read(service.tree)
        runs = overload(target, load * at_capacity["goodput_per_s"], options, probes)
        record, *probed = (result.record() for result in runs)
        return {
            "server": name,
            "workload": options.workload,
            "load": load,
            "capacity": at_capacity,
            "frames": record,
            "elsewhere_cores": Clocks.read(service.tree).since(before).elsewhere_cores,
            "probes": probed[0] if probed else None,
            "memory_mib": [memory_before_mib, service.tree.memory_mib()],
            "ratios": ratios(record, at_capacity),
        }


def ratios(record: dict[str, Any], at_capacity: dict[str, Any]) -> dict[str, float]:
    """Return goodput and latency, each divided by its value at capacity."""
    capacity_per_s, p99_ms = at_capacity["goodput_per_s"], at_capacity["answered_ms"]["p99"]
    relative = {
        "goodput": record["goodput_per_s"] / capacity_per_s,
        "timely": record["timely_per_s"] / capacity_per_s,
    }
    if record["answered_ms"]:
        relative["p99"] = record["answered_ms"]["p99"] / p99_ms
    if record["refused_ms"]:
        relative["refusal_p99_to_p50"] = record["refused_since_sent_ms"]["p99"] / at_capacity["answered_ms"]["p50"]
    return relative


def row(result: dict[str, Any]) -> str:
    """Return one row of the table."""
    frames, counts = result["frames"], result["frames"]["counts"]
    before_mib, after_mib = result["memory_mib"]
    probes = result["probes"] or {"answered_ms": {}, "counts": {"right": 0}}
    cells = [
        result["server"],
        f"{result['load']:g}",
        *_answered(result),
        *_refused(frames),
        ", ".join(str(counts[name]) for name in ("lost", "late", "mixed up", "doubled", "other", "not sent")),
        f"{probes['answered_ms'].get('p99', 0):.1f}, {probes['counts']['right']} of {sum(probes['counts'].values())}",
        f"{before_mib:.0f}, {after_mib:.0f}",
        f"{frames['generator_lag_ms']['p99']:.1f}",
        f"{result['elsewhere_cores']:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _answered(result: dict[str, Any]) -> list[str]:
    relative, answered_ms = result["ratios"], result["frames"]["answered_ms"]
    return [
        f"**{relative['goodput']:.2f}** of {result['capacity']['goodput_per_s']:.0f}/s",
        f"{relative['timely']:.2f}",
        f"{answered_ms['p50']:.0f}, {answered_ms['p99']:.0f}" if answered_ms else "",
        f"{relative['p99']:.2f}" if answered_ms else "",
    ]


def _refused(frames: dict[str, Any]) -> list[str]:
    counts, refused_ms, since_sent_ms = frames["counts"], frames["refused_ms"], frames["refused_since_sent_ms"]
    return [
        f"{counts['refused'] / sum(counts.values()):.0%}",
        f"{frames['refused_with_retry_after']} of {counts['refused']}",
        f"{refused_ms['p99']:.1f} ({since_sent_ms['p99']:.1f})" if refused_ms else "",
    ]


def measure_all(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the results of every server at every load, printing a row each."""
    for _, load, name in itertools.product(range(options.rounds), options.load, options.server):
        result = measure(name, load, options)
        print(row(result), flush=True)
        yield result


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measures servers under more load than they can serve.")
    parser.add_argument("--server", action="append", help="by default framehook-exact")
    parser.add_argument("--load", action="append", type=float, help="times capacity; by default 0.5, 1, 2, 5 and 10")
    parser.add_argument("--workload", choices=pictures.NAMES, default="W2")
    parser.add_argument("--seconds", type=float, default=10, help="for how long frames are sent, at each load")
    parser.add_argument("--capacity-seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--clients", type=int, default=8, help="of the closed loop that measures the capacity")
    parser.add_argument("--connections", type=int, default=900, help="at most this many")
    parser.add_argument("--cores", help="the server's and the generator's, for example 0,1")
    parser.add_argument("--even", action="store_true", help="even arrivals instead of a Poisson process")
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    options.server, options.load = options.server or ["framehook-exact"], options.load or list(LOADS)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    report.write(options.output, "overload", options, list(measure_all(options)))


if __name__ == "__main__":
    main()
