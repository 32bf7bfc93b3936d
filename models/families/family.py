"""What every family offers to the engine, and what it is made of."""

from dataclasses import dataclass
from typing import Any, Protocol

from models.families.config import InputConfig, OutputConfig
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Signature
from models.letterbox import Letterbox
from models.results import Results, Selection


@dataclass(frozen=True, slots=True)
class Spec:
    """All that a family is made of: the sections of model.yaml, the labels by class id, the signature of the file.

    `family`: the family's own section.
    """

    family: Any
    input: InputConfig
    output: OutputConfig
    labels: tuple[str, ...]
    signature: Signature


class Family(Protocol):
    """Feeds a kind of model and reads its outputs. Immutable: one object serves all lanes at once."""

    @property
    def picture(self) -> PictureInput:
        """Return what turns a frame into the model's inputs."""
        ...

    def postprocess(self, outputs: Outputs, placed: Letterbox, selection: Selection) -> Results:
        """Turn the model's outputs for one frame into results, boxes relative to the picture as received."""
        ...
