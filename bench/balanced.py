"""Measures what a load balancer costs, and what is lost when an instance is killed, told to stop, or added.

    python -m bench.balanced [--rounds N] [--requests N] [--failures N] [--video FILE] [--output FILE]

Three instances on this machine, behind the HAProxy and the nginx of deploy/. Cost: the same frames directly, by HAProxy
and by nginx, in turn, over one kept connection each. The model does nothing, so that the hop shows. Losses: six clients
post as fast as they are answered, also frames of no stream, while it happens.
"""

import argparse
import http.client
import itertools
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from bench.harness import pictures, report
from bench.harness.processes import ProcessTree
from lab.balancers import BALANCERS, Running, balancing
from lab.graphs import board, work_for
from lab.instances import HOST, PATIENCE_S, Instance, load, places, post, started
from lab.pictures import encode

MS_PER_S = 1000
DIRECT = "direct"
STREAMS = [f"gate {number}" for number in range(240)]
OPTIONS = ("--drain-delay-s", "2", "--queue-size", "50", "--queue-timeout-s", str(PATIENCE_S))
IN_FLIGHT, LARGE_WH = 48, (290, 290)
"""Frames at once, of some 250 KB as BMP."""
SAMPLE_S = 0.05
SETTLE_S = 2.0
"""As long as a balancer needs to notice that an instance is back."""


def post_all(port: int, frames: Sequence[bytes], count: int) -> list[float]:
    """Post frames of one stream over one connection; return the seconds that each took."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_S)
    times_s = []
    for frame in itertools.islice(itertools.cycle(frames), count):
        started_at = time.perf_counter()
        connection.request("POST", "/inference?stream=yard", frame, {"Content-Type": "image/jpeg"})
        answer = connection.getresponse()
        answer.read()
        times_s.append(time.perf_counter() - started_at)
        if answer.status not in {200, 204}:
            raise ValueError(f"expected 200 or 204, got {answer.status}")
    connection.close()
    return times_s


def measure_cost(
    ports: Mapping[str, int], trees: Mapping[str, ProcessTree], frames: Sequence[bytes], rounds: int, count: int
) -> list[dict[str, Any]]:
    """Return CPU milliseconds a frame of each balancer, its memory, and how long an answer takes."""
    times_s: dict[str, list[float]] = {way: [] for way in ports}
    cpu_s = dict.fromkeys(ports, 0.0)
    for _, way in itertools.product(range(rounds), ports):
        before_s = trees[way].cpu_s() if way in trees else 0
        times_s[way] += post_all(ports[way], frames, count)
        cpu_s[way] += trees[way].cpu_s() - before_s if way in trees else 0
    return [
        {
            "way": way,
            "cpu_ms": MS_PER_S * cpu_s[way] / (rounds * count),
            "p50_ms": MS_PER_S * statistics.median(times_s[way]),
            "p90_ms": MS_PER_S * statistics.quantiles(times_s[way], n=10)[-1],
            "memory_mib": most_memory_mib(ports[way], trees[way]) if way in trees else None,
        }
        for way in ports
    ]


def most_memory_mib(port: int, tree: ProcessTree) -> float:
    """Return the most memory that a balancer uses while many large frames are in flight."""
    frame = encode(board(work=work_for(0.1)).resize(LARGE_WH), "BMP")
    with (
        ThreadPoolExecutor(IN_FLIGHT) as pool,
        httpx.Client(base_url=f"http://{HOST}:{port}", timeout=PATIENCE_S) as client,
    ):
        posted = [pool.submit(post, client, frame=frame) for _ in range(IN_FLIGHT)]
        most_mib = 0.0
        while not all(each.done() for each in posted):
            most_mib = max(most_mib, tree.memory_mib())
            time.sleep(SAMPLE_S)
    if any(each.result().status_code != httpx.codes.OK for each in posted):
        raise ValueError("expected answers with 200")
    return most_mib


def kill(instances: Mapping[str, Instance], _: Running) -> None:
    """Kill an instance."""
    instances["two"].end(signal.SIGKILL)


def stop(instances: Mapping[str, Instance], _: Running) -> None:
    """Tell an instance to stop."""
    instances["two"].end(signal.SIGTERM)


def add(_: Mapping[str, Instance], running: Running) -> None:
    """Add an instance to the balancer's file."""
    running.add_third()
    time.sleep(SETTLE_S)


