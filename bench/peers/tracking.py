"""Compares framehook's tracker with others on the same detections. bench.tracks starts it in .tracking.

    python -m bench.peers.tracking --detections FILE --truth FILE [--backwards]

Detections: lines `step,frame,left,top,right,bottom,confidence`, as shares of the picture: of every `step`-th frame,
from each of the first `step` frames on, so that there are `step` runs. Figures are means of the runs. `--backwards`:
of the same runs from their last frame to their first, which are other crossings and meetings.

`as documented`: with a tracker's own parameters. `fitted`: it knows the rate of the frames, remembers what is lost for
a time that suits it here, takes detections for sure as framehook does, and reports tracks from their first frame on.
"""

import argparse
import logging
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import fmean, median
from typing import Any, TypeAlias

import numpy as np
import supervision
from norfair import Detection
from norfair import Tracker as Norfair
from norfair.filter import OptimizedKalmanFilterFactory
from trackers import ByteTrackTracker, CBIoUTracker

from bench.peers.hota import NO_OBJECTS, Frames, Objects, Score, read_truth, score
from scene.regions import Floats
from scene.tracks import Tracker, TrackRules

FRAMES_PER_S = 7
SURE = 0.5
"""The default model's confidence threshold; half of it suffices to continue a track."""
SIZE_WH = (768, 576)

Look: TypeAlias = Callable[[Floats, float], Objects]
"""Detections [N, 5] of a frame, with confidences, and its time in seconds → its objects with ids."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A tracker to compare. `start` begins a stream of so many frames a second."""

    name: str
    start: Callable[[float], Look]


def framehook(per_s: float) -> Look:  # noqa: ARG001
    """Start framehook's tracker."""
    numbers = count()
    tracker, aspect = Tracker(TrackRules(), lambda: str(next(numbers))), SIZE_WH[0] / SIZE_WH[1]

    def look(detections: Floats, now_s: float) -> Objects:
        boxes_xyxy, sure = detections[:, :4], detections[:, 4] >= SURE
        ids = tracker.update(boxes_xyxy, np.zeros(len(sure), np.intp), sure, aspect, now_s)
        return _with_ids(boxes_xyxy, ids)

    return look


def _with_ids(boxes_xyxy: Floats, ids: Sequence[str]) -> Objects:
    has_id = np.array([bool(id_) for id_ in ids], np.bool_)
    return Objects(boxes_xyxy[has_id], [id_ for id_ in ids if id_])


def roboflow(tracker: Any, *, with_time: bool) -> Look:
    """Return a tracker of the package trackers, with or without the times of frames."""
    size = np.tile(SIZE_WH, 2)

    def look(detections: Floats, now_s: float) -> Objects:
        found = tracker.update(
            supervision.Detections(
                xyxy=detections[:, :4] * size,
                confidence=detections[:, 4],
                class_id=np.zeros(len(detections), int),
            ),
            **({"timestamp": now_s} if with_time else {}),
        )
        has_id = found.tracker_id >= 0
        return Objects(found.xyxy[has_id] / size, found.tracker_id[has_id].tolist())

    return look


def fitted(
    tracker: Callable[..., Any], lost_s: float, *, with_time: bool, **parameters: float
) -> Callable[[float], Look]:
    """Return how to start a tracker of the package trackers that knows the rate. Its buffer counts frames at 30/s."""

    def start(per_s: float) -> Look:
        made = tracker(
            lost_track_buffer=round(30 * lost_s),
            frame_rate=per_s,
            track_activation_threshold=SURE,
            high_conf_det_threshold=SURE,
            minimum_consecutive_frames=1,
            **parameters,
        )
        return roboflow(made, with_time=with_time)

    return start


def frigate_distance(detection: Any, tracked: Any) -> float:
    """Return the distance of bottom centres in widths and heights of the object, and how much its size differs."""
    found, expected = detection.points, tracked.estimate
    found_wh, expected_wh = found[1] - found[0], np.maximum(expected[1] - expected[0], 1)
    way = (found.mean(axis=0)[0] - expected.mean(axis=0)[0], found[1, 1] - expected[1, 1]) / expected_wh
    ratio = np.maximum(found_wh, expected_wh) / np.minimum(found_wh, expected_wh) - 1
    return float(np.linalg.norm([*way, *ratio]))


def norfair(least: float, lost_s: float, delay: int, error: float) -> Callable[[float], Look]:
    """Return how to start norfair with Frigate's distance.

    `least`: the lowest confidence that counts. `delay`: frames until a track is reported. `error`: the variance of
    detections, R.
    """

    def start(per_s: float) -> Look:
        tracker = Norfair(
            frigate_distance,
            distance_threshold=2.5,
            initialization_delay=delay,
            hit_counter_max=max(delay + 1, 2, round(lost_s * per_s)),
            filter_factory=OptimizedKalmanFilterFactory(R=error),
        )

        def look(detections: Floats, now_s: float) -> Objects:
            found = [
                Detection(row[:4].reshape(2, 2) * SIZE_WH, data=(now_s, row[:4]))
                for row in detections
                if row[4] >= least
            ]
            seen = [known for known in tracker.update(found) if known.last_detection.data[0] == now_s]
            boxes = np.array([known.last_detection.data[1] for known in seen])
            return Objects(boxes.reshape(-1, 4), [known.id for known in seen])

        return look

    return start


BYTE_WIDE = {"minimum_iou_threshold": 0.01}
C_BIOU_WIDE = {
    "buffer_ratio_first": 0.5,
    "buffer_ratio_second": 0.7,
    "minimum_iou_threshold_first_assoc": 0.05,
    "minimum_iou_threshold_second_assoc": 0.1,
    "minimum_iou_threshold_unconfirmed_assoc": 0.05,
}
"""What few frames a second need: boxes of one object hardly overlap."""

