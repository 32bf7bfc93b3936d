"""Detectors that give circles: one float32 output [N, circles, 4], centre x and y and radius in pixels, confidence."""

from typing import ClassVar, Literal

import numpy as np

from models.families import FamilySection, OutputConfig, Outputs, Spec, Tensor
from models.families.candidates import Candidates, select_detections, threshold_of
from models.families.preprocessing import PictureInput
from models.families.signature import only_frame
from models.letterbox import Letterbox
from models.results import Results, Selection


class Circles:
    """Reads one model of this family. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["CirclesConfig"]) -> None:
        self.picture = PictureInput(spec.input, spec.signature)
        self._labels: tuple[str, ...] = spec.labels
        self._output: OutputConfig = spec.output
        self._circles = spec.signature.expect_one_output(Tensor("float32", (None, None, 4)))

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the upright box around each selected circle. A circle with a NaN or an infinity is dropped."""
        circles = only_frame(outputs, *self._circles)
        finite = np.isfinite(circles).all(axis=1)
        chosen = circles[finite & (circles[:, 3] >= threshold_of(self._output, selection))]
        centres, radii = chosen[:, :2], chosen[:, 2:3]
        boxes_xyxy = np.concatenate([centres - radii, centres + radii], axis=1)
        candidates = Candidates(boxes_xyxy, np.zeros(len(chosen), np.intp), chosen[:, 3])
        candidates = candidates.without(int(np.count_nonzero(~finite))).on_picture(letterbox)
        return select_detections(candidates, self._labels, self._output, selection)


class CirclesConfig(FamilySection):
    """The `family` section of model.yaml for this family."""

    reads: ClassVar = Circles
    input_defaults: ClassVar = {"resize": "letterbox", "padding": 0, "scale": 1 / 255}

    name: Literal["circles"]
