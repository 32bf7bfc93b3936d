"""Detectors that give decoded boxes and class scores: the SSD meta-architecture.

Layout, as the TensorFlow object detection zoo's SSD models export it once their anchors are decoded in the graph:
one float32 input [N, 3, height, width], RGB 0..255 (normalisation inside), the picture stretched to the input size;
outputs `boxes` [N, anchors, 4], corners relative to the picture, and `scores` [N, anchors, classes] after a sigmoid.
Prepared models (docs/adr/0006-prepared-graphs.md) differ at the edges: the input is uint8 [N, height, width, 3], and
the second output is `logits`, the scores before the sigmoid. Each may be either way.
Source: W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.boxes import nms_per_class
from models.families.family import Feeds, Outputs, Signature, Tensor
from models.frame import Frame
from models.results import MAX_DETECTIONS, Detection, Results, Selection

Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Pixels: TypeAlias = Annotated[int, Field(ge=1, le=4096)]
Floats: TypeAlias = NDArray[np.float32]

ROUNDING = float(np.finfo(np.float32).eps)
"""How far a float32 confidence may lie from the logit's exact one."""


class SsdConfig(BaseModel):
    """The `family` section of model.yaml for this family."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inference_types: ClassVar[tuple[str, ...]] = ("entity",)

    name: Literal["ssd"]
    input_size_wh: tuple[Pixels, Pixels]
    confidence_threshold: Fraction = 0.5
    iou_threshold: Fraction = 0.5
    max_detections: Annotated[int, Field(ge=1, le=MAX_DETECTIONS)] = 100


class Ssd:
    """Feeds and reads one SSD model."""

    def __init__(self, config: SsdConfig, labels: tuple[str, ...], signature: Signature) -> None:
        """Check that the file is laid out as this family reads it; raises ModelConfigError if not."""
        self._config = config
        self._labels = labels
        width, height = config.input_size_wh
        nchw, nhwc = Tensor("float32", (None, 3, height, width)), Tensor("uint8", (None, height, width, 3))
        self._input_name, layout = signature.expect_input(nchw, nhwc)
        self._takes_bytes = layout == nhwc
        self._gives_logits = "logits" in signature.outputs
        self._classes_name = "logits" if self._gives_logits else "scores"
        signature.expect_output("boxes", Tensor("float32", (None, None, 4)))
        signature.expect_output(self._classes_name, Tensor("float32", (None, None, len(labels))))

    @property
    def input_size_wh(self) -> tuple[int, int]:
        """Return the (width, height) in pixels that the model wants."""
        return self._config.input_size_wh

    def preprocess(self, frame: Frame) -> Feeds:
        """Stretch the frame to the input size: uint8 [1, height, width, 3] or float32 [1, 3, height, width], RGB."""
        rgb_hwc = frame.rgb(self._config.input_size_wh)
        if self._takes_bytes:
            return {self._input_name: rgb_hwc[None]}
        return {self._input_name: rgb_hwc.transpose(2, 0, 1)[None].astype(np.float32, order="C")}

    def postprocess(self, outputs: Outputs, selection: Selection) -> Results:
        """Keep the selected candidates, clip them, suppress overlaps per class, and sort by falling confidence.

        Stretching keeps relative coordinates, so the boxes need no way back. A confidence above 1 counts as 1; a
        candidate with a value that is no number is dropped and counted; a box that is empty inside the picture is
        dropped. Only candidates over the threshold cost more than two comparisons.
        """
        config = self._config
        threshold = config.confidence_threshold if selection.confidence is None else selection.confidence
        max_detections = config.max_detections if selection.max_detections is None else selection.max_detections
        boxes_xyxy, levels = outputs["boxes"][0], outputs[self._classes_name][0]
        broken = _count_broken(boxes_xyxy, levels)
        found = self._confident(boxes_xyxy, levels, threshold, broken=broken > 0)
        found = found.of_classes(selection.class_ids).inside_the_picture().most_confident(MAX_DETECTIONS)
        kept = nms_per_class(found.boxes_xyxy, found.class_ids, config.iou_threshold, max_detections)
        return Results(self._detections(found.at(np.array(kept, np.intp))), broken)

    def _confident(self, boxes_xyxy: Floats, levels: Floats, threshold: float, *, broken: bool) -> "_Candidates":
        """Return the sound candidates that reach the threshold. `levels`: scores or logits [anchors, classes]."""
        if not self._gives_logits:
            found = _candidates(boxes_xyxy, levels, threshold)
            return found.finite() if broken else found
        found = _candidates(boxes_xyxy, levels, _logit(threshold - ROUNDING))
        found = (found.finite() if broken else found).after_sigmoid()
        return found.at(found.levels >= threshold)

    def _detections(self, found: "_Candidates") -> tuple[Detection, ...]:
        rows = zip(found.class_ids.tolist(), found.levels.tolist(), found.boxes_xyxy.tolist(), strict=True)
        return tuple(
            Detection(self._labels[class_id], class_id, min(confidence, 1.0), (left, top, right, bottom))
            for class_id, confidence, (left, top, right, bottom) in rows
        )


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Boxes [N, 4], and the class id [N] and the level [N] of each: its logit or, after the sigmoid, its confidence."""

    boxes_xyxy: Floats
    class_ids: NDArray[np.intp]
    levels: Floats

    def at(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> "_Candidates":
        """Return those at these places, or where the mask is True."""
        return _Candidates(self.boxes_xyxy[index], self.class_ids[index], self.levels[index])

    def finite(self) -> "_Candidates":
        """Return those without a NaN or an infinity."""
        return self.at(np.isfinite(self.levels) & np.isfinite(self.boxes_xyxy).all(axis=1))

    def after_sigmoid(self) -> "_Candidates":
        """Return them with confidences instead of logits."""
        return _Candidates(self.boxes_xyxy, self.class_ids, sigmoid(self.levels))

    def of_classes(self, class_ids: frozenset[int] | None) -> "_Candidates":
        """Return those of these classes; None means all."""
        return self if class_ids is None else self.at(np.isin(self.class_ids, list(class_ids)))

    def inside_the_picture(self) -> "_Candidates":
        """Return them clipped to the picture, without those that are empty then."""
        clipped = np.minimum(np.maximum(self.boxes_xyxy, 0), 1)
        left, top, right, bottom = clipped.T
        return _Candidates(clipped, self.class_ids, self.levels).at((left < right) & (top < bottom))

    def most_confident(self, count: int) -> "_Candidates":
        """Return at most so many by falling confidence; equal ones stay in their order."""
        found = self
        if len(self.levels) > count:  # sorting them all would take far longer
            found = self.at(self.levels >= np.partition(self.levels, -count)[-count])
        return found.at(np.argsort(-found.levels, kind="stable")[:count])


def _candidates(boxes_xyxy: Floats, levels: Floats, least: float) -> _Candidates:
    """Return what reaches the least level, in the order of anchors [anchors, 4], then classes [anchors, classes]."""
    places = np.flatnonzero(levels >= least)
    anchors = places // levels.shape[1]
    return _Candidates(boxes_xyxy.take(anchors, 0), places - anchors * levels.shape[1], levels.take(places))


def sigmoid(logits: Floats) -> Floats:
    """Return the confidences, 0..1, of logits of any shape."""
    with np.errstate(over="ignore"):  # exp of a very low logit is infinity, and the confidence 0
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _logit(confidence: float) -> float:
    """Return the logit of a confidence below 1; minus infinity for 0 and less."""
    return math.log(confidence / (1 - confidence)) if confidence > 0 else -math.inf


def _count_broken(boxes_xyxy: Floats, levels: Floats) -> int:
    """Return how many candidates, anchors times classes, have a NaN or an infinity in them."""
    if np.isfinite(boxes_xyxy).all() and np.isfinite(levels).all():
        return 0
    finite = np.isfinite(boxes_xyxy).min(axis=1, keepdims=True) & np.isfinite(levels)
    return int(finite.size - np.count_nonzero(finite))
