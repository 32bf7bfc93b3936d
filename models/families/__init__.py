"""The families of models: how each kind is fed and how its outputs are read.

To add one: a file here, and its section in the union AnyFamilySection below (docs/maintainers/adding-a-family.md).
"""

from typing import Annotated, Any, TypeAlias, get_args

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from models.families.blazeface import BlazefaceConfig
from models.families.centernet import CenternetConfig
from models.families.classifier import ClassifierConfig
from models.families.config import INFERENCE_TYPES, InferenceType, InputConfig, OutputConfig
from models.families.darknet import DarknetConfig
from models.families.detr import DetrConfig
from models.families.embedding import EmbeddingConfig
from models.families.end_to_end import EndToEndConfig
from models.families.family import Family, FamilySection, Reader, Spec
from models.families.nanodet import NanodetConfig
from models.families.postprocessed import PostprocessedConfig
from models.families.ppocr import PpocrConfig
from models.families.signature import Feeds, Outputs, Signature, Tensor
from models.families.ssd import SsdConfig
from models.families.yolov3 import Yolov3Config
from models.families.yolov5 import Yolov5Config
from models.families.yolov8 import Yolov8Config
from models.families.yolox import YoloxConfig
from models.families.yunet import YunetConfig

__all__ = [
    "FAMILIES",
    "FAMILY_CONFIGS",
    "INFERENCE_TYPES",
    "Family",
    "FamilyConfig",
    "FamilySection",
    "Feeds",
    "InferenceType",
    "InputConfig",
    "OutputConfig",
    "Outputs",
    "Signature",
    "Spec",
    "Tensor",
]

AnyFamilySection: TypeAlias = (
    SsdConfig
    | Yolov3Config
    | Yolov5Config
    | Yolov8Config
    | YoloxConfig
    | EndToEndConfig
    | DetrConfig
    | PostprocessedConfig
    | DarknetConfig
    | NanodetConfig
    | CenternetConfig
    | BlazefaceConfig
    | YunetConfig
    | ClassifierConfig
    | EmbeddingConfig
    | PpocrConfig
)
"""The one list of families: the section that each has in model.yaml. Written out, because mypy reads it."""


def _name_of(section: type[FamilySection]) -> str:
    """Return the family's name: the only value that its section allows for the key `name`."""
    [name] = get_args(section.model_fields["name"].annotation)
    return str(name)


FAMILY_CONFIGS: dict[str, type[FamilySection]] = {_name_of(section): section for section in get_args(AnyFamilySection)}
"""Name → the class of its section in model.yaml."""

FAMILIES: dict[str, Reader] = {name: section.reads for name, section in FAMILY_CONFIGS.items()}
"""Name → what builds the family from a Spec."""


def _with_a_known_name(section: Any) -> Any:
    """Return the section as it is if its name is a family's.

    Raises the error that lists the families in all other cases; pydantic would list them only for a wrong name.
    """
    match section:
        case {"name": str(name)} if name in FAMILY_CONFIGS:
            return section
        case _:
            names = ", ".join(FAMILY_CONFIGS)
            raise PydanticCustomError("family_name", f"expected a section with a name, one of {names}")


FamilyConfig: TypeAlias = Annotated[
    AnyFamilySection, Field(discriminator="name"), BeforeValidator(_with_a_known_name)
]  # fmt: skip
"""The section `family` of model.yaml, as pydantic checks it."""
