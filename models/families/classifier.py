"""Classifiers: one confidence for each class, for the picture as a whole.

Layout, as the ImageNet classifiers of torchvision, timm, Keras and the ONNX model zoo are exported: one picture, its
centre cropped, and one output float32 [N, classes]; some keep the axes of the last pooling, [N, classes, 1, 1], or lack
the batch axis. Azure Custom Vision gives a map from names to probabilities. Outputs of other shapes are not read.
The output holds probabilities, or logits that need a softmax (one class applies) or a sigmoid (any number of them).
The centre crop shows 0.875 of the shorter side: 224 of 256 pixels, as in A. Krizhevsky et al., "ImageNet Classification
with Deep Convolutional Neural Networks", NeurIPS 2012, and in most later work.
"""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from models.boxes import Floats
from models.errors import InferenceError
from models.families.candidates import count_of, sigmoid, softmax, threshold_of
from models.families.config import Defaults, InferenceType
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Tensor
from models.letterbox import Letterbox
from models.results import Classification, Results, Selection

NAMED = "seq(map(string,tensor(float)))"
"""Type of an output that names its classes, as scikit-learn's and Azure Custom Vision's exports have."""


class Classifier:
    """Reads one classifier. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["ClassifierConfig"]) -> None:
        self._output, self._labels = spec.output, spec.labels
        self._activation = spec.family.activation
        self.picture = PictureInput(spec.input, spec.signature)
        classes = len(spec.labels)
        shapes = (None, classes), (None, classes, 1, 1), (None, 1, 1, classes), (classes,)
        layouts = (Tensor("float32", shape) for shape in shapes)
        self._classes_name, _ = spec.signature.expect_one_output(*layouts, Tensor(NAMED, ()))

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:  # noqa: ARG002  # no boxes
        """Return the selected classes, most confident first; equally confident ones in the order of their ids.

        A NaN or an infinity is dropped and counted; the softmax is then over the other classes. Raises InferenceError
        for names that are no labels.
        """
        levels = self._levels(outputs[self._classes_name])
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
        highest = float(levels[class_ids].max(initial=0)) if self._activation == "none" else 0.0
        return Results(classifications=classifications, dropped=levels.size - class_ids.size, highest=highest)

    def _levels(self, output: NDArray[np.float32] | list[dict[str, float]]) -> Floats:
        """Return the value of each class [classes]; of one that the file does not name, 0.

        Raises InferenceError if the file names a class that has no label.
        """
        if isinstance(output, list):
            unknown = output[0].keys() - set(self._labels)
            if unknown:
                raise InferenceError(f"The model names a class that is no label: {min(unknown)!a:.60}.")
            return np.array([output[0].get(label, 0) for label in self._labels], np.float32)
        return output.reshape(-1)

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
    fits_many_files: ClassVar[bool] = True
    inference_types: ClassVar[tuple[InferenceType, ...]] = ("classification",)
    input_defaults: ClassVar[Defaults] = {"resize": "centre_crop", "crop_share": 0.875}
    output_defaults: ClassVar[Defaults] = {"confidence_threshold": 0.2, "iou_threshold": None, "max_detections": 5}

    name: Literal["classifier"]
    activation: Literal["softmax", "sigmoid", "none"] = "none"
