"""Models that turn a picture into a vector: for recognising again what was seen before, and for search.

Layout, as re-identification, face and image encoders are exported: one picture, and one float32 output [N, length] or
[N, length, 1, 1]. Vectors are compared by their cosine, so that they are scaled to length 1 unless model.yaml says
otherwise. The picture is normalised as for ImageNet, like the backbones of most of these models.
Source: OpenCV Model Zoo, person_reid_youtureid; H. Luo et al., "Bag of Tricks for Deep Person Re-Identification", 2019.
"""

from typing import ClassVar, Literal

import numpy as np

from models.families.config import IMAGENET, Defaults, InferenceType
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Tensor
from models.letterbox import Letterbox
from models.results import Embedding, Results, Selection


class Embedder:
    """Reads one model of this family. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["EmbeddingConfig"]) -> None:
        self._is_scaled = spec.family.normalise
        self.picture = PictureInput(spec.input, spec.signature)
        shapes = (None, None), (None, None, 1, 1)
        self._name, _ = spec.signature.expect_one_output(*(Tensor("float32", shape) for shape in shapes))

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:  # noqa: ARG002  # nothing to select
        """Return the vector. One with a NaN or an infinity, or one of length 0 to be scaled, is dropped and counted."""
        vector = np.asarray(outputs[self._name][0].reshape(-1), np.float64)
        length = float(np.linalg.norm(vector)) if np.isfinite(vector).all() else 0.0
        if not np.isfinite(vector).all() or (self._is_scaled and not length):
            return Results(dropped=1)
        scaled = vector / length if self._is_scaled else vector
        return Results(embeddings=(Embedding(scaled.astype("<f4").tobytes()),))


class EmbeddingConfig(FamilySection):
    """The `family` section of model.yaml for this family. `normalise`: scale vectors to length 1."""

    reads: ClassVar[Reader] = Embedder
    fits_many_files: ClassVar[bool] = True
    inference_types: ClassVar[tuple[InferenceType, ...]] = ("other",)
    has_labels: ClassVar[bool] = False
    input_defaults: ClassVar[Defaults] = IMAGENET
    output_defaults: ClassVar[Defaults] = {"iou_threshold": None}

    name: Literal["embedding"]
    normalise: bool = True
