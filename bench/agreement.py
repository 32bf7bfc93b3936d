"""Measures how well the exact route's detections agree with the plain one's: every pixel decoded, Pillow's resize.

    python -m bench.agreement --video FILE [--model FILE.onnx] [--step N]

The model's own quantisation blurs the comparison, so the float model that tools/converters makes judges better.
Detections with a confidence of 0.5 or more are compared; those of 0.6 or more count as lost or new.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from bench.harness.frames import read_frames
from bench.harness.workloads import TARGET, WORKLOADS, Workload
from handlers.decoding.decoder import Decoder
from models.backends.onnx import Session
from models.frame import DecodeTarget, Frame
from models.repository.folder import BUILT_IN_ZOO, read_folder
from models.results import Detection, Selection
from models.runtime.loading import family_of

SURE = 0.6
SAME_OBJECT = 0.5
"""Two boxes with at least this intersection over union are of one object."""
MAX_PIXELS = 36_000_000


@dataclass(slots=True)
class Agreement:
    """Which of the plain route's detections the exact route finds, and how far they differ."""

    detections: int = 0
    lost: int = 0
    new: int = 0
    ious: list[float] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)

    def add(self, plain: Sequence[Detection], other: Sequence[Detection]) -> None:
        """Compare the detections of one frame."""
        self.detections += len(plain)
        pairs = [(detection, _match(detection, other)) for detection in plain]
        self.ious += [_iou(detection, match) for detection, match in pairs if match]
        self.differences += [abs(detection.confidence - match.confidence) for detection, match in pairs if match]
        self.lost += sum(detection.confidence >= SURE and match is None for detection, match in pairs)
        self.new += sum(detection.confidence >= SURE and _match(detection, plain) is None for detection in other)

    def row(self) -> str:
        """Return the last cells of a row of the table."""
        matched = f"{len(self.ious)} of {self.detections}"
        return f"{matched} | {self.lost} | {self.new} | {fmean(self.ious):.4f} | {fmean(self.differences):.4f} |"


def _match(detection: Detection, others: Sequence[Detection]) -> Detection | None:
    same = [other for other in others if other.class_id == detection.class_id and _iou(detection, other) >= SAME_OBJECT]
    return max(same, key=lambda other: _iou(detection, other), default=None)


def _iou(detection: Detection, other: Detection) -> float:
    left, top, right, bottom = detection.box_xyxy
    left2, top2, right2, bottom2 = other.box_xyxy
    width, height = min(right, right2) - max(left, left2), min(bottom, bottom2) - max(top, top2)
    intersection = max(width, 0) * max(height, 0)
    areas = (right - left) * (bottom - top) + (right2 - left2) * (bottom2 - top2)
    return intersection / (areas - intersection)


class Judge:
    """The default model's family, with the zoo's weights or others of the same layout."""

    def __init__(self, weights: Path | None) -> None:
        folder = read_folder(BUILT_IN_ZOO / "ssdlite-mobilenet-v2")
        self._session = Session(weights or folder.weights_path)
        self._family = family_of(folder, self._session.signature)

    @property
    def target(self) -> DecodeTarget:
        """Return the pixels that the model needs."""
        return self._family.picture.target

    def detections(self, frame: Frame, selection: Selection | None = None) -> tuple[Detection, ...]:
        """Return the detections in a frame."""
        feeds, placed = self._family.picture.preprocess(frame)
        return self._family.postprocess(self._session.run(feeds), placed, selection or Selection()).detections


def compare(judge: Judge, workload: Workload, bodies: list[bytes]) -> Agreement:
    """Return the agreement of the exact route with the plain one."""
    agreement, exact, plain = Agreement(), Decoder(MAX_PIXELS), Decoder(MAX_PIXELS, "plain")
    for body in bodies:
        expected = judge.detections(workload.decode(plain, body))
        agreement.add(expected, judge.detections(workload.decode(exact, body)))
    return agreement


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Compares the detections of the exact and the plain route.")
    parser.add_argument("--video", type=Path, help="take frames of this video instead of the repository's photos")
    parser.add_argument("--step", type=int, default=15, help="take every N-th frame")
    parser.add_argument("--model", type=Path, help="weights to judge with instead of the zoo's")
    options = parser.parse_args(arguments)
    judge, frames = Judge(options.model), read_frames(options.video, options.step)
    width, height = TARGET.size_wh
    print(f"| workload -> {width} x {height} | found again | lost | new | mean IoU | mean difference |")
    print("|---|---|---|---|---|---|", flush=True)
    for name, workload in WORKLOADS.items():
        print(f"| {name} | {compare(judge, workload, workload.bodies(frames)).row()}", flush=True)


if __name__ == "__main__":
    main()
