"""Detectors whose output has one column for each anchor, box and class probabilities: YOLOv8, v9, v11 and v12.

Layout, as Ultralytics' exporters write it without NMS: one float32 output [N, 4 + classes, anchors]; a column is the
centre, the width and the height of a box in pixels of the canvas, and the probability of each class, after a sigmoid;
there is no objectness. Some converters turn it into [N, anchors, 4 + classes]. The other tasks add values at the end,
see `models/families/tasks.py`. The picture is letterboxed on grey 114, RGB, 0..1.
Source: docs.ultralytics.com, "Model Export with Ultralytics YOLO" and the class Detect in its reference: "(bs,
nc + 4, num_anchors)".
"""

from typing import ClassVar, Literal

import numpy as np

from models.boxes import Floats
from models.families.candidates import Candidates, count_broken, select_detections, threshold_of
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.rows import BOX_SIZE
from models.families.signature import Outputs, Tensor, only_frame
from models.families.tasks import TaskName, described, task_of, values_of_a_point
from models.letterbox import Letterbox
from models.results import Results, Selection


class Yolov8:
    """Reads one model of this family. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["Yolov8Config"]) -> None:
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature)
        self._task = task_of(spec.family.task, spec.signature, is_centred=True)
        self._classes_end = BOX_SIZE + len(spec.labels)
        self._size = size = None if self._task.width is None else self._classes_end + self._task.width
        self._layouts = Tensor("float32", (None, size, None)), Tensor("float32", (None, None, size))
        self._name, _ = spec.signature.expect_one_output(*self._layouts)
        axes = [axis for axis in spec.signature.outputs[self._name].shape[1:] if isinstance(axis, int)]
        if size is None and len(axes) == len(("values", "anchors")):
            values_of_a_point(min(axes) - self._classes_end)

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections; see `select_detections`. Only boxes over the threshold are converted.

        A candidate with a NaN or an infinity is dropped and counted. Raises InferenceError for an output of another
        shape.
        """
        columns = self._columns(outputs)
        boxes, levels, more = np.split(columns, [BOX_SIZE, self._classes_end])
        indices = np.flatnonzero(levels >= threshold_of(self._output, selection))
        class_ids, anchors = np.divmod(indices, levels.shape[1])
        boxes_xyxy = self._task.boxes_xyxy(boxes[:, anchors].T, more[:, anchors].T)
        candidates = Candidates(boxes_xyxy, class_ids, levels.take(indices), anchors)
        candidates = candidates.without(count_broken(boxes.T, levels.T)).finite().on_picture(letterbox)
        describe = described(self._task, (boxes.T, more.T), outputs, letterbox)
        return select_detections(candidates, self._labels, self._output, selection, describe)

    def _columns(self, outputs: Outputs) -> Floats:
        """Return a column for each anchor; there are more of them than values. Free axes are known only now."""
        frame: Floats = only_frame(outputs, self._name, *self._layouts)
        size = min(frame.shape) if self._size is None else self._size
        return frame if len(frame) == size else frame.T


class Yolov8Config(FamilySection):
    """The `family` section of model.yaml for this family. `task`: what the model was trained for."""

    reads: ClassVar[Reader] = Yolov8
    input_defaults: ClassVar[Defaults] = {"resize": "letterbox", "padding": 114, "scale": 1 / 255}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": 0.45}

    name: Literal["yolov8"]
    task: TaskName = "detect"
