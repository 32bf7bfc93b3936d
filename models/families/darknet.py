"""Detectors whose boxes are relative to the cells and anchors of raw grids: YOLOv2, YOLOv4, Azure Custom Vision.

Layout: one float32 output for each grid, [N, anchors * (5 + classes), height, width] or [N, height, width, anchors,
5 + classes]. The values of an anchor are x, y, w, h, objectness and classes. A box's centre is (sigmoid(xy) * xy_scale
- (xy_scale - 1) / 2 + cell) * stride, its size exp(wh) * anchor. Presets:

- tiny_yolov2: the ONNX model zoo's, trained on VOC. A sigmoid of the objectness, a softmax of the classes.
- custom_vision: "General (compact)" of Azure Custom Vision. The same, with other anchors.
- yolov4: the ONNX model zoo's, which Microsoft's samples for Live Video Analytics use. Objectness and classes are
  confidences already.

Source: J. Redmon, A. Farhadi, "YOLO9000", CVPR 2017; onnx/models, tiny-yolov2 and yolov4 (anchors, XYSCALE);
Azure-Samples/customvision-export-samples, object_detection.py (anchors, in cells of 32 pixels).
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from models.boxes import Floats, xyxy_from_cxcywh
from models.errors import ModelConfigError
from models.families.candidates import Candidates, count_broken, select_detections, sigmoid, softmax, threshold_of
from models.families.config import Defaults
from models.families.family import FamilySection, Preset, Reader, Spec
from models.families.grids import cells_xy
from models.families.preprocessing import PictureInput
from models.families.rows import BOX_SIZE, OBJECTNESS, ROW_START, Indices
from models.families.signature import Outputs, Signature, Tensor, only_frame
from models.letterbox import Letterbox, Size
from models.results import Results, Selection

Length: TypeAlias = Annotated[float, Field(gt=0)]
AXES_WITH_ANCHORS = 5


class Darknet:
    """Reads one model of this family. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["DarknetConfig"]) -> None:
        self._output, self._labels, self._is_raw = spec.output, spec.labels, spec.family.confidences == "raw"
        self.picture = PictureInput(spec.input, spec.signature)
        self._grids = spec.family.grids
        self._tensors = [_expect(name, spec, grid) for name, grid in _by_size(spec)]

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections; see `select_detections`. Only boxes over the threshold are decoded.

        A candidate with a NaN or an infinity, or whose size overflows float32, is dropped and counted. Raises
        InferenceError for outputs of another shape.
        """
        threshold = threshold_of(self._output, selection)
        tables = [
            _rows(only_frame(outputs, *tensor), len(grid.anchors))
            for grid, tensor in zip(self._grids, self._tensors, strict=True)
        ]
        tables.sort(key=lambda rows: -rows.shape[0] * rows.shape[1])  # the file may not tell which grid is the finest
        parts = [
            self._candidates(rows, grid, letterbox.canvas_wh, threshold)
            for rows, grid in zip(tables, self._grids, strict=True)
        ]
        candidates = Candidates(
            np.concatenate([part.boxes_xyxy for part in parts]),
            np.concatenate([part.class_ids for part in parts]),
            np.concatenate([part.levels for part in parts]),
            dropped=sum(part.dropped for part in parts),
        )
        return select_detections(candidates.on_picture(letterbox), self._labels, self._output, selection)

    def _candidates(self, rows: Floats, grid: "Grid", canvas_wh: Size, threshold: float) -> Candidates:
        """Return the candidates of a grid, in pixels of the canvas. `rows` [height, width, anchors, 5 + classes]."""
        flat = rows.reshape(-1, rows.shape[-1])
        objectness = sigmoid(flat[:, OBJECTNESS]) if self._is_raw else flat[:, OBJECTNESS]
        places = np.flatnonzero((objectness >= threshold) & np.isfinite(flat).all(axis=1))
        classes = softmax(flat[places, ROW_START:]) if self._is_raw else flat[places, ROW_START:]
        with np.errstate(over="ignore"):
            levels = objectness[places, None] * classes
        indices = np.flatnonzero(levels >= threshold)
        chosen, class_ids = np.divmod(indices, levels.shape[1])
        boxes_xyxy = xyxy_from_cxcywh(_cxcywh(flat, places[chosen], grid, (rows.shape[1], rows.shape[0]), canvas_wh))
        read = Candidates(boxes_xyxy, class_ids, levels.take(indices))
        return read.without_overflows(count_broken(flat[:, :ROW_START], flat[:, ROW_START:]))


class Grid(BaseModel):
    """One grid.

    `anchors`: width and height in pixels of the canvas. `xy_scale`: how far a centre can leave its cell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    anchors: Annotated[tuple[tuple[Length, Length], ...], Field(min_length=1, max_length=16)]
    xy_scale: Annotated[float, Field(ge=1, le=2)] = 1


