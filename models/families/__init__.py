"""The families of models: how each kind is fed and how its outputs are read.

To add one: a file here, a row in FAMILIES, a golden case in tests/models (docs/adding-a-family.md).
"""

from collections.abc import Callable
from typing import Annotated, TypeAlias

from pydantic import Field

from models.families.blazeface import Blazeface, BlazefaceConfig
from models.families.classifier import Classifier, ClassifierConfig
from models.families.config import InferenceType, InputConfig, OutputConfig
from models.families.detr import Detr, DetrConfig
from models.families.family import Family, Feeds, Outputs, Signature, Spec, Tensor
from models.families.ssd import Ssd, SsdConfig

__all__ = [
    "FAMILIES",
    "FAMILY_CONFIGS",
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

FamilyConfig: TypeAlias = Annotated[
    SsdConfig
    | ClassifierConfig
    | BlazefaceConfig
    | DetrConfig,
    Field(discriminator="name"),
]  # fmt: skip

FAMILY_CONFIGS: dict[str, type[FamilyConfig]] = {
    "ssd": SsdConfig,
    "classifier": ClassifierConfig,
    "blazeface": BlazefaceConfig,
    "detr": DetrConfig,
}
"""Name → the class of its section in model.yaml."""

FAMILIES: dict[str, Callable[[Spec], Family]] = {
    "ssd": Ssd,
    "classifier": Classifier,
    "blazeface": Blazeface,
    "detr": Detr,
}
"""Name → family."""
