"""The families of models: how each kind is fed and how its outputs are read.

To add one: a file here, a row in FAMILIES, a golden case in tests/models (docs/adding-a-family.md).
"""

from typing import TypeAlias

from models.families.family import Family, Feeds, Outputs, Signature
from models.families.ssd import Ssd, SsdConfig

__all__ = ["FAMILIES", "Family", "FamilyConfig", "Feeds", "Outputs", "Signature"]

FamilyConfig: TypeAlias = SsdConfig

FAMILIES = {
    "ssd": Ssd,
}
