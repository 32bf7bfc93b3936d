"""Measures what traces cost: the same requests in turn, to a service that sends traces and to one that sends none.

    python -m bench.traces [--rounds N] [--requests N] [--before FOLDER] [--output FILE]

`--before`: the checkout of an earlier version, as a third service. CPU time is that of the service's own process, where
requests are handled and spans made and sent; lanes do not know of traces. The collector is a part of this program.
Every frame is traced and no probe; a probe does little else than what every request costs.
"""

import argparse
import itertools
import statistics
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench.harness import report
from bench.harness.servers import HOST, Server, Service, framehook, serving
from bench.tls import HTTP, over_one
from lab.pictures import street_as

NS_PER_MS = 1e6
TRACES_PER_S = 1_000_000
"""No limit, for this many frames."""
OFF, ON, BEFORE = "off", "on", "before"


class Collector(BaseHTTPRequestHandler):
    """Accepts every batch, unread."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer with an empty message."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def collecting() -> Iterator[str]:
    """Run a collector until the block ends; yield its address."""
    with ThreadingHTTPServer((HOST, 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()


def variants(collector: str, before: Path | None) -> dict[str, Server]:
    """Return the services by name."""
    traced = framehook(traces_per_s=str(TRACES_PER_S))
    environment = {**traced.environment, "OTEL_EXPORTER_OTLP_ENDPOINT": collector}
    found = {OFF: framehook(), ON: replace(traced, environment=environment)}
    if before:
        found[BEFORE] = replace(framehook(), environment={"PYTHONPATH": str(before.resolve())})
    return found


def cpu_ns(pid: int) -> int:
    """Return the CPU time that the threads of a process have used so far."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def cpu_ms(service: Service, body: bytes | None, count: int) -> float:
    """Return the CPU milliseconds per request of the service's own process. `body`: None to probe."""
    before_ns = cpu_ns(service.tree.pid)
    over_one(service.port, HTTP, [body], count)
    return (cpu_ns(service.tree.pid) - before_ns) / count / NS_PER_MS


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table: medians of the rounds, and of their differences from the service without traces."""
    parser = argparse.ArgumentParser(description="Measures what traces cost.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    cases = {"probe": None, "frame": street_as("JPEG")}
    taken: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        servers = variants(stack.enter_context(collecting()), options.before)
        services = {name: stack.enter_context(serving(server, street_as("JPEG"))) for name, server in servers.items()}
        for number, case in itertools.product(range(options.rounds), cases):
            for name in [*services][:: 1 if number % 2 else -1]:
                took_ms = cpu_ms(services[name], cases[case], options.requests)
                taken.setdefault((case, name), []).append(took_ms)
    rows: list[dict[str, Any]] = []
    print("| | traces | CPU of the service's process, ms | more than off |\n|---|---|---|---|")
    for (case, name), rounds in sorted(taken.items(), reverse=True):
        more_ms = statistics.median(one - off for one, off in zip(rounds, taken[case, OFF], strict=True))
        print(f"| {case} | {name} | {statistics.median(rounds):.3f} | {more_ms:+.3f} |")
        rows.append({"case": case, "traces": name, "cpu_ms": statistics.median(rounds), "more_ms": more_ms})
    report.write(options.output, "traces", options, rows)


if __name__ == "__main__":
    main()
