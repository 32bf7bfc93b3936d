"""Counts the people who cross lines on a street video, end to end, and compares with their true paths.

    python -m bench.lines --video vtest.avi --truth FILE

Truth: as for bench.regions; its frames are those of the video, counted from 1. A true crossing is what the same rule
counts on the true paths of all frames; who is hidden walks on. An event is right in its direction if the nearest true
crossing of its line, in time and place, has the same one.
"""

import argparse
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from bench.harness.frames import read_frames
from bench.motion import encode
from bench.regions import FRAMES_PER_S
from handlers.server.parts import create_dataplane
from handlers.server.settings import Settings
from models.order import FrameOrder
from scene.events import Event, Sighting
from scene.geometry import Point, Segment
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
APART = 2.0
"""An event and a true crossing are the same within so many seconds, or sides of the picture, together."""
LEAST_CONFIDENCE = 0.25
"""So that the answers have all objects that are followed; the stream keeps these anyway."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Somebody crossed a line, when and where, and in which direction. `foot_xy`: in shares of the picture."""

    line: str
    at_s: float
    foot_xy: Point
    direction: str

    def apart(self, other: "Crossing") -> float:
        """Return how far another crossing is, a second counting as much as the picture's side."""
        return abs(self.at_s - other.at_s) + math.dist(self.foot_xy, other.foot_xy)


Crossings: TypeAlias = Sequence[Crossing]


def crossings_of(events: Iterable[Event], sightings: Iterable[Sighting]) -> Iterator[Crossing]:
    """Yield the crossings among the events of a frame."""
    seen = {sighting.id: sighting for sighting in sightings}
    for event in events:
        who = seen[event.sightings[0]]
        yield Crossing(event.name, who.seen_at_s, who.foot_xy, dict(event.properties)["direction"])


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
            Sighting(new_id(), str(who), "person", ((x + wide / 2) / width, (y + high) / height), high / height, at_s)
            for _, who, x, y, wide, high, *_ in table[table[:, 0] == number]
        ]
        for counter in counters:
            found += crossings_of(counter.update(people, width / height), people)
    return found


def counted_crossings(bodies: Mapping[int, bytes]) -> list[Crossing]:
    """Return the crossings that the answers to a stream's frames report."""
    dataplane = create_dataplane(Settings(isolation="thread"))
    dataplane.engine.load()
    found: list[Crossing] = []
    try:
        for number, body in bodies.items():
            at_s = number / FRAMES_PER_S
            order = FrameOrder(body, stream="street", settings=SETTINGS, taken_at_s=at_s, confidence=LEAST_CONFIDENCE)
            answered = dataplane.infer(order).result()
            seen = (detection.sighting for detection in answered.results.detections)
            found += crossings_of(answered.scene.events if answered.scene else (), filter(None, seen))
    finally:
        dataplane.engine.close()
    return found


def same_direction(found: Crossings, true: Crossings) -> tuple[int, int]:
    """Return how many of the crossings found are true ones, and how many of those have the right direction."""
    left, matched, right = list(true), 0, 0
    for crossing in found:
        near = [each for each in left if each.line == crossing.line and crossing.apart(each) <= APART]
        if near:
            nearest = min(near, key=crossing.apart)
            left.remove(nearest)
            matched += 1
            right += nearest.direction == crossing.direction
    return matched, right


def counts(crossings: Crossings, line: str) -> tuple[int, int]:
    """Return the number of clockwise and counterclockwise crossings of a line."""
    directions = [crossing.direction for crossing in crossings if crossing.line == line]
    return directions.count("clockwise"), directions.count("counterclockwise")


def row(name: str, crossings: Crossings, true: Crossings) -> str:
    """Return a row of the table: clockwise + counterclockwise of each line, and how far off it is."""
    both = [counts(crossings, line) for line in LINES]
    cells = [f"{clockwise} + {counterclockwise}" for clockwise, counterclockwise in both]
    off = sum(abs(sum(one) - sum(counts(true, line))) for one, line in zip(both, LINES, strict=True)) / len(true)
    matched, right = same_direction(crossings, true)
    return (
        f"| {name} | {' | '.join(cells)} | {len(crossings)} | {off:.3f} | {matched} | {right / max(1, matched):.3f} |"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Counts people at lines on a street video.")
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True, help="true boxes, in the format of MOTChallenge")
    options = parser.parse_args(arguments)
    pictures = read_frames(options.video, 1)
    bodies = {number: encode(picture) for number, picture in enumerate(pictures)}
    true = true_crossings(options.truth, pictures[0].size)
    print(f"| frames a second | {' | '.join(LINES)} | all | off by line | matched | direction right |")
    print("|---" * (len(LINES) + 5) + "|")
    print(row("true", true, true))
    for step in STEPS:
        of_rate = {number: body for number, body in bodies.items() if number % step == 0}
        print(row(f"{FRAMES_PER_S / step:g}", counted_crossings(of_rate), true), flush=True)


if __name__ == "__main__":
    main()
