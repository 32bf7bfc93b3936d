"""Detectors with two inputs and NMS in the graph: YOLOv3 and its tiny sister of the ONNX model zoo.

Layout, as keras2onnx made it of keras-yolo3: the picture, float32 [N, 3, 416, 416], RGB, 0..1, letterboxed on grey 128;
and `image_shape`, float32 [N, 2], the height and the width of the picture before that. Outputs: boxes
[N, candidates, 4], the top, left, bottom and right edge; scores [N, classes, candidates]; indices [selected, 3], in the
tiny one [N, selected, 3]: batch, class and candidate of each box that NMS kept. Their names vary, so they are known by
their types and shapes. Microsoft's samples for Live Video Analytics serve these files.

The graph takes its letterbox off again: it scales and shifts the boxes by what `image_shape` tells it (`new_shape` and
`offset` of yolo_correct_boxes), then stretches them to `image_shape`. Fed the size of the canvas itself, it has nothing
to take off, and the boxes stay in pixels of the canvas, whence our own letterbox leads back, whatever its mode and its
rounding. NMS is the same either way: overlaps do not depend on the scale.
The graph tells nothing under a threshold of its own, however low the caller's is.
Source: github.com/onnx/models, yolov3 and tiny-yolov3; github.com/qqwweee/keras-yolo3, yolo3/model.py; J. Redmon and
A. Farhadi, "YOLOv3: An Incremental Improvement", arXiv:1804.02767; github.com/Azure/live-video-analytics.
"""

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelConfigError
from models.families.candidates import Candidates, count_broken, threshold_of, told
from models.families.config import Defaults
from models.families.family import FamilySection, Reader, Spec
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Signature, Tensor, only_frame
from models.letterbox import Letterbox
from models.results import Results, Selection

IMAGE_SHAPE = "image_shape"
XYXY_OF_YXYX = (1, 0, 3, 2)


class Yolov3:
    """Reads one model of this family."""

    def __init__(self, spec: Spec["Yolov3Config"]) -> None:
        """Check that the file is laid out as this family reads it; raises ModelConfigError if not."""
        self._output, self._labels = spec.output, spec.labels
        self.picture = PictureInput(spec.input, spec.signature, {IMAGE_SHAPE: _canvas_hw})
        spec.signature.expect_named_input(IMAGE_SHAPE, Tensor("float32", (None, 2)))
        self._boxes, self._scores, self._indices = _find_outputs(spec.signature, len(spec.labels))

    def postprocess(self, outputs: Outputs, placed: Letterbox, selection: Selection) -> Results:
        """Tell the candidates that the graph selected and that reach the threshold; see `told`.

        A candidate with a value that is no number is dropped and counted, and so is an index that leads nowhere.
        """
        boxes_yxyx, scores = only_frame(outputs, *self._boxes), only_frame(outputs, *self._scores)
        indices = outputs[self._indices].reshape(-1, 3)
        inside = ((indices >= 0) & (indices < (1, *scores.shape))).all(axis=1)
        _, class_ids, places = indices[inside].T
        levels = scores[class_ids, places]
        found = Candidates(boxes_yxyx[places][:, XYXY_OF_YXYX], class_ids, levels)
        found = found.at(levels >= threshold_of(self._output, selection)).finite().on_picture(placed)
        dropped = count_broken(boxes_yxyx, scores.T) + int(np.count_nonzero(~inside))
        return Results(told(found, self._labels, self._output, selection), dropped)


class Yolov3Config(FamilySection):
    """The `family` section of model.yaml for this family."""

    reads: ClassVar[Reader] = Yolov3
    input_defaults: ClassVar[Defaults] = {"resize": "letterbox", "padding": 128, "scale": 1 / 255}
    output_defaults: ClassVar[Defaults] = {"iou_threshold": None}

    name: Literal["yolov3"]


def _canvas_hw(placed: Letterbox) -> NDArray[np.float32]:
    """Say that the canvas is all there is."""
    return np.array([placed.canvas_wh[::-1]], np.float32)


def _find_outputs(signature: Signature, classes: int) -> tuple[tuple[str, Tensor], tuple[str, Tensor], str]:
    """Return name and layout of boxes and scores, and the name of the indices; raises ModelConfigError.

    Boxes are what states that its last axis is 4; where neither or both do, they come first, as in the zoo's files.
    """
    boxes, scores = Tensor("float32", (None, None, 4)), Tensor("float32", (None, classes, None))
    indices = [Tensor(dtype, shape) for dtype in ("int32", "int64") for shape in ((None, 3), (None, None, 3))]
    outputs = signature.outputs
    chosen = [name for name, tensor in outputs.items() if any(tensor.fits(layout) for layout in indices)]
    others = [name for name in outputs if name not in chosen]
    others.sort(key=lambda name: outputs[name].shape[-1:] != (4,))
    if (len(chosen), len(others)) == (1, 2):
        for one, other in (others, reversed(others)):
            if outputs[one].fits(boxes) and outputs[other].fits(scores):
                return (one, boxes), (other, scores), chosen[0]
    got = ", ".join(f"{name} {tensor}" for name, tensor in outputs.items()) or "none"
    raise ModelConfigError(
        f"expected three outputs, boxes {boxes}, scores {scores} and indices {' or '.join(map(str, indices))}, "
        f"got {got}."
    )
