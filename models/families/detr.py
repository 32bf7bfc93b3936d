"""Detectors that answer a fixed number of queries, each with one box: DETR and its kin. No overlaps are suppressed.

Two layouts, told apart by the output `scores`:

- `logits` [N, queries, classes] and `pred_boxes` [N, queries, 4], centre x, centre y, width and height in shares of the
  canvas: Hugging Face's exporter (optimum) for DETR, Deformable DETR, RT-DETR, D-FINE. RF-DETR's own exporter calls
  them `labels` and `dets`; the models' own code calls the first `pred_logits`. Deformable DETR and all that came after
  it were trained with a sigmoid for each class; DETR with a softmax over the classes and, last, one for "no object".
- `labels` int64 [N, queries], `boxes` [N, queries, 4], corners, and `scores` [N, queries]: what the deploy exports of
  RT-DETR and D-FINE give (tools/export_onnx.py of both). The corners are scaled to a second input `orig_target_sizes`,
  int64 [N, 2], width and height, which is fed the canvas's size.

RF-DETR has a logit for each of COCO's ids 0 to 90, whether used or not: its labels file has 91 lines.
Source: N. Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020; X. Zhu et al., "Deformable DETR",
ICLR 2021; Y. Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", CVPR 2024.
"""

from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats, xyxy_from_cxcywh
from models.families.candidates import Candidates, best_of_logits, count_broken, softmax, threshold_of, told
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Signature, Tensor
from models.letterbox import Letterbox
from models.results import Results, Selection

LOGITS_NAMES = ("logits", "pred_logits", "labels")
BOXES_NAMES = ("pred_boxes", "dets", "boxes")
SIZES_INPUT = "orig_target_sizes"
FOUR_NUMBERS = (None, None, 4)

Activation = Literal["sigmoid", "softmax"]


class Detr:
    """Reads one detector of this kind."""

    def __init__(self, spec: Spec["DetrConfig"]) -> None:
        """Check that the file is laid out as this family reads it; raises ModelConfigError if not."""
        self._output, self._labels = spec.output, spec.labels
        self._head: Head
        if "scores" in spec.signature.outputs:
            self.picture = PictureInput(spec.input, spec.signature, {SIZES_INPUT: _canvas_wh})
            self._head = DecodedHead(spec.signature, len(spec.labels))
        else:
            self.picture = PictureInput(spec.input, spec.signature)
            self._head = RawHead(spec.signature, len(spec.labels), spec.family.activation)

    def postprocess(self, outputs: Outputs, placed: Letterbox, selection: Selection) -> Results:
        """Keep the selected candidates, clip them, and sort by falling confidence; broken ones are counted."""
        found, broken = self._head.read(outputs, placed, threshold_of(self._output, selection))
        return Results(told(found, self._labels, self._output, selection), broken)


class DetrConfig(FamilySection):
    """The `family` section of model.yaml for this family.

    `activation`: what makes confidences of logits; softmax means that the last of them is "no object".
    """

    reads: ClassVar[Reader] = Detr
    input_defaults: ClassVar[Defaults] = {"scale": 1 / 255}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": None}

    name: Literal["detr"]
    activation: Activation = "sigmoid"


class Head(Protocol):
    """One of the layouts."""

    def read(self, outputs: Outputs, placed: Letterbox, threshold: float) -> tuple[Candidates, int]:
        """Return the candidates over the threshold, boxes in shares of the picture, and how many are broken."""
        ...


class RawHead:
    """Logits, and boxes in shares of the canvas."""

    def __init__(self, signature: Signature, classes: int, activation: Activation) -> None:
        """Find the outputs by their documented names; raises ModelConfigError when they are laid out otherwise."""
        self._one_a_query = activation == "softmax"
        self._logits_name = _first_of(LOGITS_NAMES, signature)
        self._boxes_name = _first_of(BOXES_NAMES, signature)
        logits = classes + 1 if self._one_a_query else classes
        signature.expect_output(self._logits_name, Tensor("float32", (None, None, logits)))
        signature.expect_output(self._boxes_name, Tensor("float32", FOUR_NUMBERS))

    def read(self, outputs: Outputs, placed: Letterbox, threshold: float) -> tuple[Candidates, int]:
        """Take every class of a query that is likely enough; after a softmax, its likeliest alone."""
        logits, boxes_cxcywh = outputs[self._logits_name][0], outputs[self._boxes_name][0]
        choose = _likeliest if self._one_a_query else _all_likely
        found, broken = choose(boxes_cxcywh, logits, threshold)
        return found.on_picture_from_shares(placed), broken


class DecodedHead:
    """One class and one confidence for each query, boxes in pixels of the canvas, whose size the model is told."""

    def __init__(self, signature: Signature, classes: int) -> None:
        """Check the outputs, and the input that takes the size; raises ModelConfigError."""
        self._classes = classes
        signature.expect_named_input(SIZES_INPUT, Tensor("int64", (None, 2)))
        signature.expect_output("labels", Tensor("int64", (None, None)))
        signature.expect_output("boxes", Tensor("float32", FOUR_NUMBERS))
        signature.expect_output("scores", Tensor("float32", (None, None)))

    def read(self, outputs: Outputs, placed: Letterbox, threshold: float) -> tuple[Candidates, int]:
        """Take the queries that are sure enough. A class without a label is as broken as a value that is no number."""
        class_ids, boxes_px, scores = (outputs[name][0] for name in ("labels", "boxes", "scores"))
        sound = Candidates(boxes_px, class_ids, scores).at((class_ids >= 0) & (class_ids < self._classes)).finite()
        found = sound.at(sound.levels >= threshold)
        return found.on_picture(placed), len(scores) - len(sound.levels)


def _canvas_wh(placed: Letterbox) -> NDArray[np.int64]:
    return np.array([placed.canvas_wh], np.int64)


def _all_likely(boxes_cxcywh: Floats, logits: Floats, threshold: float) -> tuple[Candidates, int]:
    """Return every class of every query over the threshold after a sigmoid, and how many have a broken value."""
    return best_of_logits(xyxy_from_cxcywh(boxes_cxcywh), logits, threshold), count_broken(boxes_cxcywh, logits)


def _likeliest(boxes_cxcywh: Floats, logits: Floats, threshold: float) -> tuple[Candidates, int]:
    """Return each query's likeliest class over the threshold after a softmax, and how many queries are broken.

    Where "no object" is likelier still, the class can only be under 0.5. One broken logit breaks the whole query.
    """
    finite = np.isfinite(logits).all(axis=1) & np.isfinite(boxes_cxcywh).all(axis=1)
    confidences = softmax(logits[finite])[:, :-1]
    found = Candidates(xyxy_from_cxcywh(boxes_cxcywh[finite]), confidences.argmax(axis=1), confidences.max(axis=1))
    return found.at(found.levels >= threshold), int(finite.size - np.count_nonzero(finite))


def _first_of(names: tuple[str, ...], signature: Signature) -> str:
    """Return the first of these names that an output has, or just the first, which will then be missed."""
    return next((name for name in names if name in signature.outputs), names[0])
