"""Detectors that find the centres of objects as peaks of a heat map: CenterNet and CenterFace.

Layout: three float32 outputs of one grid: the confidences of centres [N, classes, height, width], sizes [N, 2, height,
width] and offsets [N, 2, height, width], sizes and offsets in cells. A centre is where a confidence is the highest of
its 3 x 3 cells; a box's centre is (cell + offset) * stride. CenterNet gives width before height, and offsets from the
top left corner of a cell. CenterFace gives the logarithm of height, then of width, and offsets, y before x, from the
centre of a cell; its fourth output, key points, is not read.
Source: X. Zhou et al., "Objects as Points", arXiv:1904.07850; Y. Xu et al., "CenterFace", arXiv:1911.03599;
Star-Clouds/CenterFace, prj-python/centerface.py, `decode` (IoU 0.3).
"""

from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats, xyxy_from_cxcywh
from models.errors import ModelConfigError
from models.families.candidates import Candidates, count_broken, select_detections, sigmoid, threshold_of
from models.families.config import Defaults
from models.families.family import FamilySection, Preset, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Tensor, only_frame
from models.letterbox import Letterbox
from models.results import Results, Selection

OutputNames: TypeAlias = tuple[str, str, str]
Cells: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows [N] and columns [N]."""
CELL_CENTRE = 0.5


class Centernet:
    """Reads one model of this family. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["CenternetConfig"]) -> None:
        self._output, self._labels, self._family = spec.output, spec.labels, spec.family
        self.picture = PictureInput(spec.input, spec.signature)
        names = spec.family.outputs or tuple(spec.signature.outputs)[:3]
        if len(names) < len(("heat map", "sizes", "offsets")):
            got = ", ".join(spec.signature.outputs) or "none"
            raise ModelConfigError(f"expected outputs with a heat map, sizes and offsets, got {got}.")
        channels = (len(spec.labels), 2, 2)
        layouts = [Tensor("float32", (None, count, None, None)) for count in channels]
        self._tensors = [
            (name, spec.signature.expect_output(name, layout)) for name, layout in zip(names, layouts, strict=True)
        ]

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections; see `select_detections`. Only boxes over the threshold are decoded.

        A candidate with a NaN or an infinity, or whose size overflows float32, is dropped and counted. Raises
        InferenceError for outputs of another shape.
        """
        heat, sizes, offsets = (only_frame(outputs, *tensor) for tensor in self._tensors)
        levels = sigmoid(heat) if self._family.activation == "sigmoid" else heat
        peaks = _peaks(levels, threshold_of(self._output, selection))
        class_ids, rows, columns = np.unravel_index(peaks, levels.shape)
        cells = rows, columns
        readable = np.isfinite(sizes[:, *cells]).all(axis=0) & np.isfinite(offsets[:, *cells]).all(axis=0)
        stride_xy = np.asarray(np.array(letterbox.canvas_wh) / np.array(heat.shape[:0:-1]), np.float32)
        boxes_xyxy = self._boxes_xyxy(sizes, offsets, cells, stride_xy)
        read = Candidates(boxes_xyxy, class_ids, levels.reshape(-1)[peaks]).at(readable)
        values = np.concatenate([sizes, offsets]).reshape(4, -1).T
        broken = count_broken(values, heat.reshape(len(heat), -1).T)
        candidates = read.without_overflows(broken).on_picture(letterbox)
        return select_detections(candidates, self._labels, self._output, selection)

    def _boxes_xyxy(self, sizes: Floats, offsets: Floats, cells: Cells, stride_xy: Floats) -> Floats:
        """Return the boxes [N, 4] at these cells, in pixels of the canvas; may be infinite."""
        sizes, offsets = sizes[:, *cells], offsets[:, *cells]
        with np.errstate(over="ignore"):
            if self._family.preset == "centerface":
                sizes, offsets = np.exp(sizes[::-1]), offsets[::-1] + np.float32(CELL_CENTRE)
            centres = (np.stack(cells[::-1]) + offsets).T * stride_xy
            boxes_cxcywh = np.concatenate([centres, sizes.T * stride_xy], axis=1).astype(np.float32)
        return xyxy_from_cxcywh(boxes_cxcywh)


class CenternetConfig(FamilySection):
    """The `family` section of model.yaml for this family.

    `outputs`: the names of heat map, sizes and offsets; None: the first three, in this order. `activation`: turns the
    heat map into confidences.
    """

    reads: ClassVar[Reader] = Centernet
    input_defaults: ClassVar[Defaults] = {
        "resize": "letterbox",
        "padding": 0,
        "colour_order": "bgr",
        "scale": 1 / 255,
        "mean": (0.408, 0.447, 0.47),
        "std": (0.289, 0.274, 0.278),
    }
    output_defaults: ClassVar[Defaults] = {"confidence_threshold": 0.3, "iou_threshold": None}
    presets: ClassVar[Mapping[str, Preset]] = {
        "centerface": Preset(
            {},
            {"resize": "stretch", "colour_order": "rgb", "scale": 1, "mean": (0,), "std": (1,)},
            {"confidence_threshold": 0.5, "iou_threshold": 0.3},
        )
    }

    name: Literal["centernet"]
    preset: str | None = None
    outputs: OutputNames | None = None
    activation: Literal["none", "sigmoid"] = "none"


def _peaks(levels: Floats, threshold: float) -> NDArray[np.intp]:
    """Return the indices in `levels` [classes, height, width] of those that reach the threshold and top their 3 x 3."""
    high = np.flatnonzero(levels >= threshold)
    padded = np.pad(levels, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    class_ids, rows, columns = np.unravel_index(high, levels.shape)
    around = [padded[class_ids, rows + down, columns + right] for down in range(3) for right in range(3)]
    is_highest = levels.reshape(-1)[high] >= np.max(around, axis=0, initial=-np.inf)
    return np.asarray(high[is_highest], np.intp)
