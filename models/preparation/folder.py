"""`framehook prepare`: writes a prepared copy of a model's folder, unless the copy would answer differently."""

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

FLOAT_TOLERANCE = 1e-5
"""Largest difference between answers if only the order of float operations may change: in confidences and shares of the
picture; `difference` scales values above 1. Measured: 2e-7."""
PADDING_TOLERANCE = 3e-3
"""The same if the graph is fed the quantised picture, with all rounding removed; only the padding then differs.
Measured on the default model: 0.0010, and 0.013 if the offset of half a level is forgotten."""
QUANTISATION_TOLERANCE = 0.2
"""The same with the rounding, which carries any change through to the end. Measured: 0.06; the int8 model against its
own float model: 0.17; with rows and columns exchanged: 0.39."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What was done. `steps`: what the graph does now, in words; `difference`: the largest between the answers."""

    steps: tuple[str, ...]
    difference: float


def prepare_folder(source: Path, target: Path) -> Preparation:
    """Write the prepared model of the folder `source` to the folder `target`, which must not exist yet.

    Raises ModelConfigError, and writes nothing, if the model cannot be served, if there is nothing to prepare, if the
    prepared model answers differently, or if `target` exists or cannot be written.
    """
    folder = read_folder(source)
    if isinstance(folder.config.weights, PackageWeights):
        raise ModelConfigError(f"{folder.path}: nothing to prepare; its weights come with a package.")
    if target.exists():
        raise ModelConfigError(f"{target} exists already; expected the name of a new folder.")
    try:
        with TemporaryDirectory(prefix=".prepare-", dir=target.parent) as scratch:
            scratch_path = Path(scratch) / target.name
            preparation = _prepare(folder, scratch_path)
            scratch_path.rename(target)
    except OSError as error:
        raise ModelConfigError(f"{target} cannot be written: {error.strerror}.") from error
    return preparation


def _prepare(folder: ModelFolder, target: Path) -> Preparation:
    original = load_model(folder)
    original_graph, prepared_graph = onnx.load(folder.weights_path), onnx.load(folder.weights_path)
    edges = Edges.of(folder.config)
    steps = prepare(prepared_graph, edges)
    if not steps:
        raise ModelConfigError(
            f"{folder.weights_path}: nothing to prepare; it is prepared already, or has another structure."
        )
    _copy_all_but_weights(folder, target)
    onnx.save(prepared_graph, target / folder.weights_path.name)
    prepared = replace(folder, path=target)  # not read again: models that get its objects do not lie beside it yet
    difference = largest_difference(original, load_model(prepared), edges)
    if FED_AS_QUANTISED not in steps:
        _expect_at_most(FLOAT_TOLERANCE, difference, folder)
        return Preparation(steps, difference)
    _expect_at_most(QUANTISATION_TOLERANCE, difference, folder)
    original_unrounded, prepared_unrounded = (
        _load_unrounded(graph, version, target.parent)
        for graph, version in ((original_graph, folder), (prepared_graph, prepared))
    )
    difference_unrounded = largest_difference(original_unrounded, prepared_unrounded, edges)
    _expect_at_most(PADDING_TOLERANCE, difference_unrounded, folder)
    return Preparation(steps, difference)


def _copy_all_but_weights(folder: ModelFolder, target: Path) -> None:
    target.mkdir()
    for path in folder.path.iterdir():
        if path.is_file() and path != folder.weights_path:
            shutil.copyfile(path, target / path.name)


def _load_unrounded(graph: ModelProto, folder: ModelFolder, scratch: Path) -> LoadedModel:
    """Load the folder's model with the rounding removed from its graph; `scratch` receives the changed weights."""
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
