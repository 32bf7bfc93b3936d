"""COCO's figures, by pycocotools; the only user of that package, an extra.

Source: https://cocodataset.org/#detection-eval. Precision and recall at a threshold follow from the same matches, at an
IoU of 0.5: they go from the most confident detection down, so a threshold only cuts off the end.
"""

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from handlers.server.commands.evaluating.labelled import LabelledPicture, LabelledSet
from handlers.server.commands.evaluating.running import Findings
from models.letterbox import Size

NONE = -1
"""What pycocotools writes where there is nothing to average."""
IOU_50, ALL_AREAS, MOST_DETECTIONS = 0, 0, -1
"""Places in its tables: the IoU 0.5, objects of every size, 100 detections a picture."""


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """Of all labels together. `precision`: None where nothing was found."""

    precision: float | None
    recall: float


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one model, 0..1; None where no object counts.

    `ap`: mean over the IoUs 0.5 to 0.95, `ap50`: at 0.5. `by_size`: small (below 32 x 32 pixels), medium, large (above
    96 x 96). `by_label`: label → (AP, AP50). `curve` [101]: precision at the recalls 0, 0.01 ... 1, mean over labels.
    `at`: threshold → precision and recall.
    """

    ap: float | None
    ap50: float | None
    by_size: tuple[float | None, ...]
    by_label: dict[str, tuple[float | None, float | None]]
    curve: NDArray[np.float64]
    at: dict[float, AtThreshold]


def score(labelled: LabelledSet, findings: Findings, labels: Sequence[str], thresholds: Sequence[float]) -> Score:
    """Return the figures of a model for these labels, on the pictures that could be read."""
    pictures = [picture for picture in labelled.pictures if picture.path in findings.found]
    truths, guesses = _tables(pictures, findings, labels)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        evaluation = COCOeval(_coco(pictures, labels, truths), _coco(pictures, labels, guesses), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., MOST_DETECTIONS]  # [IoUs, recalls, labels, sizes]
    by_label = {
        label: (_mean(precision[:, :, index, ALL_AREAS]), _mean(precision[IOU_50, :, index, ALL_AREAS]))
        for index, label in enumerate(labels)
    }
    at_50 = precision[IOU_50, :, :, ALL_AREAS]
    return Score(
        _mean(precision[..., ALL_AREAS]),
        _mean(at_50),
        tuple(_mean(precision[..., size]) for size in range(1, precision.shape[-1])),
        by_label,
        at_50[:, at_50[0] != NONE].mean(axis=1),
        _at_thresholds(evaluation, thresholds),
    )


def _tables(
    pictures: Sequence[LabelledPicture], findings: Findings, labels: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of the true objects and of the detections, as pycocotools takes them. Ids begin at 1."""
    ids = {label: number for number, label in enumerate(labels, start=1)}
    truths: list[dict[str, Any]] = []
    guesses: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures, start=1):
        size_wh = findings.sizes_wh[picture.path]
        for true in picture.objects:
            if true.label in ids:
                row = _row(number, ids[true.label], true.box_ltwh, size_wh)
                area = true.area_share * size_wh[0] * size_wh[1]
                truths.append({**row, "area": area, "iscrowd": int(true.is_crowd), "id": len(truths) + 1})
        for found in findings.found[picture.path]:
            left, top, right, bottom = found.box_xyxy
            row = _row(number, ids[found.label], (left, top, right - left, bottom - top), size_wh)
            area = row["bbox"][2] * row["bbox"][3]
            guesses.append({**row, "area": area, "iscrowd": 0, "score": found.confidence, "id": len(guesses) + 1})
    return truths, guesses


def _row(picture_id: int, label_id: int, box_ltwh: Sequence[float], size_wh: Size) -> dict[str, Any]:
    box = [share * side for share, side in zip(box_ltwh, (*size_wh, *size_wh), strict=True)]
    return {"image_id": picture_id, "category_id": label_id, "bbox": box}


def _coco(pictures: Sequence[LabelledPicture], labels: Sequence[str], rows: list[dict[str, Any]]) -> Any:
    coco = COCO()
    coco.dataset = {
        "images": [{"id": number} for number, _ in enumerate(pictures, start=1)],
        "categories": [{"id": number, "name": label} for number, label in enumerate(labels, start=1)],
        "annotations": rows,
    }
    coco.createIndex()
    return coco


def _mean(values: NDArray[np.float64]) -> float | None:
    counted = values[values != NONE]
    return float(counted.mean()) if counted.size else None


def _at_thresholds(evaluation: Any, thresholds: Sequence[float]) -> dict[float, AtThreshold]:
    """Return precision and recall at each threshold, of all labels together."""
    parts = list(_matches(evaluation))
    objects = sum(count for count, _, _ in parts)
    scores = np.concatenate([part for _, part, _ in parts])
    right = np.concatenate([part for _, _, part in parts])
    found = {}
    for threshold in thresholds:
        reported = right[scores >= threshold]
        precision = float(reported.mean()) if reported.size else None
        found[threshold] = AtThreshold(precision, float(reported.sum()) / objects)
    return found


def _matches(evaluation: Any) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.bool_]]]:
    """Yield for each label and picture: how many objects count, and of each detection that counts its score and whether
    it is right.
    """  # noqa: D205
    for part in evaluation.evalImgs:
        if part and part["aRng"] == evaluation.params.areaRng[ALL_AREAS]:
            counted = ~part["dtIgnore"][IOU_50].astype(bool)
            scores = np.asarray(part["dtScores"], np.float64)
            yield (
                int((~np.asarray(part["gtIgnore"], bool)).sum()),
                scores[counted],
                part["dtMatches"][IOU_50][counted] > 0,
            )
