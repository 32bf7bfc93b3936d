"""Counts the people who cross lines on a street video, end to end, and compares with their true paths.

    python -m bench.lines --video vtest.avi --truth FILE [--picture FILE]

Truth: as for bench.regions; its frames are those of the video, counted from 1. A true crossing is what the same rule
counts on the true paths of all frames. An event is right in its direction if the nearest true crossing of its line, not
yet taken, within some seconds, has the same one.
"""

import argparse
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from bench.harness.frames import read_frames
from bench.harness.workloads import QUALITY
from bench.regions import FRAMES_PER_S
from handlers.server.parts import create_dataplane
from handlers.server.settings import Settings
from models.order import Answered, FrameOrder
from scene.events import Event, Sighting
from scene.geometry import Segment
from scene.lines import Line, LineCounter
from scene.settings import StreamSettings

LINES: dict[str, Segment] = {
    "left": ((0.25, 0.2), (0.25, 1.0)),
    "middle": ((0.5, 0.1), (0.5, 1.0)),
    "right": ((0.75, 0.1), (0.75, 1.0)),
    "across": ((0.1, 0.45), (0.9, 0.45)),
    "near": ((0.1, 0.6), (0.9, 0.6)),
    "slanted": ((0.2, 0.9), (0.8, 0.2)),
}
SETTINGS = StreamSettings.model_validate(
    {
        "motion": {},
        "regions": {"mode": "motion"},
        "lines": [{"name": name, "line": line, "labels": ["person"]} for name, line in LINES.items()],
    }
)
STEPS = (1, 2, 4)
"""Take every frame, every second, every fourth: 7, 3.5 and 1.75 a second."""
APART_S = 2.0
"""An event and a true crossing are the same within so many seconds."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Somebody crossed a line, when, and in which direction."""

    line: str
    at_s: float
    direction: str


Crossings: TypeAlias = Sequence[Crossing]


def crossings_of(events: Sequence[Event], at_s: float) -> Iterator[Crossing]:
    """Yield the crossings among the events of a frame."""
    for event in events:
        if event.kind == "lineCrossing":
            yield Crossing(event.name, at_s, dict(event.properties)["direction"])


def true_crossings(path: Path, size_wh: tuple[int, int]) -> list[Crossing]:
    """Return what the true paths cross."""
    width, height = size_wh
    new_id = map(str, itertools.count()).__next__
    counters = [LineCounter(Line(name, line), new_id) for name, line in LINES.items()]
    table = np.loadtxt(path, delimiter=",", ndmin=2)
    found: list[Crossing] = []
    for number in np.unique(table[:, 0]):
        at_s = (number - 1) / FRAMES_PER_S
        people = [
            Sighting(
                "", str(person), "person", ((left + wide / 2) / height, (top + high) / height), high / height, at_s
            )
            for _, person, left, top, wide, high, *_ in table[table[:, 0] == number]
        ]
        for counter in counters:
            found += crossings_of([*counter.update(people, width / height)], at_s)
    return found


def answered(bodies: Mapping[int, bytes]) -> Iterator[tuple[float, Answered]]:
    """Yield the answer to each frame of one stream, and its time."""
    dataplane = create_dataplane(Settings(isolation="thread"))
    dataplane.engine.load()
    try:
        for number, body in bodies.items():
            at_s = number / FRAMES_PER_S
            order = FrameOrder(body, stream="street", settings=SETTINGS, taken_at_s=at_s)
            yield at_s, dataplane.infer(order).result()
    finally:
        dataplane.engine.close()


def same_direction(found: Crossings, true: Crossings) -> tuple[int, int]:
    """Return how many of the crossings found are true ones, and how many of those have the right direction."""
    left, matched, right = list(true), 0, 0
    for crossing in found:
        near = [each for each in left if each.line == crossing.line and abs(each.at_s - crossing.at_s) <= APART_S]
        if near:
            best = min(near, key=lambda each: (each.direction != crossing.direction, abs(each.at_s - crossing.at_s)))
            left.remove(best)
            matched += 1
            right += best.direction == crossing.direction
    return matched, right


def counts(crossings: Crossings, line: str) -> tuple[int, int]:
    """Return the number of clockwise and counterclockwise crossings of a line."""
    directions = [crossing.direction for crossing in crossings if crossing.line == line]
    return directions.count("clockwise"), directions.count("counterclockwise")


def print_rows(step: int, found: Crossings, true: Crossings) -> None:
    """Print what was counted of the frames of one rate: clockwise + counterclockwise."""
    cells = [f"{'{} + {}'.format(*counts(found, line))}" for line in LINES]
    off = sum(abs(sum(counts(found, line)) - sum(counts(true, line))) for line in LINES) / len(true)
    matched, right = same_direction(found, true)
    print(
        f"| {FRAMES_PER_S / step:g} | {' | '.join(cells)} | {len(found)} | {len(found) / len(true) - 1:+.3f} | {off:.3f} "
        f"| {matched} | {right / max(1, matched):.3f} |"
    )


def _jpeg(picture: Image.Image) -> bytes:
    body = io.BytesIO()
    picture.save(body, "JPEG", quality=QUALITY)
    return body.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Counts people at lines on a street video.")
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True, help="true boxes, in the format of MOTChallenge")
    options = parser.parse_args(arguments)
    pictures = read_frames(options.video, 1)
    bodies = {number: _jpeg(picture) for number, picture in enumerate(pictures)}
    true = true_crossings(options.truth, pictures[0].size)
    print(f"| frames a second | {' | '.join(LINES)} | all | off | off by line | matched | direction right |")
    print("|---" * (len(LINES) + 6) + "|")
    cells = [f"{'{} + {}'.format(*counts(true, line))}" for line in LINES]
    print(f"| true | {' | '.join(cells)} | {len(true)} | | | | |")
    for step in STEPS:
        of_rate = {number: body for number, body in bodies.items() if number % step == 0}
        found = [
            crossing
            for at_s, answer in answered(of_rate)
            if answer.scene
            for crossing in crossings_of(answer.scene.events, at_s)
        ]
        print_rows(step, found, true)


if __name__ == "__main__":
    main()
