"""The families of models: how each kind is fed and how its outputs are read.

To add one: a file here, a row in FAMILIES, a golden case in tests/models (docs/adding-a-family.md).
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from models.families.family import Family, Feeds, Outputs, Signature, Tensor
from models.families.ssd import Ssd, SsdConfig

__all__ = ["FAMILIES", "Family", "FamilyConfig", "Feeds", "Outputs", "Signature", "Tensor"]

FamilyConfig: TypeAlias = SsdConfig

FAMILIES: dict[str, Callable[[Any, tuple[str, ...], Signature], Family]] = {
    "ssd": Ssd,
}
"""Name → family: called with its config, the labels by class id, and the signature of the model file."""
