"""Candidates of detectors, one for each anchor, query or cell and class, and the detections selected from them."""

import math
from collections.abc import Callable, Iterable, Sized
from dataclasses import dataclass, replace
from itertools import repeat
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats, nms_per_class
from models.errors import InferenceError
from models.families.config import OutputConfig
from models.letterbox import Letterbox
from models.results import MAX_DETECTIONS, Detection, Extensions, Results, Selection

ROUNDING = float(np.finfo(np.float32).eps)
"""Largest error of a confidence that float32 computes from a logit."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """N candidates. N may be 0; every method then returns 0 candidates too.

    `boxes_xyxy` [N, 4]: in pixels of the canvas, or in shares of the canvas or of the picture. `class_ids` [N].
    `levels` [N]: confidences 0..1, or logits until `after_sigmoid`. `anchors` [N]: the row of the output that each
    came from, for families that read more of it; else None. `dropped`: how many candidates were left out before because
    something was wrong with them.
    """

    boxes_xyxy: Floats
    class_ids: NDArray[np.intp]
    levels: Floats
    anchors: NDArray[np.intp] | None = None
    dropped: int = 0

    def at(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> "Candidates":
        """Return the candidates with these indices, or those where the mask is True."""
        anchors = None if self.anchors is None else self.anchors[index]
        return Candidates(self.boxes_xyxy[index], self.class_ids[index], self.levels[index], anchors, self.dropped)

    def without(self, dropped: int) -> "Candidates":
        """Return the candidates with the number of those that were left out before."""
        return replace(self, dropped=dropped)

    def finite(self) -> "Candidates":
        """Return the candidates without a NaN or an infinity."""
        return self.at(np.isfinite(self.levels) & np.isfinite(self.boxes_xyxy).all(axis=1))

    def without_overflows(self, broken: int) -> "Candidates":
        """Return the candidates whose box is finite; the others are counted, and `broken` ones left out before."""
        kept = self.finite()
        return kept.without(broken + len(self.levels) - len(kept.levels))

    def on_picture(self, letterbox: Letterbox) -> "Candidates":
        """Convert the boxes from pixels of the canvas to shares of the picture."""
        return replace(self, boxes_xyxy=letterbox.to_picture(self.boxes_xyxy))

    def on_picture_from_shares(self, letterbox: Letterbox) -> "Candidates":
        """Convert the boxes from shares of the canvas to shares of the picture."""
        return replace(self, boxes_xyxy=letterbox.shares_to_picture(self.boxes_xyxy))

    def after_sigmoid(self) -> "Candidates":
        """Convert the levels from logits to confidences."""
        return replace(self, levels=sigmoid(self.levels))

    def of_classes(self, class_ids: frozenset[int] | None) -> "Candidates":
        """Return the candidates of these classes; None means all."""
        return self if class_ids is None else self.at(np.isin(self.class_ids, list(class_ids)))

    def inside_the_picture(self, sure: float) -> "Candidates":
        """Clip the boxes, in shares of the picture, to 0..1, and drop those that are empty after that.

        `sure`: the confidence from which they are counted. Below it they may be the padding of the model's output.
        """
        clipped = np.minimum(np.maximum(self.boxes_xyxy, 0), 1)
        left, top, right, bottom = clipped.T
        inside = (left < right) & (top < bottom)
        dropped = self.dropped + int(np.count_nonzero(~inside & (self.levels >= sure)))
        return replace(self, boxes_xyxy=clipped, dropped=dropped).at(inside)

    def most_confident(self, count: int) -> "Candidates":
        """Return at most `count` candidates, most confident first; equally confident ones keep their order."""
        candidates = self
        if len(self.levels) > count:  # sorting them all would take far longer
            candidates = self.at(self.levels >= np.partition(self.levels, -count)[-count])
        return candidates.at(np.argsort(-candidates.levels, kind="stable")[:count])


Describe: TypeAlias = Callable[[Candidates, NDArray[np.intp]], Iterable[Extensions]]
"""Returns what else the model says of each of N candidates, and of their anchors [N]: see Extensions."""


def candidates_from_scores(boxes_xyxy: Floats, levels: Floats, threshold: float) -> Candidates:
    """Return a candidate for each anchor and class whose level reaches the threshold, by anchor, then by class.

    `boxes_xyxy` [anchors, 4], `levels` [anchors, classes]; anchors may be 0. Candidates with a NaN or an infinity are
    dropped.
    """
    indices = np.flatnonzero(levels >= threshold)
    anchors = indices // levels.shape[1]
    class_ids = indices - anchors * levels.shape[1]
    return Candidates(boxes_xyxy.take(anchors, 0), class_ids, levels.take(indices)).finite()


def candidates_from_logits(boxes_xyxy: Floats, logits: Floats, threshold: float) -> Candidates:
    """Return a candidate for each anchor and class whose confidence, 0..1, reaches the threshold.

    As `candidates_from_scores`, but for logits [anchors, classes]. Only those near or over the threshold go through
    the sigmoid.
    """
    candidates = candidates_from_scores(boxes_xyxy, logits, logit(threshold - ROUNDING)).after_sigmoid()
    return candidates.at(candidates.levels >= threshold)


def select_detections(
    candidates: Candidates,
    labels: tuple[str, ...],
    output: OutputConfig,
    selection: Selection,
    describe: Describe | None = None,
) -> Results:
    """Filter by class, clip, apply NMS, and return the most confident detections, most confident first.

    `candidates`: over the threshold, boxes in shares of the picture, without NaN and infinities. `labels`: by class id.
    `describe`: what else is known of the selected ones. A confidence above 1 counts as 1; a box that is empty inside
    the picture is dropped and counted. No candidates: no detections.
    """
    max_detections, highest = count_of(output, selection), float(candidates.levels.max(initial=0))
    candidates = candidates.of_classes(selection.class_ids).inside_the_picture(output.confidence_threshold)
    candidates = candidates.most_confident(MAX_DETECTIONS)
    if output.iou_threshold is None:
        candidates = candidates.at(np.arange(len(candidates.levels))[:max_detections])
    else:
        rivals = np.zeros_like(candidates.class_ids) if output.class_agnostic else candidates.class_ids
        kept = nms_per_class(candidates.boxes_xyxy, rivals, output.iou_threshold, max_detections)
        candidates = candidates.at(np.array(kept, np.intp))
    boxes_xyxy, anchors = candidates.boxes_xyxy.tolist(), candidates.anchors
    extensions = repeat(()) if describe is None or anchors is None else describe(candidates, anchors)
    rows = zip(candidates.class_ids.tolist(), candidates.levels.tolist(), boxes_xyxy, extensions, strict=False)
    detections = tuple(
        Detection(labels[class_id], class_id, min(confidence, 1.0), (left, top, right, bottom), more)
        for class_id, confidence, (left, top, right, bottom), more in rows
    )
    return Results(detections, candidates.dropped, highest=highest)


def have_labels(class_ids: Floats, labels: int) -> NDArray[np.bool_]:
    """Return which class ids [N], finite numbers, are whole and below the number of labels."""
    return np.asarray((class_ids == np.floor(class_ids)) & (class_ids >= 0) & (class_ids < labels))


def threshold_of(output: OutputConfig, selection: Selection) -> float:
    """Return the lowest confidence to report: the caller's, else the model's."""
    return output.confidence_threshold if selection.confidence is None else selection.confidence


def count_of(output: OutputConfig, selection: Selection) -> int:
    """Return the largest number of results to report: the caller's, else the model's."""
    return output.max_detections if selection.max_detections is None else selection.max_detections


def sigmoid(logits: Floats) -> Floats:
    """Return the confidences, float32 0..1, of logits of any shape; NaN stays NaN."""
    with np.errstate(over="ignore"):  # exp of a very low logit is infinity, and the confidence 0
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def softmax(logits: Floats) -> Floats:
    """Return the confidences, float32 0..1, of logits of any shape; they add up to 1 along the last axis.

    A logit that is not finite makes NaNs of all along that axis.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a difference that overflows is minus infinity, and gives 0
        exponents = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-math.inf))
        return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True), np.float32)


def logit(confidence: float) -> float:
    """Return the logit of a confidence below 1; minus infinity for 0 and less."""
    return math.log(confidence / (1 - confidence)) if confidence > 0 else -math.inf


def refuse_unequal(boxes: Sized, *others: Sized) -> None:
    """Raise InferenceError unless there is a box for each score, and what else the model gives of it."""
    if any(len(other) != len(boxes) for other in others):
        raise InferenceError(
            f"The model gave {len(boxes)} boxes, but scores of {', '.join(map(str, map(len, others)))}."
        )


def count_broken(boxes: Floats, levels: Floats) -> int:
    """Return how many candidates, one for each anchor and class, have a NaN or an infinity in box or level.

    `boxes` [anchors, 4] in any convention, `levels` [anchors, classes]. Raises InferenceError if one has more anchors.
    """
    refuse_unequal(boxes, levels)
    if np.isfinite(boxes).all() and np.isfinite(levels).all():
        return 0
    finite = np.isfinite(boxes).min(axis=1, keepdims=True) & np.isfinite(levels)
    return int(finite.size - np.count_nonzero(finite))
