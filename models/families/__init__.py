"""The families of models: how each kind is fed and how its outputs are read.

To add one: a file here, and its section in the list below (docs/maintainers/adding-a-family.md). An installed package
can add families of its own, by the entry point `framehook.families`.
"""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, Union

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
from models.families.installed import installed_families, name_of
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

BUILT_IN: tuple[type[FamilySection], ...] = (
    SsdConfig,
    Yolov3Config,
    Yolov5Config,
    Yolov8Config,
    YoloxConfig,
    EndToEndConfig,
    DetrConfig,
    PostprocessedConfig,
    DarknetConfig,
    NanodetConfig,
    CenternetConfig,
    BlazefaceConfig,
    YunetConfig,
    ClassifierConfig,
    EmbeddingConfig,
    PpocrConfig,
)
"""The one list of our families: the section that each has in model.yaml."""

INSTALLED = installed_families(BUILT_IN)
"""The families that installed packages add, and those that cannot be used."""

FAMILY_CONFIGS: dict[str, type[FamilySection]] = {
    name_of(section): section for section in (*BUILT_IN, *INSTALLED.sections)
}
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
        case {"name": str(name)} if name in INSTALLED.faults:
            raise PydanticCustomError("family_fault", "{fault}", {"fault": INSTALLED.faults[name]})
        case _:
            names = ", ".join(FAMILY_CONFIGS)
            raise PydanticCustomError("family_name", "expected a section with a name, one of {names}", {"names": names})


if TYPE_CHECKING:
    FamilyConfig: TypeAlias = FamilySection
else:
    FamilyConfig = Annotated[
        Union[tuple(FAMILY_CONFIGS.values())],  # noqa: UP007  # they are known only now
        Field(discriminator="name"),
        BeforeValidator(_with_a_known_name),
    ]
"""The section `family` of model.yaml, as pydantic checks it."""
