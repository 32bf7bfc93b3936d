"""Detectors that give decoded boxes and class scores: the SSD meta-architecture.

Layout, as the TensorFlow object detection zoo's SSD models export it once their anchors are decoded in the graph:
one float32 input [N, 3, height, width], RGB 0..255 (normalisation inside), the picture stretched to the input size;
outputs `boxes` [N, anchors, 4], corners relative to the picture, and `scores` [N, anchors, classes] after a sigmoid.
Source: W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016.
"""

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
        self._input_name = signature.expect_input(Tensor("float32", (None, 3, height, width)))
        signature.expect_output("boxes", Tensor("float32", (None, None, 4)))
        signature.expect_output("scores", Tensor("float32", (None, None, len(labels))))

    @property
    def input_size_wh(self) -> tuple[int, int]:
        """Return the (width, height) in pixels that the model wants."""
        return self._config.input_size_wh

    def preprocess(self, frame: Frame) -> Feeds:
        """Stretch the frame to the input size: float32 [1, 3, height, width], RGB 0..255."""
        rgb_hwc = frame.rgb(self._config.input_size_wh)
        return {self._input_name: rgb_hwc.transpose(2, 0, 1)[None].astype(np.float32, order="C")}

    def postprocess(self, outputs: Outputs, selection: Selection) -> Results:
        """Keep the selected candidates, clip them, suppress overlaps per class, and sort by falling confidence.

        Stretching keeps relative coordinates, so the boxes need no way back. A confidence above 1 counts as 1; a
        candidate with a value that is no number is dropped and counted; a box that is empty inside the picture is
        dropped.
        """
        config = self._config
        threshold = config.confidence_threshold if selection.confidence is None else selection.confidence
        max_detections = config.max_detections if selection.max_detections is None else selection.max_detections
        boxes_xyxy, scores = np.clip(outputs["boxes"][0], 0, 1), outputs["scores"][0]
        finite = np.isfinite(outputs["boxes"][0]).all(axis=1)[:, None] & np.isfinite(scores)
        solid = (boxes_xyxy[:, 2:] > boxes_xyxy[:, :2]).all(axis=1)[:, None]
        wanted = finite & solid & (scores >= threshold) & _class_mask(selection.class_ids, len(self._labels))
        anchors, class_ids = np.nonzero(wanted)
        order = np.argsort(-scores[anchors, class_ids], kind="stable")[:MAX_DETECTIONS]
        anchors, class_ids = anchors[order], class_ids[order]
        kept = nms_per_class(boxes_xyxy[anchors], class_ids, config.iou_threshold, max_detections)
        return Results(
            detections=tuple(
                self._detection(class_ids[index], scores[anchors[index], class_ids[index]], boxes_xyxy[anchors[index]])
                for index in kept
            ),
            dropped=int(finite.size - np.count_nonzero(finite)),
        )

    def _detection(self, class_id: np.intp, confidence: np.float32, box_xyxy: NDArray[np.float32]) -> Detection:
        left, top, right, bottom = box_xyxy.tolist()
        return Detection(self._labels[class_id], int(class_id), min(float(confidence), 1.0), (left, top, right, bottom))


def _class_mask(class_ids: frozenset[int] | None, classes: int) -> NDArray[np.bool_]:
    """Return [classes]: True where the class is wanted."""
    if class_ids is None:
        return np.ones(classes, np.bool_)
    return np.isin(np.arange(classes), list(class_ids))
