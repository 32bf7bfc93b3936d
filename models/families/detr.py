"""Detectors with a fixed number of queries, each answered by one box: DETR and its descendants. They need no NMS.

Two layouts, distinguished by the output `scores`:

- `logits` [N, queries, classes] and `pred_boxes` [N, queries, 4], centre x, centre y, width and height in shares of the
  canvas: Hugging Face's exporter (optimum) for DETR, Deformable DETR, RT-DETR, D-FINE. RF-DETR's own exporter calls
  them `labels` and `dets`; the models' own code calls the first `pred_logits`. optimum's DETR also takes a
  `pixel_mask`. Deformable DETR and its successors were trained with a sigmoid for each class; DETR with a softmax over
  the classes and a last one, "no object".
- `labels` int64 [N, queries], `boxes` [N, queries, 4], corners, and `scores` [N, queries]: the deploy exports of
  RT-DETR and D-FINE (tools/export_onnx.py of both). The graph scales the corners to a second input
  `orig_target_sizes`, int64 [N, 2], width and height; we feed it the canvas's size.

RF-DETR has a logit for each of COCO's ids 0 to 90, used or not: its labels file has 91 lines.
Source: N. Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020; X. Zhu et al., "Deformable DETR",
ICLR 2021; Y. Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", CVPR 2024.
"""

from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats, xyxy_from_cxcywh
from models.families.candidates import (
    Candidates,
    candidates_from_logits,
    count_broken,
    refuse_unequal,
    select_detections,
    softmax,
    threshold_of,
)
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Signature, Tensor
from models.letterbox import Letterbox
from models.results import Results, Selection

LOGITS_NAMES = ("logits", "pred_logits", "labels")
BOXES_NAMES = ("pred_boxes", "dets", "boxes")
SIZES_INPUT, MASK_INPUT = "orig_target_sizes", "pixel_mask"
FOUR_NUMBERS = (None, None, 4)

Activation = Literal["sigmoid", "softmax"]


class Detr:
    """Reads one detector of this kind. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["DetrConfig"]) -> None:
        self._output, self._labels = spec.output, spec.labels
        self._head: Head
        if "scores" in spec.signature.outputs:
            self.picture = PictureInput(spec.input, spec.signature, {SIZES_INPUT: _canvas_wh})
            self._head = DecodedHead(spec.signature, len(spec.labels))
        else:
            masks = {MASK_INPUT: _all_shown} if MASK_INPUT in spec.signature.inputs else {}
            if masks:
                spec.signature.expect_named_input(MASK_INPUT, Tensor("int64", (None, None, None)))
            self.picture = PictureInput(spec.input, spec.signature, masks)
            self._head = RawHead(spec.signature, len(spec.labels), spec.family.activation)

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections; see `select_detections`.

        Dropped and counted: a candidate with a NaN or an infinity (after a softmax, the whole query), and in the second
        layout a query whose class has no label.
        """
        candidates, broken = self._head.read(outputs, letterbox, threshold_of(self._output, selection))
        return select_detections(candidates.without(broken), self._labels, self._output, selection)


class DetrConfig(FamilySection):
    """The `family` section of model.yaml for this family.

    `activation`: turns logits into confidences; with softmax, the last logit is "no object".
    """

    reads: ClassVar[Reader] = Detr
    finds_outputs_by_name: ClassVar[bool] = True
    input_defaults: ClassVar[Defaults] = {"scale": 1 / 255}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": None}

    name: Literal["detr"]
    activation: Activation = "sigmoid"


class Head(Protocol):
    """Reads one of the two layouts."""

    def read(self, outputs: Outputs, letterbox: Letterbox, threshold: float) -> tuple[Candidates, int]:
        """Return the candidates over the threshold, boxes in shares of the picture, and the number of broken ones."""
        ...


