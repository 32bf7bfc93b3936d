"""The families of models: how each kind is fed and how its outputs are read.

To add one: a file here, a row in FAMILIES, a golden case in tests/models (docs/adding-a-family.md).
"""

from collections.abc import Callable
from typing import TypeAlias

from models.families.config import InferenceType, InputConfig, OutputConfig
from models.families.family import Family, Feeds, Outputs, Signature, Spec, Tensor
from models.families.ppocr import LABELS, Ppocr, PpocrConfig
from models.families.ssd import Ssd, SsdConfig

__all__ = [
    "FAMILIES",
    "FAMILY_CONFIGS",
    "PACKAGED_LABELS",
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

FamilyConfig: TypeAlias = SsdConfig | PpocrConfig

FAMILY_CONFIGS: dict[str, type[FamilyConfig]] = {
    "ssd": SsdConfig,
    "ppocr": PpocrConfig,
}
"""Name → the class of its section in model.yaml."""

FAMILIES: dict[str, Callable[[Spec], Family]] = {
    "ssd": Ssd,
    "ppocr": Ppocr,
}
"""Name → family."""

PACKAGED_LABELS: dict[str, tuple[str, ...]] = {
    "ppocr": LABELS,
}
"""Families whose weights come with an optional package, not with the model's folder → their labels."""
