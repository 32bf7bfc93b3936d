"""Classifiers: one confidence for each class, for the picture as a whole.

Layout, as the ImageNet classifiers of torchvision, timm, Keras and the ONNX model zoo are exported: one picture, its
centre cropped, and one output float32 [N, classes]; some keep the axes of the last pooling, [N, classes, 1, 1].
The output holds probabilities, or logits that need a softmax (one class applies) or a sigmoid (any number of them).
The centre crop shows 0.875 of the shorter side: 224 of 256 pixels, as in A. Krizhevsky et al., "ImageNet Classification
with Deep Convolutional Neural Networks", NeurIPS 2012, and in most later work.
"""

from typing import ClassVar, Literal

import numpy as np

from models.boxes import Floats
from models.families.candidates import count_of, sigmoid, softmax, threshold_of
from models.families.config import Defaults, InferenceType
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Tensor
from models.letterbox import Letterbox
from models.results import Classification, Results, Selection


class Classifier:
    """Reads one classifier. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["ClassifierConfig"]) -> None:
        self._output, self._labels = spec.output, spec.labels
        self._activation = spec.family.activation
        self.picture = PictureInput(spec.input, spec.signature)
        shapes = ((None, len(spec.labels)), (None, len(spec.labels), 1, 1))
        self._classes_name, _ = spec.signature.expect_one_output(*(Tensor("float32", shape) for shape in shapes))

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:  # noqa: ARG002  # no boxes
        """Return the selected classes, most confident first; equally confident ones in the order of their ids.

        A NaN or an infinity is dropped and counted; the softmax is then over the other classes.
        """
        levels = outputs[self._classes_name][0].reshape(-1)
        class_ids = np.flatnonzero(np.isfinite(levels))
        confidences = self._confidences(levels[class_ids])
        chosen = confidences >= threshold_of(self._output, selection)
        if selection.class_ids is not None:
            chosen &= np.isin(class_ids, list(selection.class_ids))
        order = np.flatnonzero(chosen)[np.argsort(-confidences[chosen], kind="stable")]
        best = order[: count_of(self._output, selection)]
        rows = zip(class_ids[best].tolist(), confidences[best].tolist(), strict=True)
        classifications = tuple(
            Classification(self._labels[class_id], class_id, confidence) for class_id, confidence in rows
        )
        return Results(classifications=classifications, dropped=levels.size - class_ids.size)

    def _confidences(self, levels: Floats) -> Floats:
        """Return the confidences [N], 0..1, of the finite outputs [N] of N classes."""
        match self._activation:
            case "softmax":
                return softmax(levels)
            case "sigmoid":
                return sigmoid(levels)
            case _:
                return np.clip(levels, 0, 1)


class ClassifierConfig(FamilySection):
    """The `family` section of model.yaml for this family.

    `activation`: turns the file's output into confidences; none if it holds confidences already.
    """

    reads: ClassVar[Reader] = Classifier
    inference_types: ClassVar[tuple[InferenceType, ...]] = ("classification",)
    input_defaults: ClassVar[Defaults] = {"resize": "centre_crop", "crop_share": 0.875}
    output_defaults: ClassVar[Defaults] = {"confidence_threshold": 0.2, "iou_threshold": None, "max_detections": 5}

    name: Literal["classifier"]
    activation: Literal["softmax", "sigmoid", "none"] = "none"