OURS = Peer("framehook", framehook)
PEERS = [
    OURS,
    Peer("ByteTrack, as documented", lambda _: roboflow(ByteTrackTracker(), with_time=False)),
    Peer("ByteTrack, as documented, with times", lambda _: roboflow(ByteTrackTracker(), with_time=True)),
    Peer("ByteTrack, fitted", fitted(ByteTrackTracker, 2, with_time=False)),
    Peer("ByteTrack, fitted, with times", fitted(ByteTrackTracker, 2, with_time=True)),
    Peer("ByteTrack, fitted, with times, IoU from 0.01", fitted(ByteTrackTracker, 2, with_time=True, **BYTE_WIDE)),
    Peer("C-BIoU, as documented", lambda _: roboflow(CBIoUTracker(), with_time=False)),
    Peer("C-BIoU, fitted, with times", fitted(CBIoUTracker, 2, with_time=True)),
    Peer("C-BIoU, fitted, with times, wider buffers", fitted(CBIoUTracker, 2, with_time=True, **C_BIOU_WIDE)),
    Peer("norfair, as Frigate (5 s, sure ones only)", norfair(SURE, 5, 0, 4)),
    Peer("norfair, fitted (2 s, all, R = 1)", norfair(SURE / 2, 2, 1, 1)),
]


@dataclass(slots=True)
class Bench:
    """The detections of all runs and the truth. `backwards`: whether time is turned round."""

    detections: Floats
    truth: Frames
    backwards: bool

    def runs(self, step: int) -> list[Mapping[int, Floats]]:
        """Return the detections [N, 5] by number of frame, of each run at this step."""
        rows = self.detections[self.detections[:, 0] == step]
        end = int(self.detections[:, 1].max()) + 1
        orders = [range(first, end, step)[:: -1 if self.backwards else 1] for first in range(step)]
        return [{number: rows[rows[:, 1] == number, 2:] for number in order} for order in orders]

    def true_runs(self, step: int) -> list[Mapping[int, Floats]]:
        """Return the same of the true boxes, all sure."""
        return [{number: self._true(number) for number in run} for run in self.runs(step)]

    def _true(self, number: int) -> Floats:
        boxes_xyxy = self.truth.get(number, NO_OBJECTS).boxes_xyxy
        return np.concatenate([boxes_xyxy, np.ones((len(boxes_xyxy), 1))], axis=1)

    def row(self, peer: Peer, step: int, runs: Sequence[Mapping[int, Floats]]) -> str:
        """Return a row of the table: the means of the runs."""
        scores, times_us = [], list[float]()
        for run in runs:
            look, found = peer.start(FRAMES_PER_S / step), {}
            for turn, (number, detections) in enumerate(run.items()):
                started_s = time.thread_time()
                found[number] = look(detections, turn * step / FRAMES_PER_S)
                times_us.append((time.thread_time() - started_s) * 1e6)
            scores.append(score(found, self.truth))
        return f"| {FRAMES_PER_S / step} | {peer.name} | {cells(scores)} | {median(times_us):.0f} |"


def cells(scores: Sequence[Score]) -> str:
    """Return the cells of a row with the means of several scores."""
    shares = [fmean(getattr(one, name) for one in scores) for name in ("hota", "idf1", "detection", "association")]
    return " | ".join([*(f"{100 * share:.1f}" for share in shares), f"{fmean(one.switches for one in scores):.1f}"])


HEAD = (
    "| frames a second | {} | HOTA | IDF1 | DetA | AssA | id switches | µs a frame |\n|---|---|---|---|---|---|---|---|"
)


def walkers(number: int, frames: int) -> list[Floats]:
    """Return detections of people who walk in all directions, with a detector's errors."""
    random = np.random.default_rng(1)
    starts, ways = random.random((number, 2)), random.normal(0, 0.01, (number, 2))
    found = []
    for frame in range(frames):
        corners = (1 - abs(1 - (starts + ways * frame) % 2)) * (0.96, 0.87) + random.normal(0, 0.003, (number, 2))
        found.append(np.concatenate([corners, corners + np.array([0.04, 0.13]), np.ones((number, 1))], axis=1))
    return found


def cost_us(peer: Peer, frames: Sequence[Floats]) -> float:
    """Return the CPU time of one frame, in microseconds: the median."""
    look, times_us = peer.start(5), []
    for number, detections in enumerate(frames):
        started_s = time.thread_time()
        look(detections, number / 5)
        times_us.append((time.thread_time() - started_s) * 1e6)
    return median(times_us)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Compares trackers on the same detections.")
    parser.add_argument("--detections", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--backwards", action="store_true")
    options = parser.parse_args(arguments)
    logging.disable()
    warnings.simplefilter("ignore")
    detections = np.loadtxt(options.detections, delimiter=",", ndmin=2)
    bench = Bench(detections, read_truth(options.truth, SIZE_WH), options.backwards)
    steps = sorted({int(step) for step in detections[:, 0]})
    print(HEAD.format("true boxes"))
    for step in steps:
        print(bench.row(OURS, step, bench.true_runs(step)), flush=True)
    print("\n" + HEAD.format("what the detector finds"))
    for step in steps:
        for peer in PEERS:
            print(bench.row(peer, step, bench.runs(step)), flush=True)
    print("\n| 20 people who walk | µs a frame |\n|---|---|")
    for peer in PEERS:
        print(f"| {peer.name} | {cost_us(peer, walkers(20, 200)):.0f} |", flush=True)


if __name__ == "__main__":
    main()
