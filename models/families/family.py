"""What every family offers to the engine, and how it checks that a model file is one of its kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelConfigError
from models.frame import Frame
from models.results import Results, Selection

Feeds: TypeAlias = dict[str, NDArray[np.float32] | NDArray[np.uint8]]
Outputs: TypeAlias = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Tensor:
    """The type of one input or output: numpy's name of its elements, and its axes; a text or None is a free axis."""

    dtype: str
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        """Return it for people: float32 [N, 3, 300, 300]."""
        return f"{self.dtype} [{', '.join('any' if axis is None else str(axis) for axis in self.shape)}]"

    def fits(self, expected: "Tensor") -> bool:
        """Tell whether a file's tensor is what a family expects; a free axis fits anything."""
        return (
            self.dtype == expected.dtype
            and len(self.shape) == len(expected.shape)
            and all(
                want is None or not isinstance(have, int) or have == want
                for have, want in zip(self.shape, expected.shape, strict=True)
            )
        )


@dataclass(frozen=True, slots=True)
class Signature:
    """The named inputs and outputs of a model file."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    def expect_input(self, *layouts: Tensor) -> tuple[str, Tensor]:
        """Return the name of the one input and its layout; raises ModelConfigError when there are more or none fits."""
        if len(self.inputs) != 1:
            raise ModelConfigError(f"expected one input, got {len(self.inputs)}.")
        [name] = self.inputs
        return name, _expect(f"input {name}", self.inputs[name], *layouts)

    def expect_output(self, name: str, expected: Tensor) -> None:
        """Raise ModelConfigError when the output of that name is missing or another."""
        _expect(f"output {name}", self.outputs.get(name), expected)


def _expect(what: str, got: Tensor | None, *layouts: Tensor) -> Tensor:
    """Return the first layout that fits; raises ModelConfigError when none does."""
    for layout in layouts:
        if got is not None and got.fits(layout):
            return layout
    raise ModelConfigError(f"expected {what} to be {' or '.join(map(str, layouts))}, got {got or 'none'}.")


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
