"""Readers of text: the PP-OCR pipeline of the package rapidocr, weights included.

It finds lines, turns those that are upside down, and reads each. Layout, as models/backends/rapidocr.py runs it: one
input, uint8 [1, height, width, 3] BGR; outputs `quads` float32 [lines, 4, 2], the corners of each line in pixels of the
input, lines from top to bottom, then from left to right; `confidences` float32 [lines], 0..1, of the reading; `values`
str [lines].
Source: C. Cui et al., "PaddleOCR 3.0 Technical Report", 2025, and rapidocr 3.10.
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.boxes import Floats
from models.families.candidates import count_of, threshold_of
from models.families.config import Defaults, InferenceType
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Tensor
from models.letterbox import Letterbox
from models.results import Detection, Results, Selection, TextLine

LABELS = ("text",)
"""The label of every line's place."""
TEXT = 0
"""The class id of the one label."""


class Ppocr:
    """Reads the outputs of the pipeline. Raises ModelConfigError if they have another layout."""

    def __init__(self, spec: Spec["PpocrConfig"]) -> None:
        self._output, self._language = spec.output, spec.family.language
        self.picture = PictureInput(spec.input, spec.signature)
        spec.signature.expect_output("quads", Tensor("float32", (None, 4, 2)))
        spec.signature.expect_output("confidences", Tensor("float32", (None,)))
        spec.signature.expect_output("values", Tensor("str", (None,)))

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the most confident lines, in reading order, each with the upright box around it, clipped.

        Blank lines and lines outside the picture are dropped; lines with a NaN or an infinity are dropped and counted.
        """
        quads_xy, confidences, values = outputs["quads"], outputs["confidences"], outputs["values"]
        boxes_xyxy = letterbox.to_picture(np.concatenate([quads_xy.min(axis=1), quads_xy.max(axis=1)], axis=1))
        finite = np.isfinite(confidences) & np.isfinite(boxes_xyxy).all(axis=1)
        left, top, right, bottom = boxes_xyxy.clip(0, 1).T
        reported = finite & (confidences >= threshold_of(self._output, selection)) & (left < right) & (top < bottom)
        reported &= np.array([bool(value.strip()) for value in values], np.bool_)
        if selection.class_ids is not None and TEXT not in selection.class_ids:
            reported[:] = False
        chosen = self._most_confident(reported, confidences, selection)
        rows = zip(values[chosen].tolist(), confidences[chosen].tolist(), boxes_xyxy[chosen].clip(0, 1), strict=True)
        lines = tuple(self._line(*row) for row in rows)
        return Results(dropped=int(np.count_nonzero(~finite)), lines=lines)

    def _most_confident(
        self, reported: NDArray[np.bool_], confidences: Floats, selection: Selection
    ) -> NDArray[np.intp]:
        """Return the indices of the most confident reported lines, at most the largest number allowed, ascending."""
        indices = np.flatnonzero(reported)
        best = np.argsort(-confidences[indices], kind="stable")[: count_of(self._output, selection)]
        return np.sort(indices[best])

    def _line(self, value: str, confidence: float, box_xyxy: Floats) -> TextLine:
        left, top, right, bottom = box_xyxy.tolist()
        place = Detection(LABELS[TEXT], TEXT, min(confidence, 1.0), (left, top, right, bottom))
        return TextLine(value, place, self._language)


class PpocrConfig(FamilySection):
    """The `family` section of model.yaml for this family.

    `language`: the BCP 47 tag to report with every line. The weights read Chinese, Japanese and languages in Latin
    script, and do not report which one it was.
    """

    reads: ClassVar[Reader] = Ppocr
    inference_types: ClassVar[tuple[InferenceType, ...]] = ("entity", "text")
    input_defaults: ClassVar[Defaults] = {"size_wh": (1280, 1280), "resize": "within", "colour_order": "bgr"}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": None}

    name: Literal["ppocr"]
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$")] | None = None
