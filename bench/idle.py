"""Measures what the service costs while no requests arrive.

python -m bench.idle [--server NAME ...] [--seconds S] [--output FILE]
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any

from bench.harness import pictures, report
from bench.harness.servers import Server, servers, serving

SETTLE_S = 3.0
"""Pause after the first frame, so that start-up work can finish."""


def idle(server: Server, picture: bytes, seconds: float) -> dict[str, Any]:
    """Return the share of one core that an idle server uses."""
    with serving(server, picture) as service:
        time.sleep(SETTLE_S)
        cpu_before_s, started_at = service.tree.cpu_s(), time.perf_counter()
        time.sleep(seconds)
        cpu_s, wall_s = service.tree.cpu_s() - cpu_before_s, time.perf_counter() - started_at
        return {"cpu_of_one_core": cpu_s / wall_s, "memory_mib": service.tree.memory_mib()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measures idle servers.")
    parser.add_argument("--server", action="append", help="by default framehook-exact")
    parser.add_argument("--seconds", type=float, default=60)
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    print("| server | CPU of one core | MiB |\n|---|---|---|", flush=True)
    results = []
    for name in options.server or ["framehook-exact"]:
        figures = idle(servers(options.peer_model)[name], pictures.bodies("W2", options.video)[0], options.seconds)
        print(f"| {name} | {figures['cpu_of_one_core']:.2%} | {figures['memory_mib']:.0f} |", flush=True)
        results.append({"server": name, **figures})
    report.write(options.output, "idle", options, results)


if __name__ == "__main__":
    main()
