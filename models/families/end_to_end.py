"""Detectors that need no NMS: YOLOv10, YOLO26, and models exported with NMS in the graph.

Layout: one float32 output [N, boxes, 6]; a row is the left, top, right and bottom edge of a box in pixels of the
canvas, its confidence, and its class id. Unused rows hold padding, mostly zeros. The other tasks of Ultralytics add
values at the end of a row, see `models/families/tasks.py`; the boxes of `obb` are centre, width and height. The picture
is letterboxed on grey 114, RGB, 0..1.
Source: A. Wang et al., "YOLOv10: Real-Time End-to-End Object Detection", NeurIPS 2024, and its repository
github.com/THU-MIG/yolov10; docs.ultralytics.com, "Understanding End-to-End Detection": (N, 300, 6),
[x1, y1, x2, y2, confidence, class_id].
"""

from typing import ClassVar, Literal

import numpy as np

from models.families.candidates import Candidates, have_labels, select_detections, threshold_of
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.rows import BOX_SIZE
from models.families.signature import Outputs, Tensor, only_frame
from models.families.tasks import TaskName, described, task_of, values_of_a_point
from models.letterbox import Letterbox
from models.results import Results, Selection

CONFIDENCE = 4
CLASS_ID = 5
ROW_SIZE = 6


class EndToEnd:
    """Reads one model of this family. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["EndToEndConfig"]) -> None:
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature)
        self._task = task_of(spec.family.task, spec.signature, is_centred=False)
        size = None if self._task.width is None else ROW_SIZE + self._task.width
        self._rows = spec.signature.expect_one_output(Tensor("float32", (None, None, size)))
        if size is None and isinstance(width := spec.signature.outputs[self._rows[0]].shape[2], int):
            values_of_a_point(width - ROW_SIZE)

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections; see `select_detections`.

        A row with a NaN or an infinity is dropped and counted. So is a row over the threshold whose class id is no
        whole number or has no label; padding, under the threshold, may hold any class id. Raises InferenceError for
        an output of another shape.
        """
        rows = only_frame(outputs, *self._rows)
        finite = np.isfinite(rows[:, :ROW_SIZE]).all(axis=1)
        confident = rows[finite & (rows[:, CONFIDENCE] >= threshold_of(self._output, selection))]
        class_ids = confident[:, CLASS_ID]
        known = have_labels(class_ids, len(self._labels))
        kept = confident[known]
        boxes, more = kept[:, :BOX_SIZE], kept[:, ROW_SIZE:]
        boxes_xyxy = self._task.boxes_xyxy(boxes, more)
        places = np.arange(len(kept))
        candidates = Candidates(boxes_xyxy, kept[:, CLASS_ID].astype(np.intp), kept[:, CONFIDENCE], places)
        dropped = int(np.count_nonzero(~finite) + np.count_nonzero(~known))
        candidates = candidates.without(dropped).on_picture(letterbox)
        describe = described(self._task, (boxes, more), outputs, letterbox)
        return select_detections(candidates, self._labels, self._output, selection, describe)


class EndToEndConfig(FamilySection):
    """The `family` section of model.yaml for this family. `task`: what the model was trained for."""

    reads: ClassVar[Reader] = EndToEnd
    input_defaults: ClassVar[Defaults] = {"resize": "letterbox", "padding": 114, "scale": 1 / 255}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": None}

    name: Literal["end_to_end"]
    task: TaskName = "detect"