STRIDE_PX = 32.0
VOC_CELLS = ((1.08, 1.19), (3.42, 4.41), (6.63, 11.38), (9.42, 5.11), (16.62, 10.52))
CUSTOM_VISION_CELLS = ((0.573, 0.677), (1.87, 2.06), (3.34, 5.47), (7.88, 3.53), (9.77, 9.17))


def _one_grid(anchors_in_cells: tuple[tuple[float, float], ...]) -> Defaults:
    return {"grids": [{"anchors": [(width * STRIDE_PX, height * STRIDE_PX) for width, height in anchors_in_cells]}]}


class DarknetConfig(FamilySection):
    """The `family` section of model.yaml for this family.

    `grids`: the finest first. `confidences`: `raw`, or after the activations.
    """

    reads: ClassVar[Reader] = Darknet
    output_defaults: ClassVar[Defaults] = {"iou_threshold": 0.45}
    presets: ClassVar[Mapping[str, Preset]] = {
        "tiny_yolov2": Preset(_one_grid(VOC_CELLS)),
        "custom_vision": Preset(_one_grid(CUSTOM_VISION_CELLS), {"colour_order": "bgr"}),
        "yolov4": Preset(
            {
                "grids": [
                    {"anchors": [(12, 16), (19, 36), (40, 28)], "xy_scale": 1.2},
                    {"anchors": [(36, 75), (76, 55), (72, 146)], "xy_scale": 1.1},
                    {"anchors": [(142, 110), (192, 243), (459, 401)], "xy_scale": 1.05},
                ],
                "confidences": "given",
            },
            {"resize": "letterbox", "padding": 128, "scale": 1 / 255},
        ),
    }

    name: Literal["darknet"]
    preset: str | None = None
    grids: Annotated[tuple[Grid, ...], Field(min_length=1, max_length=8)]
    confidences: Literal["raw", "given"] = "raw"


def _by_size(spec: Spec[DarknetConfig]) -> list[tuple[str, Grid]]:
    """Return the name of each grid's output, the finest grid first; raises ModelConfigError for another number."""
    outputs, grids = spec.signature.outputs, spec.family.grids
    if len(outputs) != len(grids):
        got = ", ".join(f"{name} {tensor}" for name, tensor in outputs.items()) or "none"
        raise ModelConfigError(f"expected one output for each of {len(grids)} grid(s), got {got}.")

    def cells(name: str) -> int:
        shape = outputs[name].shape
        axes = shape[1:3] if len(shape) == AXES_WITH_ANCHORS else shape[2:]
        return int(np.prod([axis if isinstance(axis, int) else 0 for axis in axes]))

    return list(zip(sorted(outputs, key=cells, reverse=True), grids, strict=True))


def _expect(name: str, spec: Spec[DarknetConfig], grid: Grid) -> tuple[str, Tensor]:
    """Return the output's name and its layout; raises ModelConfigError if it has another."""
    anchors, values = len(grid.anchors), ROW_START + len(spec.labels)
    signature: Signature = spec.signature
    channels = Tensor("float32", (None, anchors * values, None, None))
    return name, signature.expect_output(name, channels, Tensor("float32", (None, None, None, anchors, values)))


def _rows(values: Floats, anchors: int) -> Floats:
    """Return an output without its batch axis as [height, width, anchors, 5 + classes]."""
    if values.ndim == AXES_WITH_ANCHORS - 1:
        return values
    _, height, width = values.shape
    return values.reshape(anchors, -1, height, width).transpose(2, 3, 0, 1)


def _cxcywh(flat: Floats, places: Indices, grid: Grid, grid_wh: Size, canvas_wh: Size) -> Floats:
    """Return the boxes [N, 4] of these rows [N] of `flat`, in pixels of the canvas; may be infinite."""
    cells, anchors = np.divmod(places, len(grid.anchors))
    boxes = flat[places, :BOX_SIZE]
    stride_xy = np.array(canvas_wh, np.float32) / np.array(grid_wh, np.float32)
    centres = sigmoid(boxes[:, :2]) * grid.xy_scale - (grid.xy_scale - 1) / 2 + cells_xy(*grid_wh)[cells]
    with np.errstate(over="ignore"):
        sizes = np.exp(boxes[:, 2:]) * np.array(grid.anchors, np.float32)[anchors]
    return np.asarray(np.concatenate([centres * stride_xy, sizes], axis=1), np.float32)
