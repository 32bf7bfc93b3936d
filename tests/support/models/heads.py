"""The layouts of each family's files: how a model answers, and the spec that fits it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.families import (
    FAMILIES,
    FAMILY_CONFIGS,
    Family,
    FamilySection,
    InputConfig,
    OutputConfig,
    Outputs,
    Signature,
    Spec,
    Tensor,
)
from tests.support.models import encoders
from tests.support.models.encoders import CANVAS_WH, LABELS, Seen

PICTURE = Tensor("float32", ("N", 3, "height", "width"))
PIXELS = Tensor("uint8", ("N", "height", "width", 3))


@dataclass(frozen=True, slots=True)
class Head:
    """One layout of a family's files.

    `encode`: the file's answer to these objects. `section`: keys of the family's section in model.yaml.
    `picture`, `others`: the inputs. `free`: the outputs whose layout is not that of the answer to no objects.
    """

    family: str
    encode: Callable[[Sequence[Seen]], Outputs]
    section: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = LABELS
    picture: Tensor = PICTURE
    others: Mapping[str, Tensor] = field(default_factory=dict)
    free: Mapping[str, Tensor] = field(default_factory=dict)

    def name_of(self, seen: Seen) -> str:
        """Return the label of a result for this object."""
        return LABELS[seen.class_id] if self.family == "ppocr" else self.labels[seen.class_id % len(self.labels)]


LINES = {
    "quads": Tensor("float32", ("lines", 4, 2)),
    "confidences": Tensor("float32", ("lines",)),
    "values": Tensor("str", ("lines",)),
}

HEADS: dict[str, Head] = {
    "ssd": Head("ssd", encoders.ssd),
    "ssd logits": Head("ssd", encoders.ssd_logits, picture=PIXELS),
    "yolov3": Head(
        "yolov3",
        encoders.yolov3,
        others={"image_shape": Tensor("float32", ("N", 2))},
        free={"indices": Tensor("int32", ("selected", 3))},
    ),
    "yolov5": Head("yolov5", encoders.yolov5),
    "yolov8": Head("yolov8", encoders.yolov8),
    "yolov8 transposed": Head("yolov8", encoders.yolov8_transposed),
    "yolox": Head("yolox", encoders.yolox),
    "end_to_end": Head("end_to_end", encoders.end_to_end),
    "detr": Head("detr", encoders.detr),
    "detr softmax": Head("detr", encoders.detr_softmax, {"activation": "softmax"}),
    "detr scores": Head("detr", encoders.detr_scores, others={"orig_target_sizes": Tensor("int64", ("N", 2))}),
    "tensorflow": Head("postprocessed", encoders.tensorflow, {"preset": "tensorflow"}, picture=PIXELS),
    "yolo_nas": Head("postprocessed", encoders.yolo_nas, {"preset": "yolo_nas"}),
    "rtdetr": Head("postprocessed", encoders.rtdetr, {"preset": "rtdetr"}),
    "blazeface": Head("blazeface", encoders.blazeface, labels=("face",)),
    "blazeface joined": Head("blazeface", encoders.blazeface_joined, labels=("face",)),
    "classifier": Head("classifier", encoders.classifier),
    "classifier sigmoid": Head("classifier", encoders.classifier_sigmoid, {"activation": "sigmoid"}),
    "classifier softmax": Head("classifier", encoders.classifier_softmax, {"activation": "softmax"}),
    "ppocr": Head("ppocr", encoders.ppocr, labels=("text",), picture=PIXELS, free=LINES),
}
DETECTORS = [name for name, head in HEADS.items() if head.family not in {"classifier", "ppocr"}]
SEVERAL_LABELS = [name for name, head in HEADS.items() if len(head.labels) > 1]


def spec_of(
    name: str,
    outputs: Mapping[str, Tensor] | None = None,
    inputs: Mapping[str, Tensor] | None = None,
    given: Mapping[str, Any] | None = None,
    output: Mapping[str, Any] | None = None,
) -> Spec[FamilySection]:
    """Return the spec of a model with that head, its family's defaults, and a file in the head's layout.

    `outputs`, `inputs`: another layout. `given`, `output`: keys of the sections `input` and `output`.
    """
    head = HEADS[name]
    config = FAMILY_CONFIGS[head.family]
    input_defaults, output_defaults = config.defaults_for(head.section)
    laid_out = {key: Tensor(value.dtype.name, value.shape) for key, value in head.encode([]).items()}
    laid_out.update(head.free)
    return Spec(
        config.model_validate({"name": head.family, **head.section}),
        InputConfig.model_validate({**input_defaults, "size_wh": CANVAS_WH, **(given or {})}),
        OutputConfig.model_validate({**output_defaults, **(output or {})}),
        head.labels,
        Signature(inputs_of(name) if inputs is None else inputs, laid_out if outputs is None else outputs),
    )


def inputs_of(name: str) -> dict[str, Tensor]:
    """Return the inputs of the file: a picture of any size, and the family's other inputs."""
    return {"images": HEADS[name].picture, **HEADS[name].others}


def family_of(name: str, given: Mapping[str, Any] | None = None, output: Mapping[str, Any] | None = None) -> Family:
    """Return the family for a file in its head's layout."""
    return built(name, spec_of(name, given=given, output=output))


def built(name: str, spec: Spec[FamilySection]) -> Family:
    """Return the family of that head, built from this spec."""
    return FAMILIES[HEADS[name].family](spec)
