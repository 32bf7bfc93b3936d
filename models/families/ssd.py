"""Detectors whose outputs are decoded boxes and class scores: the SSD meta-architecture.

Layout, as the TensorFlow object detection zoo's SSD models export it once their anchors are decoded in the graph:
one float32 input [N, 3, height, width], RGB 0..255 (normalisation inside), the picture stretched to the input size;
outputs `boxes` [N, anchors, 4], corners in shares of the picture, and `scores` [N, anchors, classes] after a sigmoid.
Prepared models (docs/maintainers/adr/0006-prepared-graphs.md) differ at the edges: the input is
uint8 [N, height, width, 3], and the second output is `logits`, the scores before the sigmoid. Either may occur alone.
Source: W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016.
"""

from typing import ClassVar, Literal

from models.families.candidates import (
    candidates_from_logits,
    candidates_from_scores,
    count_broken,
    refuse_unequal,
    select_detections,
    threshold_of,
)
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Tensor
from models.letterbox import Letterbox
from models.results import Results, Selection


class Ssd:
    """Reads one SSD model. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["SsdConfig"]) -> None:
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature)
        self._gives_logits = "logits" in spec.signature.outputs
        self._classes_name = "logits" if self._gives_logits else "scores"
        spec.signature.expect_output("boxes", Tensor("float32", (None, None, 4)))
        spec.signature.expect_output(self._classes_name, Tensor("float32", (None, None, len(spec.labels))))

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections; see `select_detections`.

        A candidate with a NaN or an infinity is dropped and counted. A candidate under the threshold costs two
        comparisons, no more.
        """
        boxes_xyxy, levels = outputs["boxes"][0], outputs[self._classes_name][0]
        refuse_unequal(boxes_xyxy, levels)
        choose = candidates_from_logits if self._gives_logits else candidates_from_scores
        candidates = choose(boxes_xyxy, levels, threshold_of(self._output, selection))
        candidates = candidates.without(count_broken(boxes_xyxy, levels)).on_picture_from_shares(letterbox)
        return select_detections(candidates, self._labels, self._output, selection)


class SsdConfig(FamilySection):
    """The `family` section of model.yaml for this family."""

    reads: ClassVar[Reader] = Ssd
    finds_outputs_by_name: ClassVar[bool] = True
    logits: ClassVar[tuple[str, str] | None] = ("scores", "logits")

    name: Literal["ssd"]