EVENTS: Mapping[str, Callable[[Mapping[str, Instance], Running], None]] = {
    "killed": kill,
    "stopped": stop,
    "added": add,
}


def measure_loss(name: str, event: str, instances: Mapping[str, Instance]) -> dict[str, Any]:
    """Return what became of the frames, the longest wait for an answer, and the share of streams that moved."""
    ports = [each.port for each in instances.values()]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = stack.enter_context(balancing(name, ports, folder, without_third=event == "added"))
        client = stack.enter_context(httpx.Client(base_url=f"http://{HOST}:{running.port}", timeout=PATIENCE_S))
        before = places(client, STREAMS)
        with load(client, STREAMS) as outcomes:
            EVENTS[event](instances, running)
        after = places(client, STREAMS)
        for instance in instances.values():
            if not instance.is_ready():
                instance.start()
    return {
        "balancer": name,
        "event": event,
        "frames": len(outcomes),
        "lost": sum(each.status != httpx.codes.OK for each in outcomes),
        "longest_ms": MS_PER_S * max(each.ended_at - each.sent_at for each in outcomes),
        "moved": sum(before[stream] != after[stream] for stream in STREAMS) / len(STREAMS),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="Measures load balancers in front of three instances.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--failures", type=int, default=3, help="how often each thing happens")
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        instances = stack.enter_context(started(folder, OPTIONS))
        costs = costs_of(instances, folder, pictures.bodies("W2", options.video), options.rounds, options.requests)
        losses = [
            measure_loss(name, event, instances)
            for _, name, event in itertools.product(range(options.failures), BALANCERS, EVENTS)
        ]
    print("| | CPU of the balancer, ms a frame | answer, ms: p50 | p90 | memory at most, MiB |\n|---|---|---|---|---|")
    for row in costs:
        memory = "" if row["memory_mib"] is None else f"{row['memory_mib']:.0f}"
        print(f"| {row['way']} | {row['cpu_ms']:.2f} | {row['p50_ms']:.1f} | {row['p90_ms']:.1f} | {memory} |")
    print("\n| | | frames | lost | longest answer, ms | streams that moved |\n|---|---|---|---|---|---|")
    for name, event in itertools.product(BALANCERS, EVENTS):
        print_loss([row for row in losses if (row["balancer"], row["event"]) == (name, event)])
    report.write(options.output, "balanced", options, [*costs, *losses])


def costs_of(
    instances: Mapping[str, Instance], folder: Path, frames: Sequence[bytes], rounds: int, count: int
) -> list[dict[str, Any]]:
    """Run all balancers side by side, and return the figures of `measure_cost`."""
    with ExitStack() as stack:
        ports = [each.port for each in instances.values()]
        running = {name: stack.enter_context(balancing(name, ports, folder)) for name in BALANCERS}
        ways = {DIRECT: instances["one"].port} | {name: each.port for name, each in running.items()}
        trees = {name: ProcessTree(each.pid) for name, each in running.items()}
        return measure_cost(ways, trees, frames, rounds, count)


def print_loss(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the row of one thing that happened several times: sums, and the worst."""
    frames, lost = (sum(row[key] for row in rows) for key in ("frames", "lost"))
    longest_ms, moved = (max(row[key] for row in rows) for key in ("longest_ms", "moved"))
    print(f"| {rows[0]['balancer']} | {rows[0]['event']} | {frames} | {lost} | {longest_ms:.0f} | {moved:.0%} |")


if __name__ == "__main__":
    main()
