"""Measures many streams in which little moves: open loop, with and without the motion gate.

    python -m bench.streams --video FILE [--streams N] [--rate FRAMES_PER_S] [--same N] [--seconds S] [--output FILE]

Every stream posts at the same rate, one after the other. Its picture, a frame of the video as JPEG at a quality that
changes from frame to frame, is another one after `--same` frames. The server and the generator share the machine.
"""

import argparse
import http.client
import io
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from bench.harness import report
from bench.harness.connection import Reply
from bench.harness.frames import read_frames
from bench.harness.generator import Clients, Shot, Target, open_loop, run
from bench.harness.outcomes import Verdict
from bench.harness.processes import Clocks
from bench.harness.servers import HOST, OK, UNAVAILABLE, Service, framehook, head, serving

QUALITIES = (80, 85, 90)
STEP = 40
"""Of the video, every so many frames: in each there are people elsewhere."""
WARM_UP_S = 3.0
SETTINGS = {"motion gate": "motion: {}\n", "no settings": ""}


def jpeg(picture: Image.Image, quality: int) -> bytes:
    """Return a picture as JPEG."""
    body = io.BytesIO()
    picture.save(body, "JPEG", quality=quality)
    return body.getvalue()


def target_of(port: int, pictures: Sequence[Image.Image], streams: int, same: int) -> Target:
    """Return the generator's target: frame number n is of stream n modulo `streams`."""
    bodies = [[jpeg(picture, quality) for quality in QUALITIES] for picture in pictures]

    def request(number: int, stream: int) -> Sequence[bytes]:
        turn = number // streams
        body = bodies[(turn + stream) // same % len(bodies)][turn % len(QUALITIES)]
        return head(f"?stream=camera-{stream}", "image/jpeg", len(body)), body

    def check(_: int, reply: Reply) -> Verdict:
        return Verdict.RIGHT if reply.status == OK else Verdict.REFUSED if reply.status == UNAVAILABLE else Verdict.OTHER

    return Target(HOST, port, request, check)


def outcomes(port: int) -> Mapping[str, float]:
    """Return the frames by outcome so far, from the service's metrics."""
    connection = http.client.HTTPConnection(HOST, port)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return {name: float(count) for name, count in re.findall(r'frames_total{.*outcome="(\w+)"} (\S+)', text)}


def measure(service: Service, target: Target, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one load."""
    per_s = options.streams * options.rate

    def shots(seconds: float) -> list[Shot]:
        return [Shot(number / per_s, number % options.streams) for number in range(round(per_s * seconds))]

    run(open_loop(target, shots(WARM_UP_S), Clients()))
    before, clocks = outcomes(service.port), Clocks.read(service.tree)
    result = run(open_loop(target, shots(options.seconds), Clients()))
    passed, after = Clocks.read(service.tree).since(clocks), outcomes(service.port)
    return {
        **result.record(),
        "cpu_ms_per_frame": passed.server_s * 1000 / max(1, len(result.having(Verdict.RIGHT))),
        "elsewhere_cores": passed.elsewhere_cores,
        "memory_mib": service.tree.memory_mib(),
        "outcomes": {name: after[name] - before.get(name, 0) for name in after},
    }


def row(name: str, figures: Mapping[str, Any]) -> str:
    """Return one row of the table."""
    counts, answered_ms = figures["counts"], figures["answered_ms"]
    total = sum(figures["outcomes"].values())
    cells = [
        f"{figures['offered_per_s']:.0f}",
        f"{counts['refused']}, {sum(counts[each] for each in ('lost', 'late', 'other', 'not sent'))}",
        f"{answered_ms['p50']:.0f}, {answered_ms['p99']:.0f}",
        f"{figures['cpu_ms_per_frame']:.1f}",
        ", ".join(f"{each} {count / total:.3f}" for each, count in figures["outcomes"].items()),
        f"{figures['memory_mib']:.0f}",
        f"{figures['elsewhere_cores']:.1f}",
    ]
    return f"| {name} | {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measures many streams in which little moves.")
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--rate", type=float, default=5, help="frames a second of each stream")
    parser.add_argument("--same", type=int, default=10, help="frames of a stream with the same picture")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    pictures = read_frames(options.video, STEP)
    print("| | frames/s | refused, failed | p50, p99 ms | CPU ms a frame | outcomes | MiB | cores busy elsewhere |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    results = []
    for name, settings in SETTINGS.items():
        with tempfile.TemporaryDirectory() as folder:
            if settings:
                Path(folder, "default.yaml").write_text(settings, encoding="utf-8")
            with serving(framehook(streams=folder), jpeg(pictures[0], QUALITIES[0])) as service:
                figures = measure(service, target_of(service.port, pictures, options.streams, options.same), options)
        print(row(name, figures), flush=True)
        results.append({"name": name, **figures})
    report.write(options.output, "streams", options, results)


if __name__ == "__main__":
    main()
