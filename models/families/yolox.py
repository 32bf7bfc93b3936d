"""Detectors whose boxes are relative to the cells of their grids: YOLOX.

Layout, as tools/export_onnx.py writes it (`decode_in_inference` off): one float32 output [N, anchors, 5 + classes],
one anchor a cell, row by row, of grids of 8, 16 and 32 pixels, in this order. A row is the centre of a box relative to
its cell's top left corner, in cells; the logarithms of its width and height in cells; its objectness, and the
probability of each class, both after a sigmoid. So the boxes are (xy + cell) * stride and exp(wh) * stride.
The picture is letterboxed at the top left corner on grey 114, BGR, 0..255.
Source: Z. Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv:2107.08430; github.com/Megvii-BaseDetection/YOLOX:
yolox/models/yolo_head.py, `preproc` in yolox/data/data_augment.py, demo/ONNXRuntime (IoU 0.45).
"""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats, xyxy_from_cxcywh
from models.errors import ModelConfigError
from models.families.candidates import Candidates, select_detections, threshold_of
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.grids import cells_of_strides
from models.families.preprocessing import PictureInput
from models.families.rows import BOX_SIZE, ROW_START, confident_rows, count_broken_rows
from models.families.signature import Outputs, Tensor, only_frame
from models.letterbox import Letterbox
from models.results import Results, Selection

STRIDES = (8, 16, 32)
"""The sides of the cells of each grid, in pixels of the canvas."""


class Yolox:
    """Reads one model of this family.

    Raises ModelConfigError if the file has another layout, or if the grids do not fill the canvas of model.yaml.
    """

    def __init__(self, spec: Spec["YoloxConfig"]) -> None:
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature)
        if spec.input.resize == "within" or any(side % STRIDES[-1] for side in spec.input.size_wh):
            raise ModelConfigError(
                f"expected input.size_wh in multiples of {STRIDES[-1]}, and an input.resize that fills it, "
                f"got {list(spec.input.size_wh)} and {spec.input.resize}."
            )
        self._cells_xy, self._strides = cells_of_strides(spec.input.size_wh, STRIDES)
        layout = Tensor("float32", (None, len(self._strides), ROW_START + len(spec.labels)))
        self._rows = spec.signature.expect_one_output(layout)

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections; see `select_detections`. Only boxes over the threshold are decoded.

        A candidate with a NaN or an infinity, or whose size overflows float32, is dropped and counted. Raises
        InferenceError for an output of another shape.
        """
        rows = only_frame(outputs, *self._rows)
        anchors, class_ids, levels = confident_rows(rows, threshold_of(self._output, selection))
        raw = rows[anchors, :BOX_SIZE]
        boxes_xyxy = xyxy_from_cxcywh(self._cxcywh(raw, anchors))
        read = Candidates(boxes_xyxy, class_ids, levels).at(np.isfinite(raw).all(axis=1) & np.isfinite(levels))
        candidates = read.without_overflows(count_broken_rows(rows)).on_picture(letterbox)
        return select_detections(candidates, self._labels, self._output, selection)

    def _cxcywh(self, raw: Floats, anchors: NDArray[np.intp]) -> Floats:
        """Return the boxes [N, 4] of these anchors [N]: cx, cy, w, h in pixels of the canvas. `raw`: [N, 4]."""
        strides = self._strides[anchors, None]
        with np.errstate(over="ignore"):  # exp(89) is infinity in float32
            centres = (raw[:, :2] + self._cells_xy[anchors]) * strides
            return np.concatenate([centres, np.exp(raw[:, 2:]) * strides], axis=1)


class YoloxConfig(FamilySection):
    """The `family` section of model.yaml for this family."""

    reads: ClassVar[Reader] = Yolox
    input_defaults: ClassVar[Defaults] = {"resize": "letterbox_top_left", "padding": 114, "colour_order": "bgr"}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": 0.45}

    name: Literal["yolox"]
