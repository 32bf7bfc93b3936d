"""Detectors with two inputs and NMS in the graph: YOLOv3 and its tiny sister of the ONNX model zoo.

Layout, as keras2onnx made it of keras-yolo3: the picture, float32 [N, 3, 416, 416], RGB, 0..1, letterboxed on grey 128;
and `image_shape`, float32 [N, 2], the height and the width of the picture before that. Outputs: boxes
[N, candidates, 4], the top, left, bottom and right edge; scores [N, classes, candidates]; indices [selected, 3], in the
tiny one [N, selected, 3]: batch, class and candidate of each box that NMS kept. Output names vary, so types and shapes
identify them. Microsoft's samples for Live Video Analytics serve these files.

The graph undoes its own letterbox: it scales and shifts the boxes according to `image_shape` (`new_shape` and `offset`
of yolo_correct_boxes), then stretches them to `image_shape`. We feed it the size of the canvas instead. Then there is
nothing to undo, the boxes stay in pixels of the canvas, and our own letterbox converts them, in any mode and with its
own rounding. NMS is the same either way: overlaps do not depend on the scale.
The graph has a threshold of its own; a caller's lower threshold does not change it.
Source: github.com/onnx/models, yolov3 and tiny-yolov3; github.com/qqwweee/keras-yolo3, yolo3/model.py; J. Redmon and
A. Farhadi, "YOLOv3: An Incremental Improvement", arXiv:1804.02767; github.com/Azure/live-video-analytics.
"""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelConfigError
from models.families.candidates import Candidates, count_broken, select_detections, threshold_of
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Signature, Tensor, only_frame
from models.letterbox import Letterbox
from models.results import Results, Selection

IMAGE_SHAPE = "image_shape"
XYXY_OF_YXYX = (1, 0, 3, 2)


class Yolov3:
    """Reads one model of this family. Raises ModelConfigError if the file has another layout."""

    def __init__(self, spec: Spec["Yolov3Config"]) -> None:
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature, {IMAGE_SHAPE: _canvas_hw})
        spec.signature.expect_named_input(IMAGE_SHAPE, Tensor("float32", (None, 2)))
        self._boxes, self._scores, self._indices = _find_outputs(spec.signature, len(spec.labels))

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections among the candidates that the graph kept; see `select_detections`.

        A candidate with a NaN or an infinity is dropped and counted, and so is an index out of range. Raises
        InferenceError for an output of another shape.
        """
        boxes_yxyx, scores = only_frame(outputs, *self._boxes), only_frame(outputs, *self._scores)
        indices = outputs[self._indices].reshape(-1, 3)
        inside = ((indices >= 0) & (indices < (1, *scores.shape))).all(axis=1)
        _, class_ids, candidates_at = indices[inside].T
        levels = scores[class_ids, candidates_at]
        candidates = Candidates(boxes_yxyx[candidates_at][:, XYXY_OF_YXYX], class_ids, levels)
        candidates = candidates.at(levels >= threshold_of(self._output, selection)).finite().on_picture(letterbox)
        dropped = count_broken(boxes_yxyx, scores.T) + int(np.count_nonzero(~inside))
        return select_detections(candidates.without(dropped), self._labels, self._output, selection)


class Yolov3Config(FamilySection):
    """The `family` section of model.yaml for this family."""

    reads: ClassVar[Reader] = Yolov3
    input_defaults: ClassVar[Defaults] = {"resize": "letterbox", "padding": 128, "scale": 1 / 255}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": None}

    name: Literal["yolov3"]


def _canvas_hw(letterbox: Letterbox) -> NDArray[np.float32]:
    """Return `image_shape` [1, 2] for a picture that fills the canvas, so that the graph has no letterbox to undo."""
    return np.array([letterbox.canvas_wh[::-1]], np.float32)


def _find_outputs(signature: Signature, classes: int) -> tuple[tuple[str, Tensor], tuple[str, Tensor], str]:
    """Return name and layout of boxes and of scores, and the name of the indices.

    The boxes are the output whose last axis is 4; if neither or both are, the first one, as in the zoo's files. Raises
    ModelConfigError if there are other outputs.
    """
    boxes, scores = Tensor("float32", (None, None, 4)), Tensor("float32", (None, classes, None))
    indices = [Tensor(dtype, shape) for dtype in ("int32", "int64") for shape in ((None, 3), (None, None, 3))]
    outputs = signature.outputs
    indices_names = [name for name, tensor in outputs.items() if any(tensor.fits(layout) for layout in indices)]
    remaining = [name for name in outputs if name not in indices_names]
    remaining.sort(key=lambda name: outputs[name].shape[-1:] != (4,))
    if (len(indices_names), len(remaining)) == (1, 2):
        for boxes_name, scores_name in (remaining, reversed(remaining)):
            if outputs[boxes_name].fits(boxes) and outputs[scores_name].fits(scores):
                return (boxes_name, boxes), (scores_name, scores), indices_names[0]
    got = ", ".join(f"{name} {tensor}" for name, tensor in outputs.items()) or "none"
    raise ModelConfigError(
        f"expected three outputs, boxes {boxes}, scores {scores} and indices {' or '.join(map(str, indices))}, "
        f"got {got}."
    )
