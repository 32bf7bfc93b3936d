"""MediaPipe's BlazeFace: boxes of faces, each given as an offset from its anchor.

Layout, as the TFLite models face_detection_front (128 x 128) and face_detection_back (256 x 256) are converted to
ONNX: one picture, letterboxed on black, its values in -1..1; outputs [N, 512, 1] and [N, 384, 1], logits, and
[N, 512, 16] and [N, 384, 16], in pixels of the input: centre x and y relative to the anchor's, width, height, and six
key points, which are not read. Some converters join the two into [N, 896, 1] and [N, 896, 16]. Output names vary, so
shapes identify them.

Anchors are those of MediaPipe's SsdAnchorsCalculator with fixed_anchor_size, so an anchor is only a centre. For 256 x
256 its options are num_layers 4, strides 16, 32, 32, 32, anchor_offset 0.5, one aspect ratio, and one more anchor of an
interpolated scale: two anchors a layer in each cell, layers of one stride side by side. At 128 x 128 all strides are
half as long, with the same grids. Source: mediapipe/graphs/face_detection/face_detection_back_mobile_gpu.pbtxt and
mediapipe/calculators/tflite/ssd_anchors_calculator.cc; V. Bazarevsky et al., "BlazeFace", arXiv:1907.05047.

Differences from MediaPipe: it clips logits to -100..100 before the sigmoid, which ours does not need, and it averages
boxes that overlap, while this reader keeps the most confident of them.
"""

from typing import ClassVar, Literal

import numpy as np

from models.boxes import Floats, xyxy_from_cxcywh
from models.errors import ModelConfigError
from models.families.candidates import candidates_from_logits, count_broken, select_detections, threshold_of
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Signature, Tensor
from models.letterbox import Letterbox
from models.results import Results, Selection

GRIDS = ((16, 2), (8, 6))
"""Of each grid: cells in a row and in a column, and anchors in a cell (two for each layer of that stride: 1 and 3)."""
CELL_CENTRE = 0.5
SEPARATE = tuple(cells * cells * anchors for cells, anchors in GRIDS)
JOINED = (sum(SEPARATE),)
VALUES = 16
"""Values of each anchor: a box and six key points."""
HALF_RANGE = 127.5


class Blazeface:
    """Reads one BlazeFace model. Raises ModelConfigError if the file has another layout, or several labels."""

    def __init__(self, spec: Spec["BlazefaceConfig"]) -> None:
        if len(spec.labels) != 1:
            raise ModelConfigError(f"expected one label, what a face is called, got {len(spec.labels)}.")
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature)
        counts = JOINED if len(spec.signature.outputs) == len(JOINED) * 2 else SEPARATE
        self._logits_names = [_output_of(spec.signature, Tensor("float32", (None, count, 1))) for count in counts]
        self._boxes_names = [_output_of(spec.signature, Tensor("float32", (None, count, VALUES))) for count in counts]
        self._anchors_xy = anchors_xy()

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Add anchors to offsets and return the selected faces; see `select_detections`.

        A face with a NaN or an infinity is dropped and counted.
        """
        logits = np.concatenate([outputs[name][0] for name in self._logits_names])
        boxes_px = np.concatenate([outputs[name][0][:, :4] for name in self._boxes_names])
        boxes_cxcywh = np.asarray(boxes_px / np.array(self.picture.target.size_wh * 2), np.float32)
        boxes_cxcywh[:, :2] += self._anchors_xy
        boxes_xyxy = xyxy_from_cxcywh(boxes_cxcywh)
        candidates = candidates_from_logits(boxes_xyxy, logits, threshold_of(self._output, selection))
        candidates = candidates.without(count_broken(boxes_px, logits)).on_picture_from_shares(letterbox)
        return select_detections(candidates, self._labels, self._output, selection)


class BlazefaceConfig(FamilySection):
    """The `family` section of model.yaml for this family."""

    reads: ClassVar[Reader] = Blazeface
    input_defaults: ClassVar[Defaults] = {
        "resize": "letterbox",
        "padding": 0,
        "mean": (HALF_RANGE,) * 3,
        "std": (HALF_RANGE,) * 3,
    }
    output_defaults: ClassVar[Defaults] = {"confidence_threshold": 0.65, "iou_threshold": 0.3}
    """MediaPipe's min_score_thresh and min_suppression_threshold."""

    name: Literal["blazeface"]


def anchors_xy() -> Floats:
    """Return the anchors' centres [896, 2] in shares of the canvas, row by row of each grid."""
    centres = []
    for cells, anchors in GRIDS:
        steps = (np.arange(cells, dtype=np.float32) + CELL_CENTRE) / cells
        xy = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        centres.append(xy.repeat(anchors, axis=0))
    return np.concatenate(centres)


def _output_of(signature: Signature, layout: Tensor) -> str:
    """Return the name of the only output with this layout; raises ModelConfigError if there is none, or several."""
    names = [name for name, tensor in signature.outputs.items() if tensor.fits(layout)]
    if len(names) != 1:
        got = ", ".join(f"{name} {tensor}" for name, tensor in signature.outputs.items())
        raise ModelConfigError(f"expected one output {layout}, got {got or 'none'}.")
    return names[0]
