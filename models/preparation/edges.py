"""What preparation needs to know of a model besides its graph: how it is fed, and what its family can read."""

from dataclasses import dataclass
from typing import Self

from models.families import InputConfig
from models.repository.config import ModelConfig


@dataclass(frozen=True, slots=True)
class Edges:
    """Both edges of a model.

    `input`: the section of model.yaml. `logits`: the output after a sigmoid and its replacement before it, by name, as
    in `FamilySection`; None if the family reads no logits.
    """

    input: InputConfig
    logits: tuple[str, str] | None = None

    @classmethod
    def of(cls, config: ModelConfig) -> Self:
        """Return the edges of a model by its model.yaml."""
        return cls(config.input, config.family.logits)
