"""Tells how well each route's detections agree with the plain route's: every pixel decoded, then one resize.

    python -m bench.agreement --video FILE [--model FILE.onnx] [--step N]

The model's own quantisation blurs the comparison, so the float model that tools/converters makes is the better judge.
Detections are compared from 0.5 on, and counted as lost or new from 0.6 on.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from bench.harness.frames import read_frames
from bench.harness.workloads import TARGET, WORKLOADS, Workload
from handlers.decoding.decoder import Decoder, RouteName
from models.backends.onnx import Session
from models.frame import Frame
from models.repository.folder import BUILT_IN_ZOO, read_folder
from models.results import AS_CONFIGURED, Detection
from models.runtime.loading import family_of

SURE = 0.6
SAME_OBJECT = 0.5
"""Least intersection over union of two boxes of one object."""
MAX_PIXELS = 36_000_000
ROUTES: tuple[RouteName, ...] = ("exact", "fast")


@dataclass(slots=True)
class Agreement:
    """What became of the plain route's detections."""

    detections: int = 0
    lost: int = 0
    new: int = 0
    ious: list[float] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)

    def add(self, plain: Sequence[Detection], other: Sequence[Detection]) -> None:
        """Compare the detections of one frame."""
        self.detections += len(plain)
        pairs = [(one, _match(one, other)) for one in plain]
        self.ious += [_iou(one, match) for one, match in pairs if match]
        self.differences += [abs(one.confidence - match.confidence) for one, match in pairs if match]
        self.lost += sum(one.confidence >= SURE and match is None for one, match in pairs)
        self.new += sum(one.confidence >= SURE and _match(one, plain) is None for one in other)

    def row(self) -> str:
        """Return the end of a line of the table."""
        matched = f"{len(self.ious)} of {self.detections}"
        return f"{matched} | {self.lost} | {self.new} | {fmean(self.ious):.4f} | {fmean(self.differences):.4f} |"


def _match(one: Detection, others: Sequence[Detection]) -> Detection | None:
    same = [other for other in others if other.class_id == one.class_id and _iou(one, other) >= SAME_OBJECT]
    return max(same, key=lambda other: _iou(one, other), default=None)


def _iou(one: Detection, other: Detection) -> float:
    left, top, right, bottom = one.box_xyxy
    left2, top2, right2, bottom2 = other.box_xyxy
    width, height = min(right, right2) - max(left, left2), min(bottom, bottom2) - max(top, top2)
    intersection = max(width, 0) * max(height, 0)
    areas = (right - left) * (bottom - top) + (right2 - left2) * (bottom2 - top2)
    return intersection / (areas - intersection)


class Judge:
    """The default model's family, with any weights of its layout."""

    def __init__(self, weights: Path | None) -> None:
        """Take other weights than the zoo's."""
        folder = read_folder(BUILT_IN_ZOO / "ssdlite-mobilenet-v2")
        self._session = Session(weights or folder.weights_path)
        self._family = family_of(folder, self._session.signature)

    def detections(self, frame: Frame) -> tuple[Detection, ...]:
        """Return what is found."""
        feeds, placed = self._family.picture.preprocess(frame)
        return self._family.postprocess(self._session.run(feeds), placed, AS_CONFIGURED).detections


def compare(judge: Judge, workload: Workload, bodies: list[bytes]) -> dict[RouteName, Agreement]:
    """Return how each route agrees with the plain one."""
    agreements = {route: Agreement() for route in ROUTES}
    decoders = {route: Decoder(MAX_PIXELS, route) for route in ROUTES}
    plain = Decoder(MAX_PIXELS, "plain")
    for body in bodies:
        expected = judge.detections(workload.decode(plain, body))
        for route, agreement in agreements.items():
            agreement.add(expected, judge.detections(workload.decode(decoders[route], body)))
    return agreements


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Compares the routes' detections.")
    parser.add_argument("--video", type=Path, help="take frames of this video instead of the repository's photos")
    parser.add_argument("--step", type=int, default=15, help="take every so manieth frame")
    parser.add_argument("--model", type=Path, help="weights to judge with instead of the zoo's")
    options = parser.parse_args(arguments)
    judge, frames = Judge(options.model), read_frames(options.video, options.step)
    width, height = TARGET.size_wh
    print(f"| workload -> {width} x {height} | route | found again | lost | new | mean IoU | mean difference |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name, workload in WORKLOADS.items():
        for route, agreement in compare(judge, workload, workload.bodies(frames)).items():
            print(f"| {name} | {route} | {agreement.row()}", flush=True)


if __name__ == "__main__":
    main()
