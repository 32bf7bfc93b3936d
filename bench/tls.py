"""Measures what HTTPS costs compared with HTTP: the same requests in turn, over kept and fresh connections.

python -m bench.tls [--rounds N] [--requests N] [--video FILE] [--output FILE]
"""

import argparse
import http.client
import itertools
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from bench.harness import pictures, report
from bench.harness.servers import ASK_AGAIN_S, HOST, OCTETS, OK, PATH, TIMEOUT_S, Service, framehook, starting

HTTP, HTTPS = "HTTP", "HTTPS"
MS_PER_S = 1000


def connect(port: int, scheme: str) -> http.client.HTTPConnection:
    """Return a connection. It does not check the certificate and resumes no session."""
    if scheme == HTTP:
        return http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(HOST, port, timeout=TIMEOUT_S, context=context)


def ask(connection: http.client.HTTPConnection, body: bytes | None) -> bool:
    """Probe, or post a frame; return whether the answer was good."""
    if body is None:
        connection.request("GET", "/health/ready")
    else:
        connection.request("POST", PATH, body, {"Content-Type": OCTETS})
    answer = connection.getresponse()
    answer.read()
    return answer.status == OK


def is_ready(port: int, scheme: str) -> bool:
    """Probe over a new connection."""
    connection = connect(port, scheme)
    try:
        return ask(connection, None)
    finally:
        connection.close()


def over_one(port: int, scheme: str, bodies: Sequence[bytes | None], count: int) -> None:
    """Send all requests over one connection."""
    connection = connect(port, scheme)
    for body in itertools.islice(itertools.cycle(bodies), count):
        if not ask(connection, body):
            raise ValueError("expected answers with 200")
    connection.close()


def over_many(port: int, scheme: str, bodies: Sequence[bytes | None], count: int) -> None:
    """Send one request over each connection."""
    for body in itertools.islice(itertools.cycle(bodies), count):
        over_one(port, scheme, [body], 1)


def measure(service: Service, run: Callable[[], None], count: int) -> dict[str, float]:
    """Return the server's CPU milliseconds and the wall milliseconds per request."""
    cpu_before_s, started_at = service.tree.cpu_s(), time.perf_counter()
    run()
    wall_s, cpu_s = time.perf_counter() - started_at, service.tree.cpu_s() - cpu_before_s
    return {"cpu_ms": MS_PER_S * cpu_s / count, "wall_ms": MS_PER_S * wall_s / count}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table: medians of the rounds."""
    parser = argparse.ArgumentParser(description="Measures HTTPS beside HTTP.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=400)
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    frames = pictures.bodies("W2", options.video)
    cases: dict[str, Callable[[int, str], None]] = {
        "probe, kept connection": partial(over_one, bodies=[None], count=options.requests),
        "probe, fresh connection": partial(over_many, bodies=[None], count=options.requests),
        "frame, kept connection": partial(over_one, bodies=frames, count=options.requests),
        "frame, fresh connection": partial(over_many, bodies=frames, count=options.requests),
    }
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        https = framehook(tls_self_signed="true")
        services = {
            HTTP: stack.enter_context(starting(framehook())),
            HTTPS: stack.enter_context(
                starting(replace(https, environment={**https.environment, "XDG_STATE_HOME": folder}))
            ),
        }
        for scheme, service in services.items():
            service.wait_for(partial(is_ready, service.port, scheme), ASK_AGAIN_S)
        for _, case, scheme in itertools.product(range(options.rounds), cases, services):
            run = partial(cases[case], services[scheme].port, scheme)
            results.setdefault((case, scheme), []).append(measure(services[scheme], run, options.requests))
    print("| | | CPU of the server, ms a request | wall, ms |\n|---|---|---|---|")
    rows: list[dict[str, Any]] = []
    for (case, scheme), rounds in results.items():
        medians = {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
        print(f"| {case} | {scheme} | {medians['cpu_ms']:.2f} | {medians['wall_ms']:.2f} |")
        rows.append({"case": case, "scheme": scheme, **medians})
    report.write(options.output, "tls", options, rows)


if __name__ == "__main__":
    main()
