"""Detectors whose output has one column for each anchor, box and class probabilities: YOLOv8, v9, v11, v12.

Layout, as their exporters write it when NMS is left out: one float32 output [N, 4 + classes, anchors]; a column is the
centre, the width and the height of a box in pixels of the canvas, and the probability of each class after a sigmoid.
There is no objectness. The picture is letterboxed on grey 114, RGB, 0..1.
Source: docs.ultralytics.com, "Understanding End-to-End Detection", where this is the traditional output
(N, nc + 4, 8400); C.-Y. Wang et al., "YOLOv9: Learning What You Want to Learn Using Programmable Gradient
Information", ECCV 2024.
"""

from typing import ClassVar, Literal

import numpy as np

from models.boxes import xyxy_from_cxcywh
from models.families.candidates import Candidates, count_broken, select_detections, threshold_of
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.rows import BOX_SIZE
from models.families.signature import Outputs, Tensor, only_frame
from models.letterbox import Letterbox
from models.results import Results, Selection


class Yolov8:
    """Reads one model of this family. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["Yolov8Config"]) -> None:
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature)
        self._columns = spec.signature.expect_only_output(Tensor("float32", (None, BOX_SIZE + len(spec.labels), None)))

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections; see `select_detections`. Only boxes over the threshold are converted.

        A candidate with a NaN or an infinity is dropped and counted. Raises InferenceError for an output of another
        shape.
        """
        columns = only_frame(outputs, *self._columns)
        boxes, levels = columns[:BOX_SIZE], columns[BOX_SIZE:]
        indices = np.flatnonzero(levels >= threshold_of(self._output, selection))
        class_ids, anchors = np.divmod(indices, levels.shape[1])
        boxes_xyxy = xyxy_from_cxcywh(boxes[:, anchors].T)
        found = Candidates(boxes_xyxy, class_ids, levels.take(indices)).without(count_broken(boxes.T, levels.T))
        return select_detections(found.finite().on_picture(letterbox), self._labels, self._output, selection)


class Yolov8Config(FamilySection):
    """The `family` section of model.yaml for this family."""

    reads: ClassVar[Reader] = Yolov8
    input_defaults: ClassVar[Defaults] = {"resize": "letterbox", "padding": 114, "scale": 1 / 255}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": 0.45}

    name: Literal["yolov8"]
