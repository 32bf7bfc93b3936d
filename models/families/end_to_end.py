"""Detectors that choose their boxes themselves: YOLOv10, YOLO26, and exporters that put NMS into the graph.

Layout: one float32 output [N, boxes, 6]; a row is the left, top, right and bottom edge of a box in pixels of the
canvas, its confidence, and its class id. Rows that are left over are padded, mostly with zeros. The picture is
letterboxed on grey 114, RGB, 0..1.
Source: A. Wang et al., "YOLOv10: Real-Time End-to-End Object Detection", NeurIPS 2024, and its repository
github.com/THU-MIG/yolov10; docs.ultralytics.com, "Understanding End-to-End Detection": (N, 300, 6),
[x1, y1, x2, y2, confidence, class_id].
"""

from typing import ClassVar, Literal

import numpy as np

from models.families.candidates import Candidates, threshold_of, told
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.rows import BOX_SIZE
from models.families.signature import Outputs, Tensor, only_frame
from models.letterbox import Letterbox
from models.results import Results, Selection

CONFIDENCE = 4
CLASS_ID = 5
ROW_SIZE = 6


class EndToEnd:
    """Reads one model of this family."""

    def __init__(self, spec: Spec["EndToEndConfig"]) -> None:
        """Check that the file is laid out as this family reads it; raises ModelConfigError if not."""
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature)
        self._rows = spec.signature.expect_only_output(Tensor("float32", (None, None, ROW_SIZE)))

    def postprocess(self, outputs: Outputs, placed: Letterbox, selection: Selection) -> Results:
        """Tell the rows that reach the threshold; see `told`.

        A row with a value that is no number is dropped and counted, and so is one that reaches the threshold with a
        class id that is not whole or not a label's; padding may hold any.
        """
        rows = only_frame(outputs, *self._rows)
        finite = np.isfinite(rows).all(axis=1)
        sure = rows[finite & (rows[:, CONFIDENCE] >= threshold_of(self._output, selection))]
        class_ids = sure[:, CLASS_ID]
        known = (class_ids == np.floor(class_ids)) & (class_ids >= 0) & (class_ids < len(self._labels))
        kept = sure[known]
        found = Candidates(kept[:, :BOX_SIZE], kept[:, CLASS_ID].astype(np.intp), kept[:, CONFIDENCE])
        dropped = int(np.count_nonzero(~finite) + np.count_nonzero(~known))
        return Results(told(found.on_picture(placed), self._labels, self._output, selection), dropped)


class EndToEndConfig(FamilySection):
    """The `family` section of model.yaml for this family."""

    reads: ClassVar[Reader] = EndToEnd
    input_defaults: ClassVar[Defaults] = {"resize": "letterbox", "padding": 114, "scale": 1 / 255}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": None}

    name: Literal["end_to_end"]
