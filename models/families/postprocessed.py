"""Detectors that give finished boxes, scores and classes, in whatever tensors: `outputs` says what each one holds.

`outputs` maps each output that is read, by its name or its position from 0, to its columns: the values along its last
axis. Other outputs are not read. An output with one column may have any shape. Rows are read in order; an output with
the column `count` says how many of them are valid. `models/families/exporters.py` has the layouts of known exporters.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from models.boxes import Floats, xyxy_from_cxcywh
from models.errors import InferenceError, ModelConfigError
from models.families.candidates import (
    ROUNDING,
    Candidates,
    have_labels,
    logit,
    select_detections,
    sigmoid,
    softmax,
    threshold_of,
)
from models.families.config import Defaults
from models.families.exporters import PRESETS
from models.families.family import FamilySection, Preset, Reader, Spec
from models.families.preprocessing import OtherInput, PictureInput
from models.families.signature import Outputs, Signature
from models.letterbox import Letterbox
from models.results import Results, Selection

Column: TypeAlias = Literal[
    "left", "top", "right", "bottom", "centre_x", "centre_y", "width", "height",
    "class", "score", "scores", "objectness", "batch", "count", "ignored",
]  # fmt: skip
"""score: of the row's class. scores: one column for each label. objectness: a factor of the scores. batch: rows of
other pictures than the first, 0, are no objects."""
Size: TypeAlias = Literal["canvas_hw", "canvas_wh", "ones"]
Columns: TypeAlias = Annotated[tuple[Column, ...], Field(min_length=1, max_length=16)]
Table: TypeAlias = dict[Column, Floats]
"""Column → its values [rows]; scores: [rows, classes]."""

SIDES: tuple[tuple[Column, Column, Column, Column], ...] = (
    ("left", "top", "right", "bottom"),
    ("centre_x", "centre_y", "width", "height"),
    ("left", "top", "width", "height"),
)
"""The sets of columns that make a box."""
_, CENTRED, SIZED = SIDES
MOST_AXES = 4
NUMBERS = ("float32", "int64", "uint8")


class Postprocessed:
    """Reads one model of this family. Raises ModelConfigError if the file's outputs are not those of model.yaml."""

    def __init__(self, spec: Spec["PostprocessedConfig"]) -> None:
        family, signature = spec.family, spec.signature
        self._output, self._labels, self._family = spec.output, spec.labels, family
        sizes = {name: size for name, size in family.sizes.items() if name in signature.inputs}
        self.picture = PictureInput(spec.input, signature, {name: SIZES[size] for name, size in sizes.items()})
        self._tensors = tuple(
            HeldColumns(_named(signature, key), columns, len(spec.labels)) for key, columns in family.outputs.items()
        )
        for tensor in self._tensors:
            tensor.check(signature)
        self._sides = next(sides for sides in SIDES if set(sides) <= family.columns)

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Return the selected detections; see `select_detections`. Only boxes over the threshold are converted.

        A row with a NaN or an infinity is dropped and counted. So is a row over the threshold whose class is no whole
        number or has no label. Raises InferenceError for outputs of another shape, or with different numbers of rows.
        """
        table = self._rows(outputs)
        threshold = threshold_of(self._output, selection)
        candidates = self._of_scores(table, threshold) if "scores" in table else self._of_classes(table, threshold)
        on_picture = (
            candidates.on_picture(letterbox)
            if self._family.unit == "pixels"
            else candidates.on_picture_from_shares(letterbox)
        )
        return select_detections(on_picture, self._labels, self._output, selection)

    def _rows(self, outputs: Outputs) -> Table:
        """Return the valid rows of all columns."""
        table: Table = {}
        for tensor in self._tensors:
            table |= tensor.read(outputs)
        counts = table.pop("count", None)
        if len({len(values) for values in table.values()}) > 1:
            raise InferenceError("The model's outputs have different numbers of rows.")
        if counts is not None and counts.size and counts[0] >= 0:
            table = {column: values[: int(min(counts[0], len(values)))] for column, values in table.items()}
        if "batch" in table:
            is_other = np.abs(table.pop("batch")) > 0  # a NaN is not: its row is counted
            table = {column: values[~is_other] for column, values in table.items()}
        return table

    def _of_classes(self, table: Table, threshold: float) -> Candidates:
        """Return the rows over the threshold, each with the class that it names."""
        with np.errstate(over="ignore", invalid="ignore"):
            levels = self._confidences(table["score"]) * table.get("objectness", np.float32(1))
        finite = np.isfinite(levels)
        for column in (*self._sides, "class"):
            finite &= np.isfinite(table[column])
        rows = np.flatnonzero(finite & (levels >= threshold))
        class_ids = table["class"][rows] - self._family.first_class
        known = have_labels(class_ids, len(self._labels))
        dropped = int(np.count_nonzero(~finite) + np.count_nonzero(~known))
        rows = rows[known]
        boxes_xyxy = self._boxes_xyxy(table, rows)
        return Candidates(boxes_xyxy, class_ids[known].astype(np.intp), levels[rows]).without(dropped)

    def _of_scores(self, table: Table, threshold: float) -> Candidates:
        """Return each class of each row over the threshold."""
        scores = table["scores"]
        if self._family.activation == "sigmoid" and "objectness" not in table:  # most are never converted
            indices = np.flatnonzero(scores >= logit(threshold - ROUNDING))
            levels = sigmoid(scores.take(indices))
        else:
            factor = table.get("objectness", np.ones(1, np.float32))[:, None]
            with np.errstate(over="ignore", invalid="ignore"):
                every = np.asarray(self._confidences(scores) * factor, np.float32)
            indices = np.flatnonzero(every >= threshold)
            levels = every.take(indices)
        rows, class_ids = np.divmod(indices, scores.shape[1])
        candidates = Candidates(self._boxes_xyxy(table, rows), class_ids, levels)
        return candidates.at(levels >= threshold).finite().without(self._broken(table))

    def _broken(self, table: Table) -> int:
        """Return how many candidates, one for each row and class, have a NaN or an infinity."""
        finite = np.isfinite(table["scores"])
        for column in (*self._sides, "objectness"):
            if column in table:
                finite = finite & np.isfinite(table[column])[:, None]
        return int(finite.size - np.count_nonzero(finite))

    def _confidences(self, levels: Floats) -> Floats:
        match self._family.activation:
            case "sigmoid":
                return sigmoid(levels)
            case "softmax":
                return softmax(levels)
            case _:
                return levels

    def _boxes_xyxy(self, table: Table, rows: NDArray[np.intp]) -> Floats:
        """Return the boxes [N, 4] of these rows [N], in the unit of the file."""
        with np.errstate(over="ignore", invalid="ignore"):
            boxes = np.stack([table[column][rows] for column in self._sides], axis=1)
            if self._sides == CENTRED:
                return xyxy_from_cxcywh(boxes)
            if self._sides == SIZED:
                boxes[:, 2:] += boxes[:, :2]
        return boxes


class HeldColumns:
    """One output and what its last axis holds. `classes`: the number of labels."""

    def __init__(self, name: str, columns: Sequence[Column], classes: int) -> None:
        self.name, self._columns, self._classes = name, tuple(columns), classes
        self._width = sum(classes if column == "scores" else 1 for column in columns)

    def check(self, signature: Signature) -> None:
        """Raise ModelConfigError if the file has no such output of numbers, or one with another last axis."""
        got = signature.outputs.get(self.name)
        if got is None or got.dtype not in NUMBERS or not self._fits(got.shape):
            outputs = ", ".join(f"{name} {tensor}" for name, tensor in signature.outputs.items()) or "none"
            wanted = f"a last axis of {self._width}: {', '.join(self._columns)}" if self._width > 1 else "numbers"
            raise ModelConfigError(f"expected output {self.name} with {wanted}; the outputs are: {outputs}.")

    def read(self, outputs: Outputs) -> Table:
        """Return the values of each column; raises InferenceError for another last axis."""
        values = outputs[self.name]
        if not self._fits(values.shape):
            raise InferenceError("The model's output is not laid out as its family reads it.")
        rows = np.asarray(values.reshape(-1, self._width), np.float32)
        table: Table = {}
        place = 0
        for column in self._columns:
            if column == "scores":
                table[column] = rows[:, place : place + self._classes]
            elif column != "ignored":
                table[column] = rows[:, place]
            place += self._classes if column == "scores" else 1
        return table

    def _fits(self, shape: Sequence[int | str | None]) -> bool:
        holds_scores = "scores" in self._columns
        if self._width == 1 and not holds_scores:
            return True
        least = len(("batch", "row", "column")) if holds_scores else 1  # else a classifier would fit
        has_width = bool(shape) and (not isinstance(shape[-1], int) or shape[-1] == self._width)
        return has_width and least <= len(shape) <= MOST_AXES


def _named(signature: Signature, key: str | int) -> str:
    """Return the name of an output: `key` itself, or the one at that position."""
    names = list(signature.outputs)
    if isinstance(key, int):
        return names[key] if key < len(names) else str(key)
    return f"{key}:0" if f"{key}:0" in names else key  # as TensorFlow names tensors


def _canvas_hw(letterbox: Letterbox) -> Floats:
    return np.array([letterbox.canvas_wh[::-1]], np.float32)


def _canvas_wh(letterbox: Letterbox) -> Floats:
    return np.array([letterbox.canvas_wh], np.float32)


def _ones(_: Letterbox) -> Floats:
    return np.ones((1, 2), np.float32)


SIZES: Mapping[Size, OtherInput] = {"canvas_hw": _canvas_hw, "canvas_wh": _canvas_wh, "ones": _ones}


class PostprocessedConfig(FamilySection):
    """The `family` section of model.yaml for this family.

    `outputs`: what each output holds. `unit`: of the boxes: pixels of the canvas, or shares of it. `first_class`: the
    class id of the first label. `activation`: turns scores into confidences. `sizes`: further inputs, if the file has
    them, and what they are fed.
    """

    reads: ClassVar[Reader] = Postprocessed
    output_defaults: ClassVar[Defaults] = {"iou_threshold": None}
    presets: ClassVar[Mapping[str, Preset]] = PRESETS

    name: Literal["postprocessed"]
    preset: str | None = None
    outputs: Annotated[dict[str | Annotated[int, Field(ge=0)], Columns], Field(min_length=1, max_length=8)]
    unit: Literal["pixels", "shares"] = "pixels"
    first_class: Annotated[int, Field(ge=0, le=1000)] = 0
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    sizes: Mapping[str, Size] = {}

    @property
    def columns(self) -> set[Column]:
        """Return all columns of all outputs."""
        return {column for columns in self.outputs.values() for column in columns}

    @model_validator(mode="after")
    def _has_what_a_detection_needs(self) -> Self:
        held = [column for columns in self.outputs.values() for column in columns if column != "ignored"]
        if twice := next((column for column in held if held.count(column) > 1), None):
            raise ValueError(f"outputs: {twice} stands there twice")
        if not any(set(sides) <= set(held) for sides in SIDES):
            raise ValueError(f"outputs: a box needs the columns {', or '.join(', '.join(sides) for sides in SIDES)}")
        if ("scores" in held) == ("score" in held) or ("score" in held) != ("class" in held):
            raise ValueError("outputs: expected the columns score and class, or the column scores")
        return self
