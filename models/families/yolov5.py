"""Detectors whose output has one row for each anchor, box, objectness and class probabilities: YOLOv5, YOLOv7.

Layout, as YOLOv5's export.py writes it, and YOLOv7's with its grids concatenated: one float32 output
[N, anchors, 5 + classes]; a row is the centre, the width and the height of a box in pixels of the canvas, its
objectness, and the probability of each class, both after a sigmoid. A YOLOX exported with --decode_in_inference has
the same output. Older exports also return the raw maps of the grids, which are not read. Models for segmentation add
values at the end of a row, see `models/families/tasks.py`. The picture is letterboxed on grey 114, RGB, 0..1.
Source: docs.ultralytics.com, "TFLite, ONNX, CoreML, TensorRT Export" of YOLOv5; C.-Y. Wang et al., "YOLOv7: Trainable
bag-of-freebies sets new state-of-the-art for real-time object detectors", CVPR 2023.
"""

from typing import ClassVar, Literal

import numpy as np

from models.boxes import xyxy_from_cxcywh
from models.families.candidates import Candidates, select_detections, threshold_of
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.rows import BOX_SIZE, ROW_START, confident_rows, count_broken_rows
from models.families.signature import Outputs, Tensor, only_frame
from models.families.tasks import described, task_of
from models.letterbox import Letterbox
from models.results import Results, Selection


class Yolov5:
    """Reads one model of this family. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["Yolov5Config"]) -> None:
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature)
        self._task = task_of(spec.family.task, spec.signature, is_centred=True)
        self._classes_end = ROW_START + len(spec.labels)
        size = self._classes_end + (self._task.width or 0)
        self._rows = spec.signature.expect_one_output(Tensor("float32", (None, None, size)))

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections; see `select_detections`. Only boxes over the threshold are converted.

        A candidate with a NaN or an infinity is dropped and counted. Raises InferenceError for an output of another
        shape.
        """
        rows, more = np.split(only_frame(outputs, *self._rows), [self._classes_end], axis=1)
        anchors, class_ids, levels = confident_rows(rows, threshold_of(self._output, selection))
        boxes_xyxy = xyxy_from_cxcywh(rows[anchors, :BOX_SIZE])
        candidates = Candidates(boxes_xyxy, class_ids, levels, anchors).without(count_broken_rows(rows))
        candidates = candidates.finite().on_picture(letterbox)
        describe = described(self._task, (rows[:, :BOX_SIZE], more), outputs, letterbox)
        return select_detections(candidates, self._labels, self._output, selection, describe)


class Yolov5Config(FamilySection):
    """The `family` section of model.yaml for this family. `task`: what the model was trained for."""

    reads: ClassVar[Reader] = Yolov5
    input_defaults: ClassVar[Defaults] = {"resize": "letterbox", "padding": 114, "scale": 1 / 255}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": 0.45}

    name: Literal["yolov5"]
    task: Literal["detect", "segment"] = "detect"
