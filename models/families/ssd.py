"""Detectors that give decoded boxes and class scores: the SSD meta-architecture.

Layout, as the TensorFlow object detection zoo's SSD models export it once their anchors are decoded in the graph:
one float32 input [N, 3, height, width], RGB 0..255 (normalisation inside), the picture stretched to the input size;
outputs `boxes` [N, anchors, 4], corners relative to the picture, and `scores` [N, anchors, classes] after a sigmoid.
Prepared models (docs/adr/0006-prepared-graphs.md) differ at the edges: the input is uint8 [N, height, width, 3], and
the second output is `logits`, the scores before the sigmoid. Each may be either way.
Source: W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016.
"""

from typing import ClassVar, Literal

from models.families.candidates import best_of_logits, best_of_scores, count_broken, threshold_of, told
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Tensor
from models.letterbox import Letterbox
from models.results import Results, Selection


class Ssd:
    """Reads one SSD model."""

    def __init__(self, spec: Spec["SsdConfig"]) -> None:
        """Check that the file is laid out as this family reads it; raises ModelConfigError if not."""
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature)
        self._gives_logits = "logits" in spec.signature.outputs
        self._classes_name = "logits" if self._gives_logits else "scores"
        spec.signature.expect_output("boxes", Tensor("float32", (None, None, 4)))
        spec.signature.expect_output(self._classes_name, Tensor("float32", (None, None, len(spec.labels))))

    def postprocess(self, outputs: Outputs, placed: Letterbox, selection: Selection) -> Results:
        """Keep the selected candidates, clip them, suppress overlaps per class, and sort by falling confidence.

        A candidate with a value that is no number is dropped and counted. Only candidates over the threshold cost more
        than two comparisons.
        """
        boxes_xyxy, levels = outputs["boxes"][0], outputs[self._classes_name][0]
        choose = best_of_logits if self._gives_logits else best_of_scores
        found = choose(boxes_xyxy, levels, threshold_of(self._output, selection))
        found = found.on_picture_from_shares(placed)
        return Results(told(found, self._labels, self._output, selection), count_broken(boxes_xyxy, levels))


class SsdConfig(FamilySection):
    """The `family` section of model.yaml for this family."""

    reads: ClassVar[Reader] = Ssd
    logits: ClassVar[tuple[str, str] | None] = ("scores", "logits")

    name: Literal["ssd"]
