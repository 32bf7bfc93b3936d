"""What preparation has to know of a model beside its graph: how it is fed, and what else its family can read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from models.families import InputConfig
from models.repository.config import ModelConfig

LOGITS: Mapping[str, tuple[str, str]] = {
    "ssd": ("scores", "logits"),
}
"""Family → its output after a sigmoid, and the name under which it reads what goes into that sigmoid instead."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Both edges of a model. `logits`: the two names as in LOGITS; None when the family reads no logits."""

    input: InputConfig
    logits: tuple[str, str] | None = None

    @classmethod
    def of(cls, config: ModelConfig) -> Self:
        """Return the edges of a model by its model.yaml."""
        return cls(config.input, LOGITS.get(config.family.name))
