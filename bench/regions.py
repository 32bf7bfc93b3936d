"""Measures what regions find of the people on a street video: average precision, and runs of the model for each frame.

    python -m bench.regions --video vtest.avi --truth FILE [--step N]

Truth: lines `frame,id,x,y,w,h,confidence,…` in pixels of the video; its frame n + 1 is the video's frame n, counted
from 0; confidence 0 means that it does not matter whether the box is found. A box is right if its intersection over
union with a true one is 0.5 or more.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

import numpy as np

from bench.agreement import MAX_PIXELS, Judge
from bench.harness.frames import read_frames
from bench.motion import encode
from handlers.decoding.decoder import Decoder
from handlers.decoding.scaling import Convolution
from models.frame import Frame
from models.results import Selection
from scene.motion import MotionGate, MotionSettings
from scene.regions import WHOLE, Floats, Found, grid, iou_xyxy, merge
from scene.remembered import Remembered, Rules

PERSON = Selection(confidence=0.05, class_ids=frozenset({0}))
FRAMES_PER_S = 7
"""Of the scene; the file's header says 10."""
RIGHT_IOU = 0.5

Bodies: TypeAlias = Mapping[int, bytes]
"""JPEG pictures by number of frame."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The true boxes of one frame. `boxes_xyxy` [N, 4]: shares of the picture. `matters` [N]: whether to find it."""

    boxes_xyxy: Floats
    matters: Floats


@dataclass(slots=True)
class Way:
    """One way to look at all frames. `runs`: of the model, for each frame."""

    judge: Judge
    selection: Selection = PERSON
    found: dict[int, Found] = field(default_factory=dict)
    runs: list[int] = field(default_factory=list)

    def look(self, frame: Frame, regions_xyxy: Floats) -> list[Found]:
        """Return the people found in each region of a frame."""
        self.runs.append(len(regions_xyxy))
        return [self._in_region(frame, region_xyxy) for region_xyxy in regions_xyxy]

    def _in_region(self, frame: Frame, region_xyxy: Floats) -> Found:
        left, top, right, bottom = np.round(region_xyxy * np.tile(frame.source_size_wh, 2)).astype(int)
        scaler = Convolution(self.judge.target)
        cropped = scaler.frame(frame.pixels_hwc[top:bottom, left:right], frame.channel_order)
        people = self.judge.detections(cropped, self.selection)
        boxes_xyxy = np.array([person.box_xyxy for person in people]).reshape(-1, 4)
        return Found(
            boxes_xyxy * np.tile(region_xyxy[2:] - region_xyxy[:2], 2) + np.tile(region_xyxy[:2], 2),
            np.array([person.class_id for person in people], np.intp),
            np.array([person.confidence for person in people]),
        )

    def row(self, truth: Mapping[int, Truth]) -> str:
        """Return the last cells of a row of the table."""
        return f"{average_precision(self.found, truth):.3f} | {fmean(self.runs):.2f} | {max(self.runs)} |"


def in_regions(way: Way, bodies: Bodies, regions_xyxy: Floats) -> None:
    """Look at the same regions of all frames."""
    decoder = Decoder(MAX_PIXELS)
    for number, body in bodies.items():
        way.found[number] = merge(way.look(decoder.whole(body), regions_xyxy), regions_xyxy)


def where_something_moves(way: Way, bodies: Bodies, rules: Rules) -> None:
    """Look at the regions that motion and memory ask for."""
    decoder, gate, remembered = Decoder(MAX_PIXELS), MotionGate(MotionSettings()), Remembered(rules)
    for number, body in bodies.items():
        now_s, frame = number / FRAMES_PER_S, decoder.whole(body)
        motion = gate.look(decoder.luma(body)[0], now_s)
        plan = remembered.plan(motion.boxes_xyxy, motion.present_xyxy, frame.source_size_wh, now_s)
        way.found[number] = remembered.update(plan, way.look(frame, plan.regions_xyxy), now_s)
        gate.ran()


def average_precision(found: Mapping[int, Found], truth: Mapping[int, Truth]) -> float:
    """Return the area under precision over recall; the precision at a recall is the best one from there on."""
    scored = [pair for number, people in found.items() for pair in _scored(people, truth[number])]
    confidences, is_right = np.array(scored).reshape(-1, 2).T
    is_right = is_right[np.argsort(-confidences, kind="stable")]
    rights = np.cumsum(is_right)
    precision = np.maximum.accumulate((rights / np.arange(1, len(rights) + 1))[::-1])[::-1]
    return float((precision * is_right).sum() / sum(truth[number].matters.sum() for number in found))


def _scored(people: Found, true: Truth) -> list[tuple[float, bool]]:
    """Return confidence and whether it is right, of each person found who matters; most confident first."""
    iou = iou_xyxy(people.boxes_xyxy, true.boxes_xyxy)
    scored = []
    for index in np.argsort(-people.confidences, kind="stable"):
        best = int(iou[index].argmax()) if iou.size else 0
        is_right = bool(iou.size and iou[index, best] >= RIGHT_IOU)
        if not is_right or true.matters[best]:
            scored.append((float(people.confidences[index]), is_right))
        if is_right:
            iou[:, best] = 0
    return scored


def read_truth(path: Path, size_wh: tuple[int, int]) -> Mapping[int, Truth]:
    """Return the true boxes by number of frame, counted from 0; frames without any have an empty entry."""
    table = np.loadtxt(path, delimiter=",", ndmin=2)
    edges_px = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1)
    truth: defaultdict[int, Truth] = defaultdict(lambda: Truth(np.empty((0, 4)), np.empty(0)))
    frames = table[:, 0].astype(int)
    boxes_xyxy = edges_px / np.tile(size_wh, 2)
    return truth | {
        int(number) - 1: Truth(boxes_xyxy[frames == number], table[frames == number, 6]) for number in np.unique(frames)
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Measures what regions find of the people on a street video.")
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True, help="true boxes, in the format of MOTChallenge")
    parser.add_argument("--step", type=int, default=5, help="take every N-th frame")
    options = parser.parse_args(arguments)
    pictures, judge = read_frames(options.video, options.step), Judge(None)
    bodies = {number * options.step: encode(picture) for number, picture in enumerate(pictures)}
    truth = read_truth(options.truth, pictures[0].size)
    ways: dict[str, Callable[[Way], None]] = {
        "whole picture": lambda way: in_regions(way, bodies, WHOLE),
        "motion": lambda way: where_something_moves(way, bodies, Rules()),
        "grid 2 x 2, overlap 0.25": lambda way: in_regions(way, bodies, np.concatenate([WHOLE, grid(2, 2, 0.25)])),
        "grid 3 x 3, overlap 0.5": lambda way: in_regions(way, bodies, np.concatenate([WHOLE, grid(3, 3, 0.5)])),
    }
    print(f"| every {options.step}th frame of {options.video.name} | person AP50 | runs a frame | at most |")
    print("|---|---|---|---|", flush=True)
    for name, look in ways.items():
        way = Way(judge)
        look(way)
        print(f"| {name} | {way.row(truth)}", flush=True)


if __name__ == "__main__":
    main()
