"""Measures how well objects keep their ids on a street video, beside other trackers: at 7, 3.5 and 1.75 frames/s.

    python -m bench.tracks --video vtest.avi --truth FILE [--detections FILE] [--backwards]

Truth: as in bench.regions. Detections are those of the default model in regions where something moves, as the service
finds them; half of the model's confidence threshold suffices. `--detections` keeps them in a file, or takes them from
it if it is there: they take minutes. bench.peers.tracking prints the tables.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from bench.agreement import Judge
from bench.harness.frames import read_frames
from bench.motion import encode
from bench.regions import Bodies, Way, where_something_moves
from lab import ROOT
from models.results import Selection
from scene.remembered import Rules

PEERS = ROOT / ".tracking" / "bin" / "python"
STEPS = (1, 2, 4)
UNSURE = Selection(confidence=0.25, class_ids=frozenset({0}))
"""People with half of the default model's confidence threshold."""

Row: TypeAlias = tuple[float, ...]
"""step, frame, left, top, right, bottom, confidence."""


def detect(bodies: Bodies, steps: Sequence[int] = STEPS) -> Iterator[Row]:
    """Yield what is found in every `step`-th picture, from each of the first `step` on, most confident first."""
    judge = Judge(None)
    for step in steps:
        for first in range(step):
            way = Way(judge, selection=UNSURE)
            where_something_moves(way, {n: body for n, body in bodies.items() if n % step == first}, Rules())
            for number, people in way.found.items():
                for box_xyxy, confidence in zip(people.boxes_xyxy, people.confidences, strict=True):
                    yield (step, number, *box_xyxy, confidence)


def main(arguments: Sequence[str] | None = None) -> None:
    """Find what the others need, and let them print the tables."""
    parser = argparse.ArgumentParser(description="Measures how well objects keep their ids.")
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True, help="true boxes, in the format of MOTChallenge")
    parser.add_argument("--detections", type=Path, help="where to keep what the model finds")
    parser.add_argument("--backwards", action="store_true", help="let the trackers see the frames from the last on")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        detections = options.detections or Path(folder) / "detections.csv"
        if not detections.exists():
            bodies = {number: encode(picture) for number, picture in enumerate(read_frames(options.video))}
            np.savetxt(detections, list(detect(bodies)), "%.7g", delimiter=",")
        command = [PEERS, "-m", "bench.peers.tracking", "--detections", detections, "--truth", options.truth]
        command += ["--backwards"] * options.backwards
        subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
