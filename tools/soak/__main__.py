"""Uses a running service for a long time in every way at once, and reports whether its memory grows.

    python -m tools.soak URL --pid PID [--minutes 30] [--clients 4] [--seed 1] [--expect VERDICT]

Good frames in all formats and sizes, mutants, errors, probes, clients that hang up, malformed requests and bursts, in
rounds. Every answer is checked. After each round the clients rest, and memory, file descriptors and threads of the
process are read: nothing is in flight then, so memory still held is retained. The first fifth of the rounds is warm-up
and does not count. Verdicts: `leak` if memory rises by more than 1 MiB an hour with a confidence of 95 %,
`inconclusive` if the run was too short or its interval is too wide, else `no-leak`. Fails if an answer was wrong, or
the verdict is not the expected one.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from tools.hostile.target import Target
from tools.soak.clients import Clients, Tally
from tools.soak.judging import LEAK, NO_LEAK, Sample, judge

ROUND_S = 25.0
REST_S = 11.0
"""Longer than the time between two trims: models/workers/heap.py."""
LOOK_S = 0.5
SHOWN_FAULTS = 10


def soak(url: str, pid: int, seconds: float, clients: int, seed: int) -> tuple[Tally, list[Sample]]:
    """Use the service for `seconds`, in rounds; return the counts of the answers, and a sample after each round."""
    parts, target, tally, samples = urlsplit(url), Target(url, pid), Tally(), []
    everyone = [Clients(parts.hostname or "", parts.port or 0, tally, seed * 100 + n) for n in range(clients)]
    started_at = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        while time.monotonic() < started_at + seconds:
            most_mib = use(pool, everyone, target)
            time.sleep(REST_S)
            files, threads = (len(list((Path("/proc") / str(pid) / folder).iterdir())) for folder in ("fd", "task"))
            samples.append(Sample(time.monotonic() - started_at, target.memory_mib(), files, threads, most_mib))
    return tally, samples


def use(pool: ThreadPoolExecutor, everyone: Sequence[Clients], target: Target) -> float:
    """Let all clients use the service for one round; return the highest memory seen, in MiB."""
    until, most_mib = time.monotonic() + ROUND_S, 0.0

    def run(clients: Clients) -> None:
        while time.monotonic() < until:
            clients.step()

    runs = [pool.submit(run, clients) for clients in everyone]
    while not all(future.done() for future in runs):
        most_mib = max(most_mib, target.memory_mib())
        time.sleep(LOOK_S)
    for future in runs:
        future.result()
    return most_mib


def report(tally: Tally, samples: list[Sample]) -> str:
    """Print the results, and return the verdict on memory."""
    print(f"{tally.statuses.total()} requests in {samples[-1].time_s / 60:.0f} min:")
    for name, count in sorted(tally.statuses.items()):
        print(f"  {name}: {count}")
    print(f"memory in use at most {max(sample.most_mib for sample in samples):.1f} MiB")
    print(f"wrong: {len(tally.wrong)} {tally.wrong[:SHOWN_FAULTS]}")
    return judge(samples)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak."""
    parser = argparse.ArgumentParser(description="Uses a running service for a long time, in every way at once.")
    parser.add_argument("url")
    parser.add_argument("--pid", type=int, required=True, help="of the service")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--expect", choices=[LEAK, NO_LEAK], default=NO_LEAK, help="the verdict that is no failure")
    options = parser.parse_args(arguments)
    tally, samples = soak(options.url, options.pid, options.minutes * 60, options.clients, options.seed)
    return int(report(tally, samples) != options.expect or bool(tally.wrong))


if __name__ == "__main__":
    sys.exit(main())
