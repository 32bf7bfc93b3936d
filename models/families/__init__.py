"""The families of models: how each kind is fed and how its outputs are read.

To add one: a file here, a row in FAMILIES, a golden case in tests/models (docs/adding-a-family.md).
"""

from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from models.families.blazeface import Blazeface, BlazefaceConfig
from models.families.classifier import Classifier, ClassifierConfig
from models.families.config import INFERENCE_TYPES, InferenceType, InputConfig, OutputConfig
from models.families.detr import Detr, DetrConfig
from models.families.end_to_end import EndToEnd, EndToEndConfig
from models.families.family import Family, Spec
from models.families.ppocr import Ppocr, PpocrConfig
from models.families.signature import Feeds, Outputs, Signature, Tensor
from models.families.ssd import Ssd, SsdConfig
from models.families.yolov3 import Yolov3, Yolov3Config
from models.families.yolov5 import Yolov5, Yolov5Config
from models.families.yolov8 import Yolov8, Yolov8Config
from models.families.yolox import Yolox, YoloxConfig

__all__ = [
    "FAMILIES",
    "FAMILY_CONFIGS",
    "INFERENCE_TYPES",
    "Family",
    "FamilyConfig",
    "Feeds",
    "InferenceType",
    "InputConfig",
    "OutputConfig",
    "Outputs",
    "Signature",
    "Spec",
    "Tensor",
]

FAMILIES: dict[str, Callable[[Spec], Family]] = {
    "ssd": Ssd,
    "yolov3": Yolov3,
    "yolov5": Yolov5,
    "yolov8": Yolov8,
    "yolox": Yolox,
    "end_to_end": EndToEnd,
    "detr": Detr,
    "blazeface": Blazeface,
    "classifier": Classifier,
    "ppocr": Ppocr,
}
"""Name → family."""


def _with_a_known_name(section: Any) -> Any:
    """Let a section pass whose name is a family's; pydantic alone names the families only when the name is wrong."""
    match section:
        case {"name": str(name)} if name in FAMILIES:
            return section
        case _:
            raise PydanticCustomError("family_name", f"expected a section with a name, one of {', '.join(FAMILIES)}")


FamilyConfig: TypeAlias = Annotated[
    SsdConfig
    | Yolov3Config
    | Yolov5Config
    | Yolov8Config
    | YoloxConfig
    | EndToEndConfig
    | DetrConfig
    | BlazefaceConfig
    | ClassifierConfig
    | PpocrConfig,
    Field(discriminator="name"),
    BeforeValidator(_with_a_known_name),
]  # fmt: skip

FAMILY_CONFIGS: dict[str, type[FamilyConfig]] = {
    "ssd": SsdConfig,
    "yolov3": Yolov3Config,
    "yolov5": Yolov5Config,
    "yolov8": Yolov8Config,
    "yolox": YoloxConfig,
    "end_to_end": EndToEndConfig,
    "detr": DetrConfig,
    "blazeface": BlazefaceConfig,
    "classifier": ClassifierConfig,
    "ppocr": PpocrConfig,
}
"""Name → the class of its section in model.yaml."""
