"""Detectors that give the edges of a box as distributions of distances from its cell: NanoDet-Plus and PicoDet.

Layout: the cells of grids of 8, 16, 32 and 64 pixels, row by row, one grid after the other. A cell has the probability
of each class, after a sigmoid, and for the left, top, right and bottom edge each the logits of `bins` distances,
0, 1, … cells; the distance is their expectation after a softmax. NanoDet-Plus gives one float32 output [N, cells,
classes + 4 * bins], with distances from the top left corner of a cell; PicoDet gives for each grid [N, cells, classes]
and [N, cells, 4 * bins], with distances from the cell's centre.
Source: X. Li et al., "Generalized Focal Loss", NeurIPS 2020; RangiLyu/nanodet, nanodet_plus_head.py (centre priors) and
config/nanodet-plus-m_416.yml (normalisation, BGR); G. Yu et al., "PP-PicoDet", arXiv:2111.00902.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.boxes import Floats
from models.errors import InferenceError, ModelConfigError
from models.families.candidates import Candidates, count_broken, select_detections, softmax, threshold_of
from models.families.config import IMAGENET, Defaults
from models.families.family import FamilySection, Preset, Reader, Spec
from models.families.grids import cells_of_strides
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Signature, Tensor, only_frame
from models.letterbox import Letterbox
from models.results import Results, Selection

STRIDES = (8, 16, 32, 64)
EDGES = 4


class Nanodet:
    """Reads one model of this family. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["NanodetConfig"]) -> None:
        self._output, self._labels, self._bins = spec.output, spec.labels, spec.family.bins
        self.picture = PictureInput(spec.input, spec.signature)
        cells, self._strides = cells_of_strides(spec.input.size_wh, STRIDES)
        self._centres_xy = (cells + np.float32(spec.family.cell_centre)) * self._strides[:, None]
        classes, distances = len(spec.labels), EDGES * spec.family.bins
        if len(spec.signature.outputs) == 1:
            layout = Tensor("float32", (None, len(cells), classes + distances))
            self._joined: tuple[str, Tensor] | None = spec.signature.expect_one_output(layout)
            return
        self._joined = None
        self._classes = _grids_of(spec.signature, classes)
        self._distances = _grids_of(spec.signature, distances)
        if classes == distances:
            raise ModelConfigError(f"{classes} labels: the outputs of classes and of distances cannot be told apart.")

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections; see `select_detections`. Only boxes over the threshold are decoded.

        A candidate with a NaN or an infinity is dropped and counted. Raises InferenceError for outputs of another
        shape.
        """
        levels, distances = self._split(outputs)
        indices = np.flatnonzero(levels >= threshold_of(self._output, selection))
        cells, class_ids = np.divmod(indices, levels.shape[1])
        read = Candidates(self._boxes_xyxy(distances, cells), class_ids, levels.take(indices)).finite()
        candidates = read.without(count_broken(distances, levels)).on_picture(letterbox)
        return select_detections(candidates, self._labels, self._output, selection)

    def _split(self, outputs: Outputs) -> tuple[Floats, Floats]:
        """Return the classes [cells, classes] and the logits of the distances [cells, 4 * bins]."""
        if self._joined:
            rows = only_frame(outputs, *self._joined)
            return rows[:, : len(self._labels)], rows[:, len(self._labels) :]
        levels, distances = (
            np.concatenate(sorted((only_frame(outputs, *tensor) for tensor in tensors), key=len, reverse=True))
            for tensors in (self._classes, self._distances)
        )
        if not len(levels) == len(distances) == len(self._strides):
            raise InferenceError("The model's outputs have another number of cells than the canvas of model.yaml.")
        return levels, distances

    def _boxes_xyxy(self, distances: Floats, cells: NDArray[np.intp]) -> Floats:
        """Return the boxes [N, 4] of these cells [N], in pixels of the canvas."""
        likely = softmax(distances[cells].reshape(-1, EDGES, self._bins))
        lengths = likely @ np.arange(self._bins, dtype=np.float32) * self._strides[cells, None]
        centres_xy = self._centres_xy[cells]
        return np.concatenate([centres_xy - lengths[:, :2], centres_xy + lengths[:, 2:]], axis=1)


class NanodetConfig(FamilySection):
    """The `family` section of model.yaml for this family.

    `bins`: of each distance. `cell_centre`: where in a cell distances begin, as a share of its side.
    """

    reads: ClassVar[Reader] = Nanodet
    input_defaults: ClassVar[Defaults] = {
        "colour_order": "bgr",
        "mean": (103.53, 116.28, 123.675),
        "std": (57.375, 57.12, 58.395),
    }
    output_defaults: ClassVar[Defaults] = {"confidence_threshold": 0.4, "iou_threshold": 0.6}
    presets: ClassVar[Mapping[str, Preset]] = {
        "picodet": Preset({"cell_centre": 0.5}, {**IMAGENET, "colour_order": "rgb"}),
    }

    name: Literal["nanodet"]
    preset: str | None = None
    bins: Annotated[int, Field(ge=2, le=64)] = 8
    cell_centre: Annotated[float, Field(ge=0, le=1)] = 0


def _grids_of(signature: Signature, width: int) -> list[tuple[str, Tensor]]:
    """Return name and layout of the outputs whose last axis is `width`.

    Raises ModelConfigError if there is not one for each grid.
    """
    found = [name for name, tensor in signature.outputs.items() if tensor.fits(_layout(width))]
    if len(found) != len(STRIDES):
        got = ", ".join(f"{name} {tensor}" for name, tensor in signature.outputs.items()) or "none"
        raise ModelConfigError(f"expected {len(STRIDES)} outputs {_layout(width)}, one for each grid, got {got}.")
    return [(name, _layout(width)) for name in found]


def _layout(width: int) -> Tensor:
    return Tensor("float32", (None, None, width))