class RawHead:
    """Logits, and boxes in shares of the canvas.

    Finds the outputs by their documented names. Raises ModelConfigError if they have another layout.
    """

    def __init__(self, signature: Signature, classes: int, activation: Activation) -> None:
        self._one_class_a_query = activation == "softmax"
        self._logits_name = _first_of(LOGITS_NAMES, signature)
        self._boxes_name = _first_of(BOXES_NAMES, signature)
        logits = classes + 1 if self._one_class_a_query else classes
        signature.expect_output(self._logits_name, Tensor("float32", (None, None, logits)))
        signature.expect_output(self._boxes_name, Tensor("float32", FOUR_NUMBERS))

    def read(self, outputs: Outputs, letterbox: Letterbox, threshold: float) -> tuple[Candidates, int]:
        """Return every class of a query over the threshold; after a softmax, only its likeliest class."""
        logits, boxes_cxcywh = outputs[self._logits_name][0], outputs[self._boxes_name][0]
        refuse_unequal(boxes_cxcywh, logits)
        choose = _likeliest if self._one_class_a_query else _all_likely
        candidates, broken = choose(boxes_cxcywh, logits, threshold)
        return candidates.on_picture_from_shares(letterbox), broken


class DecodedHead:
    """One class and one confidence for each query, and boxes in pixels of the canvas, whose size the model is fed.

    Raises ModelConfigError if the outputs, or the input that takes the size, have another layout.
    """

    def __init__(self, signature: Signature, classes: int) -> None:
        self._classes = classes
        signature.expect_named_input(SIZES_INPUT, Tensor("int64", (None, 2)))
        signature.expect_output("labels", Tensor("int64", (None, None)))
        signature.expect_output("boxes", Tensor("float32", FOUR_NUMBERS))
        signature.expect_output("scores", Tensor("float32", (None, None)))

    def read(self, outputs: Outputs, letterbox: Letterbox, threshold: float) -> tuple[Candidates, int]:
        """Return the queries over the threshold. A class without a label counts as broken, like a NaN."""
        class_ids, boxes_px, scores = (outputs[name][0] for name in ("labels", "boxes", "scores"))
        refuse_unequal(boxes_px, class_ids, scores)
        valid = Candidates(boxes_px, class_ids, scores).at((class_ids >= 0) & (class_ids < self._classes)).finite()
        confident = valid.at(valid.levels >= threshold)
        return confident.on_picture(letterbox), len(scores) - len(valid.levels)


def _canvas_wh(letterbox: Letterbox) -> NDArray[np.int64]:
    return np.array([letterbox.canvas_wh], np.int64)


def _all_shown(letterbox: Letterbox) -> NDArray[np.int64]:
    """Return a mask [1, height, width] that hides nothing of the canvas."""
    return np.ones((1, *letterbox.canvas_wh[::-1]), np.int64)


def _all_likely(boxes_cxcywh: Floats, logits: Floats, threshold: float) -> tuple[Candidates, int]:
    """Return each class of each query over the threshold after a sigmoid, and how many have a NaN or an infinity.

    `boxes_cxcywh` [queries, 4] in shares of the canvas, `logits` [queries, classes].
    """
    return candidates_from_logits(xyxy_from_cxcywh(boxes_cxcywh), logits, threshold), count_broken(boxes_cxcywh, logits)


def _likeliest(boxes_cxcywh: Floats, logits: Floats, threshold: float) -> tuple[Candidates, int]:
    """Return each query's likeliest class if over the threshold after a softmax, and how many queries are broken.

    `boxes_cxcywh` [queries, 4] in shares of the canvas, `logits` [queries, classes + 1], the last one "no object". If
    "no object" is likelier, the class is under 0.5. One broken logit breaks the whole query.
    """
    finite = np.isfinite(logits).all(axis=1) & np.isfinite(boxes_cxcywh).all(axis=1)
    confidences = softmax(logits[finite])[:, :-1]
    boxes_xyxy = xyxy_from_cxcywh(boxes_cxcywh[finite])
    likeliest = Candidates(boxes_xyxy, confidences.argmax(axis=1), confidences.max(axis=1))
    return likeliest.at(likeliest.levels >= threshold), int(finite.size - np.count_nonzero(finite))


def _first_of(names: tuple[str, ...], signature: Signature) -> str:
    """Return the first of these names that an output has; else names[0], which the check then reports as missing."""
    return next((name for name in names if name in signature.outputs), names[0])
