"""OpenCV's face detector YuNet: a box, a score and five key points for each cell.

Layout, as libfacedetection.train exports it (2023mar): for grids of 8, 16 and 32 pixels, row by row, float32 outputs
`cls_8` and `obj_8` [N, cells, 1], factors of a score, 0..1; `bbox_8` [N, cells, 4], the centre relative to the cell's
top left corner, and the logarithms of width and height, all in cells; `kps_8` [N, cells, 10], the eyes, the tip of the
nose and the corners of the mouth, relative to the same corner, in cells; and so on for 16 and 32. The confidence is
the square root of cls * obj. The picture is put at the top left corner on black, BGR, 0..255.
Source: W. Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", MIR 2023; opencv, modules/objdetect/src/
face_detect.cpp (decoding, score 0.9, IoU 0.3).
"""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats, xyxy_from_cxcywh
from models.errors import ModelConfigError
from models.families.candidates import Candidates, count_broken, select_detections, threshold_of
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.grids import cells_of_strides
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Tensor, only_frame
from models.families.tasks import points_extension
from models.letterbox import Letterbox
from models.results import Extensions, Results, Selection

STRIDES = (8, 16, 32)
WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
"""Values a cell has in each kind of output."""


class Yunet:
    """Reads one YuNet model. Raises ModelConfigError if the file has another layout, or several labels."""

    def __init__(self, spec: Spec["YunetConfig"]) -> None:
        if len(spec.labels) != 1:
            raise ModelConfigError(f"expected one label, what a face is called, got {len(spec.labels)}.")
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature)
        self._cells_xy, self._strides = cells_of_strides(spec.input.size_wh, STRIDES)
        self._tensors = {
            kind: [
                (f"{kind}_{stride}", Tensor("float32", (None, int((self._strides == stride).sum()), width)))
                for stride in STRIDES
            ]
            for kind, width in WIDTHS.items()
        }
        for tensors in self._tensors.values():
            for name, layout in tensors:
                spec.signature.expect_output(name, layout)

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected faces; see `select_detections`. Only those over the threshold are decoded.

        A face with a NaN or an infinity, or whose size overflows float32, is dropped and counted. Raises InferenceError
        for outputs of another shape.
        """
        cls, obj, boxes, points = (
            np.concatenate([only_frame(outputs, *tensor) for tensor in self._tensors[kind]]) for kind in WIDTHS
        )
        with np.errstate(invalid="ignore", over="ignore"):
            factors = cls * obj
        levels, readable = np.sqrt(factors.clip(0, 1)), np.isfinite(factors[:, 0]) & np.isfinite(boxes).all(axis=1)
        cells = np.flatnonzero(readable & (levels[:, 0] >= threshold_of(self._output, selection)))
        read = Candidates(self._boxes_xyxy(boxes, cells), np.zeros(len(cells), np.intp), levels[cells, 0], cells)
        candidates = read.without_overflows(count_broken(boxes, factors)).on_picture(letterbox)

        def describe(_: Candidates, anchors: NDArray[np.intp]) -> list[Extensions]:
            starts_xy, strides = self._cells_xy[anchors, None], self._strides[anchors, None, None]
            places_xy = letterbox.points_to_picture((points[anchors].reshape(-1, 5, 2) + starts_xy) * strides)
            return [points_extension("keypoints", row) for row in places_xy]

        return select_detections(candidates, self._labels, self._output, selection, describe)

    def _boxes_xyxy(self, boxes: Floats, cells: NDArray[np.intp]) -> Floats:
        """Return the boxes [N, 4] of these cells [N], in pixels of the canvas; may be infinite."""
        strides = self._strides[cells, None]
        with np.errstate(over="ignore"):
            centres, sizes = (boxes[cells, :2] + self._cells_xy[cells]) * strides, np.exp(boxes[cells, 2:]) * strides
        return xyxy_from_cxcywh(np.concatenate([centres, sizes], axis=1))


class YunetConfig(FamilySection):
    """The `family` section of model.yaml for this family."""

    reads: ClassVar[Reader] = Yunet
    finds_outputs_by_name: ClassVar[bool] = True
    input_defaults: ClassVar[Defaults] = {"resize": "letterbox_top_left", "padding": 0, "colour_order": "bgr"}
    output_defaults: ClassVar[Defaults] = {"confidence_threshold": 0.9, "iou_threshold": 0.3}

    name: Literal["yunet"]
