"""Measures what long, odd texts cost the event loop: CPU time of one request, for every place that holds a text.

    python -m bench.faults.texts [--worst N] [--output FILE]

lab/texts.py lists the places and the texts. Forms have a MiB in a field, in the picture, or of what looks like a
boundary. Each figure is the less of two tries: garbage collection may fall into one.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.harness import report
from bench.harness.servers import framehook, serving
from lab.pictures import street_as
from lab.texts import PLACES, SIZES, UNITS, text_of
from lab.wire import statuses, talk

MEBIBYTE = 1 << 20
FORM_MEBIBYTES = 8
BOUNDARY = b"--b\r\nContent-Disposition: form-data; name="


def forms() -> Iterator[tuple[str, bytes]]:
    """Yield forms of some MiB, as requests."""
    for name, content in {
        "field": BOUNDARY + b'"note"\r\n\r\n' + b"x" * (FORM_MEBIBYTES * MEBIBYTE),
        "picture": BOUNDARY + b'"image"; filename="x"\r\n\r\n' + b"x" * (FORM_MEBIBYTES * MEBIBYTE),
        "line ends": BOUNDARY + b'"image"; filename="x"\r\n\r\n' + b"\r\n" * (FORM_MEBIBYTES * MEBIBYTE // 2),
        "half boundaries": BOUNDARY + b'"image"; filename="x"\r\n\r\n' + b"\r\n--" * (FORM_MEBIBYTES * MEBIBYTE // 4),
    }.items():
        body = content + b"\r\n--b--\r\n"
        head = b"POST /v1/vision/detection HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n" % len(
            body
        )
        yield (
            f"{FORM_MEBIBYTES} MiB form: {name}",
            head + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + body,
        )


def requests() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of every request."""
    yield "plain", b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    for place, make in PLACES.items():
        for unit_name, unit in UNITS.items():
            for size_bytes in SIZES:
                yield f"{place}: {size_bytes} bytes of {unit_name}", make(text_of(unit, size_bytes))
    yield from forms()


def loop_cpu_ms(pid: int) -> float:
    """Return the CPU time of a process's first thread, which runs the event loop."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e6


def measure(port: int, pid: int, request: bytes) -> tuple[float, tuple[int, ...]]:
    """Return the CPU time of one request in milliseconds, and the statuses of its answers."""
    taken_ms = []
    for _ in range(2):
        before_ms = loop_cpu_ms(pid)
        answered = statuses(talk(port, request))
        taken_ms.append(loop_cpu_ms(pid) - before_ms)
    return min(taken_ms), answered


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the most expensive requests."""
    parser = argparse.ArgumentParser(description="Measures what long, odd texts cost the event loop.")
    parser.add_argument("--worst", type=int, default=20)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    with serving(framehook(), street_as("JPEG")) as service:
        pid = service.tree.pid
        rows = [(name, len(request), *measure(service.port, pid, request)) for name, request in requests()]
    plain, *rows = rows
    rows.sort(key=lambda row: -row[2])
    print(f"{len(rows)} requests", "| request | bytes | CPU, ms | answers |", "|---|---|---|---|", sep="\n")
    for name, size_bytes, cpu_ms, answered in (plain, *rows[: options.worst]):
        print(f"| {name} | {size_bytes} | {cpu_ms:.1f} | {', '.join(map(str, answered))} |")
    results = [dict(zip(("request", "bytes", "cpu_ms", "answers"), row, strict=True)) for row in rows[: options.worst]]
    report.write(options.output, "texts", options, results)


if __name__ == "__main__":
    main()
