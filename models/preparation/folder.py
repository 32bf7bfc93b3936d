"""`framehook prepare`: a model's folder in, the same model prepared out; nothing when the two answer differently."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnx import ModelProto

from models.errors import ModelConfigError
from models.preparation.edges import Edges
from models.preparation.graph import UnfamiliarGraphError
from models.preparation.identity import largest_difference
from models.preparation.rounding import without_rounding
from models.preparation.steps import FED_AS_QUANTISED, prepare
from models.repository.config import PackageWeights
from models.repository.folder import ModelFolder, read_folder
from models.runtime.loading import LoadedModel, load_model

SAME = 1e-5
"""Most that answers may differ where only the order of float operations could change: as confidences and shares of the
picture; see `difference` for what is larger than 1. Measured: 2e-7."""
SAME_BUT_FOR_PADDING = 3e-3
"""The same where the quantised picture is fed, with all rounding taken out. Measured on the default model: 0.0012, and
0.013 when the offset of half a level is forgotten."""
WITHIN_QUANTISATION = 0.2
"""The same with the rounding, which carries any change through to the end. Measured: 0.08; the int8 model against its
own float model: 0.18; with rows and columns exchanged: 0.39."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What was done. `steps`: what the graph does now, in words; `difference`: the largest between any two answers."""

    steps: tuple[str, ...]
    difference: float


def prepare_folder(source: Path, target: Path) -> Preparation:
    """Write the prepared model to a folder that does not exist yet.

    Raises ModelConfigError, and leaves no trace, when the model cannot be served, when there is nothing to prepare,
    when both answer differently, or when the folder cannot be written.
    """
    folder = read_folder(source)
    if isinstance(folder.config.weights, PackageWeights):
        raise ModelConfigError(f"{folder.path}: nothing to prepare; its weights come with a package.")
    if target.exists():
        raise ModelConfigError(f"{target} exists already; expected the name of a folder to be made.")
    try:
        with TemporaryDirectory(prefix=".prepare-", dir=target.parent) as scratch:
            made = Path(scratch) / target.name
            preparation = _prepare(folder, made)
            made.rename(target)
    except OSError as error:
        raise ModelConfigError(f"{target} cannot be written: {error.strerror}.") from error
    return preparation


def _prepare(folder: ModelFolder, made: Path) -> Preparation:
    original = load_model(folder)
    original_graph, prepared_graph = onnx.load(folder.weights_path), onnx.load(folder.weights_path)
    edges = Edges.of(folder.config)
    steps = prepare(prepared_graph, edges)
    if not steps:
        raise ModelConfigError(
            f"{folder.weights_path}: nothing to prepare; it is prepared already, or built otherwise."
        )
    _copy_all_but_weights(folder, made)
    onnx.save(prepared_graph, made / folder.weights_path.name)
    prepared = read_folder(made)
    difference = largest_difference(original, load_model(prepared), edges)
    if FED_AS_QUANTISED not in steps:
        _expect_at_most(SAME, difference, folder)
        return Preparation(steps, difference)
    _expect_at_most(WITHIN_QUANTISATION, difference, folder)
    original_unrounded, prepared_unrounded = (
        _load_unrounded(graph, prepared_or_not, made.parent)
        for graph, prepared_or_not in ((original_graph, folder), (prepared_graph, prepared))
    )
    _expect_at_most(SAME_BUT_FOR_PADDING, largest_difference(original_unrounded, prepared_unrounded, edges), folder)
    return Preparation(steps, difference)


def _copy_all_but_weights(folder: ModelFolder, made: Path) -> None:
    made.mkdir()
    for path in folder.path.iterdir():
        if path.is_file() and path != folder.weights_path:
            shutil.copyfile(path, made / path.name)


def _load_unrounded(graph: ModelProto, folder: ModelFolder, scratch: Path) -> LoadedModel:
    """Load the folder's model with other weights: its own without the rounding."""
    try:
        onnx.save(without_rounding(graph), scratch / folder.weights_path.name)
    except UnfamiliarGraphError as error:
        raise ModelConfigError(
            f"{folder.weights_path}: expected every scale and zero point to be a constant."
        ) from error
    return load_model(replace(folder, path=scratch))


def _expect_at_most(tolerance: float, difference: float, folder: ModelFolder) -> None:
    if not difference <= tolerance:
        raise ModelConfigError(
            f"{folder.weights_path}: prepared, it answers differently, by {difference:.2g}; "
            f"expected at most {tolerance}."
        )
