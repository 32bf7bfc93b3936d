"""The pictures posted under load: one workload's bodies, from a video or from the repository's photos."""

import argparse
from pathlib import Path

from bench.harness.frames import read_frames
from bench.harness.workloads import WORKLOADS
from lab import ROOT

NAMES = dict(zip(("W1", "W2", "W3"), WORKLOADS, strict=False))
"""The goals' names of the workloads."""
PICTURES = 50
PEER_MODEL = ROOT / ".peers" / "model.onnx"
STEP = 15
"""Step between frames of a video: 50 of vtest.avi's 795, all different."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every benchmark has."""
    parser.add_argument("--video", type=Path, help="take frames of this video instead of the repository's photos")
    parser.add_argument("--output", type=Path, help="write the figures to this JSON file")
    parser.add_argument(
        "--peer-model",
        type=Path,
        default=PEER_MODEL,
        help="weights for the peers: int8, float32 [1, 3, 300, 300] in, boxes and scores out; by default what"
        " `scripts/bench peers` has made by tools.converters.ssdlite_mobilenet_v2",
    )


def bodies(name: str, video: Path | None) -> list[bytes]:
    """Return the bodies of the workload W1, W2 or W3."""
    return WORKLOADS[NAMES[name]].bodies(read_frames(video, STEP)[:PICTURES])
