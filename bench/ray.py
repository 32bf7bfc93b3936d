"""Measures what a frame costs on Ray Serve, beside one process: the same requests in turn, over kept connections.

python -m bench.ray [--rounds N] [--requests N] [--workload W1|W2|W3] [--video FILE] [--output FILE]
"""

import argparse
import http.client
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from bench.harness import pictures, report
from bench.harness.processes import memory_mib
from bench.harness.servers import HOST, OCTETS, OK, PATH, TIMEOUT_S, framehook, starting
from lab.processes import cpu_s, descendants
from lab.ray_cluster import RayCluster, serving_on_ray

PATIENCE_S = 120
MS_PER_S = 1000
IDLE_S = 10.0
KINDS = {"process": "processes", "thread": "threads"}
"""Of lanes, by the setting `isolation`."""
ONE = "one process"
"""What the cluster is compared with: `framehook serve` with one lane."""
ONE_WORKER = {"ray_actor_options": {"num_cpus": 1}, "autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}

PARTS = ("proxy", "ingress", "worker", "Ray itself")
Times: TypeAlias = Mapping[str, float]
"""Part of a service → its CPU time so far, in seconds."""


def parts_of(cluster: RayCluster) -> dict[str, list[int]]:
    """Return the processes of each part of a cluster."""
    parts = {"proxy": descendants(cluster.nodes.pid, b"ray::ProxyActor")}
    for part, deployment in (("ingress", "Ingress"), ("worker", "Workers")):
        replicas = cluster.replicas(deployment)
        parts[part] = [*replicas, *(pid for replica in replicas for pid in descendants(replica))]
    named = {pid for pids in parts.values() for pid in pids}
    return parts | {"Ray itself": [pid for pid in cluster.processes() if pid not in named]}


def cpu_of(parts: Mapping[str, Sequence[int]]) -> Times:
    """Return the CPU time of each part so far."""
    return {part: sum(map(cpu_s, pids)) for part, pids in parts.items()}


def post_all(port: int, bodies: Sequence[bytes], count: int) -> list[float]:
    """Post frames over one connection, one after the other; return the wall times in milliseconds."""
    connection, took_ms = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S), []
    for body in itertools.islice(itertools.cycle(bodies), count):
        started_at = time.perf_counter()
        connection.request("POST", PATH, body, {"Content-Type": OCTETS})
        answer = connection.getresponse()
        answer.read()
        took_ms.append(MS_PER_S * (time.perf_counter() - started_at))
        if answer.status not in {OK, http.HTTPStatus.NO_CONTENT}:
            raise ValueError(f"expected an answer with 200 or 204, got {answer.status}")
    connection.close()
    return took_ms


def measure(times: Callable[[], Times], run: Callable[[], list[float]]) -> dict[str, float]:
    """Return the CPU milliseconds per request, of each part and together, and the median of the wall times."""
    before = times()
    took_ms = run()
    spent_ms = {part: MS_PER_S * (now_s - before[part]) / len(took_ms) for part, now_s in times().items()}
    return {**spent_ms, "together": sum(spent_ms.values()), "p50_ms": statistics.median(took_ms)}


def wait_until_ready(port: int) -> None:
    """Wait until the service on that port accepts frames."""
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == OK:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(1)
    raise TimeoutError("expected a service that is ready")


def side_by_side(isolation: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the figures of one process and of a cluster whose lanes are of this kind, measured in turn."""
    frames = pictures.bodies(options.workload, options.video)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        one = stack.enter_context(starting(framehook(isolation=isolation, lanes="1")))
        arguments = {"isolation": isolation, "lanes": 1}
        cluster = stack.enter_context(serving_on_ray(ONE_WORKER, arguments, folder / "log"))
        port = urlsplit(cluster.url).port or 0
        for each in (one.port, port):
            wait_until_ready(each)
            post_all(each, frames, options.requests)
        parts = parts_of(cluster)
        services: dict[str, tuple[int, Callable[[], Times]]] = {
            ONE: (one.port, lambda: {"one": one.tree.cpu_s()}),
            "Ray Serve": (port, lambda: cpu_of(parts)),
        }
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in services}
        for _, (name, (at, times)) in itertools.product(range(options.rounds), services.items()):
            rounds[name].append(measure(times, lambda at=at: post_all(at, frames, options.requests)))  # type: ignore[misc]
        before = cpu_of(parts)
        time.sleep(IDLE_S)
        idle_cores = (sum(cpu_of(parts).values()) - sum(before.values())) / IDLE_S
        memory = {ONE: one.tree.memory_mib(), "Ray Serve": sum(memory_mib(pid) for pid in cluster.processes())}
    return [
        {"isolation": isolation, "service": name, "memory_mib": memory[name], "idle_cores": idle_cores}
        | {figure: statistics.median(each[figure] for each in figures) for figure in figures[0]}
        for name, figures in rounds.items()
    ]


def row(figures: Mapping[str, Any]) -> str:
    """Return one row of the table."""
    parts = "".join(f" {figures[part]:.1f} |" if part in figures else " |" for part in PARTS)
    return (
        f"| {figures['service']}, lanes are {KINDS[figures['isolation']]} | {figures['together']:.1f} |{parts}"
        f" {figures['p50_ms']:.1f} | {figures['memory_mib']:.0f} |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table: medians of the rounds."""
    parser = argparse.ArgumentParser(description="Measures Ray Serve beside one process.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--workload", default="W2")
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    results = [figures for isolation in KINDS for figures in side_by_side(isolation, options)]
    print(f"| | CPU, ms a frame | {' | '.join(PARTS)} | wall, ms | memory, MiB |\n|---|---|---|---|---|---|---|---|")
    for figures in results:
        print(row(figures))
    print(f"\nRay, idle: {results[-1]['idle_cores']:.2f} cores")
    report.write(options.output, "ray", options, results)


if __name__ == "__main__":
    main()
