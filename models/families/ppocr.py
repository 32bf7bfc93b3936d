"""Readers of text: the PP-OCR pipeline as the package rapidocr brings it, weights included.

It finds lines, turns those that stand on their head, and reads each. Layout, as models/backends/rapidocr.py runs it:
one input, uint8 [1, height, width, 3] BGR; outputs `quads` float32 [lines, 4, 2], the corners of each line in pixels of
the input, lines from top to bottom, then from left to right; `confidences` float32 [lines], 0..1, of the reading; `values`
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
"""All that is told of the place of a line."""
TEXT = 0
"""The class id of the one label."""


class Ppocr:
    """Reads the pipeline."""

    def __init__(self, spec: Spec["PpocrConfig"]) -> None:
        """Check that the pipeline is laid out as this family reads it; raises ModelConfigError if not."""
        self._output, self._language = spec.output, spec.family.language
        self.picture = PictureInput(spec.input, spec.signature)
        spec.signature.expect_output("quads", Tensor("float32", (None, 4, 2)))
        spec.signature.expect_output("confidences", Tensor("float32", (None,)))
        spec.signature.expect_output("values", Tensor("str", (None,)))

    def postprocess(self, outputs: Outputs, placed: Letterbox, selection: Selection) -> Results:
        """Keep the most confident lines, in reading order, each in the upright box around it, clipped.

        Lines without a letter or without an extent inside the picture are dropped; those with a value that is no
        number are dropped and counted.
        """
        quads_xy, confidences, values = outputs["quads"], outputs["confidences"], outputs["values"]
        boxes_xyxy = placed.to_picture(np.concatenate([quads_xy.min(axis=1), quads_xy.max(axis=1)], axis=1))
        finite = np.isfinite(confidences) & np.isfinite(boxes_xyxy).all(axis=1)
        left, top, right, bottom = boxes_xyxy.clip(0, 1).T
        told = finite & (confidences >= threshold_of(self._output, selection)) & (left < right) & (top < bottom)
        told &= np.array([bool(value.strip()) for value in values], np.bool_)
        if selection.class_ids is not None and TEXT not in selection.class_ids:
            told[:] = False
        chosen = self._most_confident(told, confidences, selection)
        rows = zip(values[chosen].tolist(), confidences[chosen].tolist(), boxes_xyxy[chosen].clip(0, 1), strict=True)
        lines = tuple(self._line(*row) for row in rows)
        return Results(dropped=int(np.count_nonzero(~finite)), lines=lines)

    def _most_confident(self, told: NDArray[np.bool_], confidences: Floats, selection: Selection) -> NDArray[np.intp]:
        """Return, in reading order, the places of as many lines as may be told."""
        places = np.flatnonzero(told)
        best = np.argsort(-confidences[places], kind="stable")[: count_of(self._output, selection)]
        return np.sort(places[best])

    def _line(self, value: str, confidence: float, box_xyxy: Floats) -> TextLine:
        left, top, right, bottom = box_xyxy.tolist()
        place = Detection(LABELS[TEXT], TEXT, min(confidence, 1.0), (left, top, right, bottom))
        return TextLine(value, place, self._language)


class PpocrConfig(FamilySection):
    """The `family` section of model.yaml for this family.

    `language`: the BCP 47 tag to put on every line. The weights read Chinese, Japanese and the languages that are
    written in Latin letters, and do not tell which it was.
    """

    reads: ClassVar[Reader] = Ppocr
    inference_types: ClassVar[tuple[InferenceType, ...]] = ("entity", "text")
    input_defaults: ClassVar[Defaults] = {"size_wh": (1280, 1280), "resize": "within", "colour_order": "bgr"}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": None}

    name: Literal["ppocr"]
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$")] | None = None
