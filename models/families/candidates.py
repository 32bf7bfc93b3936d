"""Candidates of detectors: what a model thinks of each of its anchors, queries or cells, and which of them are told."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats, nms_per_class
from models.families.config import OutputConfig
from models.letterbox import Letterbox
from models.results import MAX_DETECTIONS, Detection, Selection

ROUNDING = float(np.finfo(np.float32).eps)
"""How far a float32 confidence may lie from the logit's exact one."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Boxes [N, 4], and the class id [N] and the level [N] of each: its logit or, after the sigmoid, its confidence."""

    boxes_xyxy: Floats
    class_ids: NDArray[np.intp]
    levels: Floats

    def at(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> "Candidates":
        """Return those at these places, or where the mask is True."""
        return Candidates(self.boxes_xyxy[index], self.class_ids[index], self.levels[index])

    def finite(self) -> "Candidates":
        """Return those without a NaN or an infinity."""
        return self.at(np.isfinite(self.levels) & np.isfinite(self.boxes_xyxy).all(axis=1))

    def on_picture(self, placed: Letterbox) -> "Candidates":
        """Return them in shares of the picture, instead of pixels of the canvas."""
        return Candidates(placed.to_picture(self.boxes_xyxy), self.class_ids, self.levels)

    def on_picture_from_shares(self, placed: Letterbox) -> "Candidates":
        """Return them in shares of the picture, instead of shares of the canvas."""
        return Candidates(placed.shares_to_picture(self.boxes_xyxy), self.class_ids, self.levels)

    def after_sigmoid(self) -> "Candidates":
        """Return them with confidences instead of logits."""
        return Candidates(self.boxes_xyxy, self.class_ids, sigmoid(self.levels))

    def of_classes(self, class_ids: frozenset[int] | None) -> "Candidates":
        """Return those of these classes; None means all."""
        return self if class_ids is None else self.at(np.isin(self.class_ids, list(class_ids)))

    def inside_the_picture(self) -> "Candidates":
        """Return them clipped to the picture, without those that are empty then."""
        clipped = np.minimum(np.maximum(self.boxes_xyxy, 0), 1)
        left, top, right, bottom = clipped.T
        return Candidates(clipped, self.class_ids, self.levels).at((left < right) & (top < bottom))

    def most_confident(self, count: int) -> "Candidates":
        """Return at most so many by falling confidence; equal ones stay in their order."""
        found = self
        if len(self.levels) > count:  # sorting them all would take far longer
            found = self.at(self.levels >= np.partition(self.levels, -count)[-count])
        return found.at(np.argsort(-found.levels, kind="stable")[:count])


def best_of_scores(boxes_xyxy: Floats, levels: Floats, least: float) -> Candidates:
    """Return what reaches the least level, by anchors [anchors, 4], then by classes [anchors, classes].

    Without those that have a NaN or an infinity.
    """
    places = np.flatnonzero(levels >= least)
    anchors = places // levels.shape[1]
    found = Candidates(boxes_xyxy.take(anchors, 0), places - anchors * levels.shape[1], levels.take(places))
    return found.finite()


def best_of_logits(boxes_xyxy: Floats, logits: Floats, threshold: float) -> Candidates:
    """Return what reaches the threshold after a sigmoid, which only those are put through. See `best_of_scores`."""
    found = best_of_scores(boxes_xyxy, logits, logit(threshold - ROUNDING)).after_sigmoid()
    return found.at(found.levels >= threshold)


def told(
    found: Candidates, labels: tuple[str, ...], output: OutputConfig, selection: Selection
) -> tuple[Detection, ...]:
    """Return the detections that are told of candidates over the threshold, boxes in shares of the picture.

    Those that the caller asked for, clipped, those that overlap suppressed per class, by falling confidence. A
    confidence above 1 counts as 1; a box that is empty inside the picture is dropped.
    """
    max_detections = count_of(output, selection)
    found = found.of_classes(selection.class_ids).inside_the_picture().most_confident(MAX_DETECTIONS)
    if output.iou_threshold is None:
        found = found.at(np.arange(len(found.levels))[:max_detections])
    else:
        kept = nms_per_class(found.boxes_xyxy, found.class_ids, output.iou_threshold, max_detections)
        found = found.at(np.array(kept, np.intp))
    rows = zip(found.class_ids.tolist(), found.levels.tolist(), found.boxes_xyxy.tolist(), strict=True)
    return tuple(
        Detection(labels[class_id], class_id, min(confidence, 1.0), (left, top, right, bottom))
        for class_id, confidence, (left, top, right, bottom) in rows
    )


def threshold_of(output: OutputConfig, selection: Selection) -> float:
    """Return the lowest confidence that is told."""
    return output.confidence_threshold if selection.confidence is None else selection.confidence


def count_of(output: OutputConfig, selection: Selection) -> int:
    """Return the most that are told."""
    return output.max_detections if selection.max_detections is None else selection.max_detections


def sigmoid(logits: Floats) -> Floats:
    """Return the confidences, 0..1, of logits of any shape."""
    with np.errstate(over="ignore"):  # exp of a very low logit is infinity, and the confidence 0
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def softmax(logits: Floats) -> Floats:
    """Return the confidences, 0..1, of logits of any shape; they add up to 1 along the last axis."""
    with np.errstate(over="ignore"):  # a difference that overflows is minus infinity, and the confidence 0
        exponents = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-math.inf))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True), np.float32)


def logit(confidence: float) -> float:
    """Return the logit of a confidence below 1; minus infinity for 0 and less."""
    return math.log(confidence / (1 - confidence)) if confidence > 0 else -math.inf


def count_broken(boxes: Floats, levels: Floats) -> int:
    """Return how many candidates, anchors times classes, have a NaN or an infinity in them.

    `boxes` [anchors, 4], `levels` [anchors, classes].
    """
    if np.isfinite(boxes).all() and np.isfinite(levels).all():
        return 0
    finite = np.isfinite(boxes).min(axis=1, keepdims=True) & np.isfinite(levels)
    return int(finite.size - np.count_nonzero(finite))
