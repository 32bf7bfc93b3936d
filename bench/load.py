"""Measures the service against the bare pipeline and against other servers, in interleaved pairs.

    python -m bench.load [--pair A:B ...] [--workload W1 ...] [--clients N ...] [--rounds N] [--seconds S]
                         [--video FILE] [--peer-model FILE] [--output FILE]

Closed loop: each client posts its next frame when the last one is answered. Rounds alternate between A, B and B, A.
Ratios are taken within a round, and their median is reported: on a machine with other work only the ratios count.
Every answer must equal the one that its frame gets alone. Subjects: bare-exact (no
HTTP), framehook-exact, framehook-threads (its lanes are threads), both also as NAME-wide, and the peers:
microsoft, fastapi, fastapi-tuned, litserve, each also as NAME-exact, with int8 that is exact on processors without VNNI
too (they need `scripts/bench peers` once).
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from bench.harness import pictures, report
from bench.harness.generator import Target, closed_loop, run
from bench.harness.outcomes import Verdict
from bench.harness.processes import Clocks
from bench.harness.servers import Server, Service, servers, serving
from lab import ROOT

Figures: TypeAlias = dict[str, Any]
Subject: TypeAlias = Callable[[int, float], Figures]
"""Clients and seconds → figures."""

PAIRS = ("framehook-exact:bare-exact", "framehook-exact:microsoft", "framehook-exact:fastapi-tuned")
BARE = "bare-"
COLUMNS = (
    "CPU ms a frame, B ÷ A",
    "frames/s, A ÷ B",
    "p50 ms, A ÷ B",
    "p95, p99 ms",
    "MiB",
    "wrong",
    "cores busy elsewhere",
)
RATIOS = ("cpu_ms_per_frame", "frames_per_s", "p50_ms", "memory_mib")
WARM_UP_S = 1.0
TIMEOUT_S = 120


@contextmanager
def subject(name: str, server: Server | None, bodies: list[bytes]) -> Iterator[Subject]:
    """Start a subject; it idles until its turn."""
    if server is None:
        with tempfile.TemporaryDirectory() as folder:
            for number, body in enumerate(bodies):
                (Path(folder) / f"{number:03}").write_bytes(body)
            yield lambda clients, seconds: measure_bare(name.removeprefix(BARE), folder, clients, seconds)
        return
    with serving(server, bodies[0]) as service:
        target = service.target(bodies)
        yield lambda clients, seconds: measure_served(service, target, clients, seconds)


def measure_bare(route: str, folder: str, clients: int, seconds: float) -> Figures:
    """Return the figures of the pipeline without HTTP, two threads at most."""
    options = ["--bodies", folder, "--route", route, "--threads", str(min(clients, 2)), "--seconds", str(seconds)]
    command = [sys.executable, "-m", "bench.bare", *options]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=TIMEOUT_S).stdout
    figures: Figures = json.loads(printed)
    return figures


def measure_served(service: Service, target: Target, clients: int, seconds: float) -> Figures:
    """Return the figures of a server in a closed loop."""
    run(closed_loop(target, clients, WARM_UP_S))
    before = Clocks.read(service.tree)
    result = run(closed_loop(target, clients, seconds))
    passed = Clocks.read(service.tree).since(before)
    answered = len(result.having(Verdict.RIGHT))
    record = result.record()
    return {
        "frames": answered,
        "wrong": len(result.outcomes) - answered + result.surplus,
        "cpu_ms_per_frame": passed.server_s * 1000 / answered,
        "frames_per_s": record["goodput_per_s"],
        "memory_mib": service.tree.memory_mib(),
        "elsewhere_cores": passed.elsewhere_cores,
        **{f"{name}_ms": value for name, value in record["answered_ms"].items()},
    }


def measure_pair(subjects: dict[str, Subject], clients: int, seconds: float, rounds: int) -> list[dict[str, Figures]]:
    """Return the figures of every round, by subject."""
    measured = []
    for number in range(rounds):
        names = list(subjects) if number % 2 == 0 else list(reversed(subjects))
        measured.append({name: subjects[name](clients, seconds) for name in names})
    return measured


def summary(reference: str, other: str, rounds: list[dict[str, Figures]]) -> dict[str, Any]:
    """Return medians: of each figure of both, and of the ratios other ÷ reference within a round."""
    figures = {
        name: {figure: median(measured[name][figure] for measured in rounds) for figure in rounds[0][name]}
        for name in (reference, other)
    }
    ratios = {
        figure: median(measured[other][figure] / measured[reference][figure] for measured in rounds)
        for figure in RATIOS
    }
    return {"figures": figures, "ratios": ratios}


def row(workload: str, clients: int, reference: str, other: str, medians: dict[str, Any]) -> str:
    """Return one row of the table."""
    ours, theirs = medians["figures"][reference], medians["figures"][other]
    ratios = medians["ratios"]
    cells = [
        f"{ours['cpu_ms_per_frame']:.1f} : {theirs['cpu_ms_per_frame']:.1f} = **{ratios['cpu_ms_per_frame']:.2f}**",
        f"{ours['frames_per_s']:.0f} : {theirs['frames_per_s']:.0f} = **{1 / ratios['frames_per_s']:.2f}**",
        f"{ours['p50_ms']:.1f} : {theirs['p50_ms']:.1f} = **{1 / ratios['p50_ms']:.2f}**",
        f"{ours['p95_ms']:.0f}, {ours['p99_ms']:.0f} : {theirs['p95_ms']:.0f}, {theirs['p99_ms']:.0f}",
        f"{ours['memory_mib']:.0f} : {theirs['memory_mib']:.0f}",
        f"{ours['wrong']:.0f} : {theirs['wrong']:.0f}",
        f"{ours['elsewhere_cores']:.1f} : {theirs['elsewhere_cores']:.1f}",
    ]
    return f"| {workload} | {clients} | {reference} : {other} | {' | '.join(cells)} |"


def measure_all(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the results of every pair on every workload, printing a row each."""
    known = servers(options.peer_model)
    for workload, pair in itertools.product(options.workload, options.pair):
        bodies = pictures.bodies(workload, options.video)
        reference, other = pair.split(":")
        with ExitStack() as stack:
            subjects = {
                name: stack.enter_context(subject(name, None if name.startswith(BARE) else known[name], bodies))
                for name in (reference, other)
            }
            for clients in options.clients:
                rounds = measure_pair(subjects, clients, options.seconds, options.rounds)
                medians = summary(reference, other, rounds)
                print(row(workload, clients, reference, other, medians), flush=True)
                facts = {"workload": workload, "clients": clients, "reference": reference, "other": other}
                yield {**facts, "rounds": rounds, **medians}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measures the service and its peers, in interleaved pairs.")
    parser.add_argument("--pair", action="append", metavar="A:B", help=f"by default {', '.join(PAIRS)}")
    parser.add_argument("--workload", action="append", choices=pictures.NAMES)
    parser.add_argument("--clients", action="append", type=int, help="by default 8, and then 1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    options.pair, options.workload = options.pair or PAIRS, options.workload or list(pictures.NAMES)
    options.clients = options.clients or [8, 1]
    print(f"| workload | clients | A : B | {' | '.join(COLUMNS)} |")
    print(f"|---|---|---|{'---|' * len(COLUMNS)}", flush=True)
    report.write(options.output, "load", options, list(measure_all(options)))


if __name__ == "__main__":
    main()
