"""The inputs and outputs of a model file, and the checks that a family makes of them."""

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
    """The type of one input or output.

    `dtype`: numpy's name of the elements' type. `shape`: the axes; a str or None is a free axis.
    """

    dtype: str
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        """Return a readable form: float32 [N, 3, 300, 300]."""
        return f"{self.dtype} [{', '.join('any' if axis is None else str(axis) for axis in self.shape)}]"

    def fits(self, expected: "Tensor") -> bool:
        """Return whether this tensor of a file is what a family expects; a free axis on either side fits any length."""
        return (
            self.dtype == expected.dtype
            and len(self.shape) == len(expected.shape)
            and all(
                wanted is None or not isinstance(axis, int) or axis == wanted
                for axis, wanted in zip(self.shape, expected.shape, strict=True)
            )
        )


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs and outputs of a model file, by name."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    def expect_input(self, *layouts: Tensor, others: frozenset[str] = frozenset()) -> tuple[str, Tensor]:
        """Return the name of the only input apart from `others`, and the first of the layouts that fits it.

        Raises ModelConfigError if there are more inputs, if one of `others` is missing, or if no layout fits.
        """
        names = self.inputs.keys() - others
        if len(names) != 1 or not others <= self.inputs.keys():
            beside = f" beside {', '.join(sorted(others))}" if others else ""
            raise ModelConfigError(f"expected one input{beside}, got {', '.join(self.inputs) or 'none'}.")
        [name] = names
        return name, _expect(f"input {name}", self.inputs[name], *layouts)

    def expect_named_input(self, name: str, *layouts: Tensor) -> Tensor:
        """Return the first layout that fits the input of that name; raises ModelConfigError if none does."""
        return _expect(f"input {name}", self.inputs.get(name), *layouts)

    def expect_output(self, name: str, *layouts: Tensor) -> Tensor:
        """Return the first layout that fits the output of that name; raises ModelConfigError if none does."""
        return _expect(f"output {name}", self.outputs.get(name), *layouts)

    def expect_one_output(self, *layouts: Tensor) -> tuple[str, Tensor]:
        """Return the name of the one output that a layout fits, and the first such layout. Others are not read.

        Raises ModelConfigError if there is none, or more than one.
        """
        if len(self.outputs) == 1:
            [name] = self.outputs
            return name, self.expect_output(name, *layouts)
        fitting = [(name, layout) for layout in layouts for name, got in self.outputs.items() if got.fits(layout)]
        if len({name for name, _ in fitting}) != 1:
            got = ", ".join(f"{name} {tensor}" for name, tensor in self.outputs.items()) or "none"
            raise ModelConfigError(f"expected one output {' or '.join(map(str, layouts))}, got {got}.")
        return fitting[0]


def _expect(what: str, got: Tensor | None, *layouts: Tensor) -> Tensor:
    """Return the first layout that fits; raises ModelConfigError if none does, or if there is no tensor."""
    for layout in layouts:
        if got is not None and got.fits(layout):
            return layout
    raise ModelConfigError(f"expected {what} to be {' or '.join(map(str, layouts))}, got {got or 'none'}.")


def only_frame(outputs: Outputs, name: str, *layouts: Tensor) -> NDArray[Any]:
    """Return the output of that name without its first axis, the batch, which holds the one frame that was fed.

    Raises InferenceError if the output fits none of the layouts: the length of a free axis is known only once the model
    runs, for the first time at the warm-up.
    """
    output = outputs[name]
    try:
        _expect(f"output {name}", Tensor(output.dtype.name, output.shape), *layouts)
    except ModelConfigError as error:
        raise InferenceError("The model's output is not laid out as its family reads it.") from error
    frame: NDArray[Any] = output[0]
    return frame
