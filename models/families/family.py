"""The interface that every family offers to the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.frame import Frame
from models.results import Results, Selection

Feeds: TypeAlias = dict[str, NDArray[np.float32]]
Outputs: TypeAlias = dict[str, NDArray[np.float32]]
Shape: TypeAlias = tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """The named inputs and outputs of a model file; a text or None in a shape is a free axis."""

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]


class Family(Protocol):
    """Feeds a kind of model and reads its outputs. Immutable: one object serves all lanes at once."""

    @property
    def input_size_wh(self) -> tuple[int, int]:
        """Return the (width, height) in pixels that the model wants."""
        ...

    def preprocess(self, frame: Frame) -> Feeds:
        """Turn a frame into the model's inputs."""
        ...

    def postprocess(self, outputs: Outputs, selection: Selection) -> Results:
        """Turn the model's outputs for one frame into results, boxes relative to the picture as received."""
        ...
