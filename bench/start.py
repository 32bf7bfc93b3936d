"""Measures how long the service takes until it is ready, and how long its first frame takes.

    python -m bench.start [--times N] [--video FILE] [--output FILE]

The first frame is compared with the median of the following ones: after a good warm-up it takes little longer.
"""

import argparse
import http.client
import time
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any

from bench.harness import pictures, report
from bench.harness.servers import HOST, OK, Server, Service, servers, starting

ASK_AGAIN_S = 0.01
FOLLOWING = 10


def start(server: Server, picture: bytes) -> tuple[float, float]:
    """Return the seconds until the server was ready, and the first frame's latency ÷ the following frames'."""
    started_at = time.perf_counter()
    with starting(server) as service:
        service.wait_for(lambda: _is_ready(service), ASK_AGAIN_S)
        ready_s = time.perf_counter() - started_at
        first_s, *following_s = [_latency_s(service, picture) for _ in range(1 + FOLLOWING)]
        return ready_s, first_s / median(following_s)


def _is_ready(service: Service) -> bool:
    connection = http.client.HTTPConnection(HOST, service.port, timeout=1)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == OK
    finally:
        connection.close()


def _latency_s(service: Service, picture: bytes) -> float:
    started_at = time.perf_counter()
    service.post(picture)
    return time.perf_counter() - started_at


def summary(starts: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return medians and 95th percentiles."""
    figures: dict[str, Any] = {}
    for name, values in zip(("ready_s", "first_frame_ratio"), zip(*starts, strict=True), strict=True):
        figures |= {f"{name}_p50": median(values), f"{name}_p95": quantiles(values, n=20)[-1]}
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measures the start of the service.")
    parser.add_argument("--times", type=int, default=20)
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    server, picture = servers(options.peer_model)["framehook-exact"], pictures.bodies("W2", options.video)[0]
    figures = summary([start(server, picture) for _ in range(options.times)])
    print("| starts | ready after, s: p50, p95 | first frame ÷ the following: p50, p95 |\n|---|---|---|")
    ready, first = ([figures[f"{name}_{part}"] for part in ("p50", "p95")] for name in ("ready_s", "first_frame_ratio"))
    print(f"| {options.times} | {ready[0]:.2f}, {ready[1]:.2f} | {first[0]:.2f}, {first[1]:.2f} |")
    report.write(options.output, "start", options, [figures])


if __name__ == "__main__":
    main()
