"""Measures slow and silent clients: when each loses its connection, and how good traffic fares meanwhile.

    python -m bench.faults.slow_clients [--attack NAME ...] [--connections N] [--video FILE] [--output FILE]

All connections of one kind are opened at once, while four clients post frames over kept connections. Before that, the
same four clients use the service alone. A 503 for lack of connections counts as wrong.
"""

import argparse
import asyncio
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.harness import pictures, report
from bench.harness.generator import closed_loop
from bench.harness.generator import run as run_load
from bench.harness.outcomes import Run, Verdict
from bench.harness.servers import HOST, framehook, serving

POST = b"POST /score HTTP/1.1\r\nHost: x\r\n"
EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Attack:
    """What a connection sends first, what it sends every second after that, and whether it reads answers."""

    first: bytes
    then: bytes = b""
    reads: bool = True


ATTACKS = {
    "silent": Attack(b""),
    "slow head": Attack(POST, b"X: y\r\n"),
    "slow body": Attack(POST + b"Content-Length: 900000\r\n\r\n", b"x" * 100),
    "slow chunks": Attack(POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "idle": Attack(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"),
    "slow reading": Attack(b"GET /ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 8, reads=False),
}
GOOD_CLIENTS = 4
BEFORE_S = 8.0
SMALL_BUFFER_BYTES = 4096


async def be_slow(port: int, attack: Attack) -> float:
    """Act as one slow client; return the seconds until the server closed the connection."""
    started_at = time.perf_counter()
    client = socket.socket()
    if not attack.reads:  # otherwise the kernel would buffer megabytes
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, (HOST, port))
    reader, writer = await asyncio.open_connection(sock=client)
    try:
        writer.write(attack.first)
        ended = asyncio.ensure_future(_until_closed(reader, writer, reads=attack.reads))
        while not ended.done():
            writer.write(attack.then)
            await asyncio.wait([ended], timeout=EVERY_S)
    except OSError:
        pass
    finally:
        writer.close()
    return time.perf_counter() - started_at


async def _until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, reads: bool) -> None:
    """Wait until the server closes; a client that does not read notices only that writing fails."""
    try:
        while not reads and not writer.is_closing():
            await asyncio.sleep(EVERY_S / 4)
            writer.write(b"x")
        while await reader.read(65536):
            pass
    except OSError:
        pass


async def _both(target: Any, port: int, name: str, connections: int, patience_s: float) -> tuple[Run, list[float]]:
    attackers = [asyncio.create_task(be_slow(port, ATTACKS[name])) for _ in range(connections)]
    good = await closed_loop(target, GOOD_CLIENTS, patience_s)
    for attacker in attackers:
        attacker.cancel()
    ended = [attacker.result() for attacker in attackers if attacker.done() and not attacker.cancelled()]
    await asyncio.gather(*attackers, return_exceptions=True)
    return good, ended


def measure(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures for one kind of attack."""
    bodies = pictures.bodies("W2", options.video)
    with serving(framehook(), bodies[0]) as service:
        target = service.target(bodies)
        run_load(closed_loop(target, GOOD_CLIENTS, 1))
        before = run_load(closed_loop(target, GOOD_CLIENTS, BEFORE_S))
        memory_before_mib = service.tree.memory_mib()
        during, ended_s = run_load(_both(target, service.port, name, options.connections, options.seconds))
        good = [result.record()["answered_ms"] for result in (before, during)]
        return {
            "attack": name,
            "connections": options.connections,
            "closed": len(ended_s),
            "first_closed_s": min(ended_s, default=None),
            "last_closed_s": max(ended_s, default=None),
            "good_before_ms": good[0],
            "good_during_ms": good[1],
            "wrong": sum(len(result.outcomes) - len(result.having(Verdict.RIGHT)) for result in (before, during)),
            "memory_mib": [memory_before_mib, service.tree.memory_mib()],
        }


def row(figures: dict[str, Any]) -> str:
    """Return one row of the table."""
    closed = f"{figures['closed']} of {figures['connections']}"
    times = f"{figures['first_closed_s']:.1f} to {figures['last_closed_s']:.1f}" if figures["closed"] else "kept"
    before, during = figures["good_before_ms"], figures["good_during_ms"]
    latency = f"{before['p99']:.0f} : {during['p99']:.0f} = **{during['p99'] / before['p99']:.2f}**"
    memory = ", ".join(f"{mib:.0f}" for mib in figures["memory_mib"])
    return f"| {figures['attack']} | {closed} | {times} | {latency} | {figures['wrong']} | {memory} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measures what slow and silent clients cost.")
    parser.add_argument("--attack", action="append", choices=list(ATTACKS))
    parser.add_argument("--connections", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=16, help="for how long each attack is watched")
    pictures.add_options(parser)
    options = parser.parse_args(arguments)
    print("| attack | closed | after, s | p99 of good traffic, ms: before : during | wrong | MiB before, after |")
    print("|---|---|---|---|---|---|", flush=True)
    results = []
    for name in options.attack or ATTACKS:
        results.append(measure(name, options))
        print(row(results[-1]), flush=True)
    report.write(options.output, "slow_clients", options, results)


if __name__ == "__main__":
    main()
