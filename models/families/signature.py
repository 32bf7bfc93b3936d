"""What goes into a model file and what comes out of it, and how a file is checked to be one of a kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.errors import InferenceError, ModelConfigError

Fed: TypeAlias = NDArray[np.float32] | NDArray[np.uint8] | NDArray[np.int64]
Feeds: TypeAlias = dict[str, Fed]
Outputs: TypeAlias = dict[str, NDArray[Any]]


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

    def expect_input(self, *layouts: Tensor, others: frozenset[str] = frozenset()) -> tuple[str, Tensor]:
        """Return the name of the one input beside `others`, and its layout.

        Raises ModelConfigError when there are more, when one of the others is missing, or when no layout fits.
        """
        names = self.inputs.keys() - others
        if len(names) != 1 or not others <= self.inputs.keys():
            beside = f" beside {', '.join(sorted(others))}" if others else ""
            raise ModelConfigError(f"expected one input{beside}, got {', '.join(self.inputs) or 'none'}.")
        [name] = names
        return name, _expect(f"input {name}", self.inputs[name], *layouts)

    def expect_named_input(self, name: str, *layouts: Tensor) -> Tensor:
        """Return the layout of the input of that name; raises ModelConfigError when it is missing or another."""
        return _expect(f"input {name}", self.inputs.get(name), *layouts)

    def expect_output(self, name: str, *layouts: Tensor) -> Tensor:
        """Return the layout of the output of that name; raises ModelConfigError when it is missing or another."""
        return _expect(f"output {name}", self.outputs.get(name), *layouts)

    def expect_only_output(self, *layouts: Tensor) -> tuple[str, Tensor]:
        """Return the name of the one output and its layout; raises ModelConfigError unless there is one."""
        if len(self.outputs) != 1:
            raise ModelConfigError(f"expected one output, got {', '.join(self.outputs) or 'none'}.")
        [name] = self.outputs
        return name, self.expect_output(name, *layouts)


def _expect(what: str, got: Tensor | None, *layouts: Tensor) -> Tensor:
    """Return the first layout that fits; raises ModelConfigError when none does."""
    for layout in layouts:
        if got is not None and got.fits(layout):
            return layout
    raise ModelConfigError(f"expected {what} to be {' or '.join(map(str, layouts))}, got {got or 'none'}.")


def only_frame(outputs: Outputs, name: str, layout: Tensor) -> NDArray[Any]:
    """Return that output of the one frame that was fed: without the first axis.

    Raises InferenceError when it is laid out otherwise: what a file leaves free is known when the model runs, the first
    time at the warm-up.
    """
    output = outputs[name]
    try:
        _expect(f"output {name}", Tensor(output.dtype.name, output.shape), layout)
    except ModelConfigError as error:
        raise InferenceError("The model's output is not laid out as its family reads it.") from error
    frame: NDArray[Any] = output[0]
    return frame
