"""What tracks are worth: HOTA, IDF1 and id switches, by the metrics of TrackEval, the kit of MOTChallenge.

Runs in the environment of the trackers that are compared, .tracking. Boxes: shares of the picture, xyxy.
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from trackeval.metrics import CLEAR, HOTA, Identity

from scene.regions import Floats, iou_xyxy


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of one frame. `boxes_xyxy` [N, 4]; `ids`: N, each once."""

    boxes_xyxy: Floats
    ids: Sequence[int | str]


Frames: TypeAlias = Mapping[int, Objects]
"""By number of frame, in order."""

NO_OBJECTS = Objects(np.empty((0, 4)), ())


@dataclass(frozen=True, slots=True)
class Score:
    """Of one run; all but the switches are 0..1."""

    hota: float
    detection: float
    association: float
    idf1: float
    switches: float


def read_truth(path: Path, size_wh: tuple[int, int]) -> Frames:
    """Return the true objects of a MOT file by frame, counted from 0, without those of confidence 0, as MOT does."""
    table = np.loadtxt(path, delimiter=",", ndmin=2)
    table = table[table[:, 6] != 0]
    boxes_xyxy = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1) / np.tile(size_wh, 2)
    frames, ids = table[:, 0].astype(int) - 1, table[:, 1].astype(int)
    return {int(n): Objects(boxes_xyxy[frames == n], ids[frames == n].tolist()) for n in np.unique(frames)}


def score(found: Frames, truth: Frames) -> Score:
    """Return what the tracks of these frames are worth."""
    data = _sequence([truth.get(number, NO_OBJECTS) for number in found], list(found.values()))
    with contextlib.redirect_stdout(io.StringIO()):
        hota, clear, identity = (metric().eval_sequence(data) for metric in (HOTA, CLEAR, Identity))
    return Score(
        hota=float(np.mean(hota["HOTA"])),
        detection=float(np.mean(hota["DetA"])),
        association=float(np.mean(hota["AssA"])),
        idf1=float(identity["IDF1"]),
        switches=float(clear["IDSW"]),
    )


def _sequence(truth: Sequence[Objects], found: Sequence[Objects]) -> dict[str, Any]:
    """Return the frames as TrackEval's data sets do, with ids counted from 0."""
    true_ids, found_ids = _counted(truth), _counted(found)
    return {
        "gt_ids": true_ids,
        "tracker_ids": found_ids,
        "similarity_scores": [
            iou_xyxy(true.boxes_xyxy, seen.boxes_xyxy) for true, seen in zip(truth, found, strict=True)
        ],
        "num_gt_dets": sum(map(len, true_ids)),
        "num_tracker_dets": sum(map(len, found_ids)),
        "num_gt_ids": len({id_ for true in truth for id_ in true.ids}),
        "num_tracker_ids": len({id_ for seen in found for id_ in seen.ids}),
        "num_timesteps": len(truth),
    }


def _counted(frames: Sequence[Objects]) -> list[Any]:
    numbers: dict[int | str, int] = {}
    return [np.array([numbers.setdefault(id_, len(numbers)) for id_ in objects.ids], int) for objects in frames]
