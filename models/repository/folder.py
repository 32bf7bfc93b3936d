"""A model's folder, read and checked: model.yaml, the labels and the version; and where the folders are."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import yaml
from pydantic import ValidationError

from models.errors import ModelConfigError, UnknownLabelError
from models.repository.checksums import checked_version
from models.repository.config import NAME_PATTERN, FileWeights, GoldenConfig, ModelConfig, PackageWeights
from models.results import Selection

CONFIG_FILE_NAME = "model.yaml"
MAX_LABEL_LENGTH = 200
BUILT_IN_ZOO = Path(__file__).parent.parent / "zoo"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One model's folder in the repository, read and checked but not yet loaded.

    `labels`: the class names by class id. `version`: the beginning of the SHA-256 of all its files, in hexadecimal.
    """

    name: str
    path: Path
    config: ModelConfig
    labels: tuple[str, ...]
    version: str

    @property
    def weights_path(self) -> Path:
        """Return the path of the file with the weights; raises ModelConfigError where a package brings them."""
        if isinstance(self.config.weights, PackageWeights):
            raise ModelConfigError(f"{self.weights_name}: there is no file with weights.")
        return self.path / self.config.weights.file

    @property
    def weights_name(self) -> str:
        """Return where the weights are, for messages: the path of their file, or the package that model.yaml names."""
        match self.config.weights:
            case FileWeights(file=name):
                return str(self.path / name)
            case PackageWeights(package=name):
                return f"{self.path / CONFIG_FILE_NAME}, package {name}"

    def select(
        self,
        confidence: float | None = None,
        labels: Sequence[str] | None = None,
        max_detections: int | None = None,
    ) -> Selection:
        """Return the results that one request asks for; raises UnknownLabelError, whose message lists all labels."""
        if not labels:
            return Selection(confidence, None, max_detections)
        known = {label: class_id for class_id, label in enumerate(self.labels)}
        if not known.keys() >= set(labels):
            raise UnknownLabelError(f"The model has no such label; its labels are: {', '.join(self.labels)}.")
        return Selection(confidence, frozenset(known[label] for label in labels), max_detections)


def find_models(roots: Sequence[Path], names: Collection[str] = ()) -> dict[str, Path]:
    """Return name → folder of the models below all roots, or of the models of these names only.

    Folders whose name begins with a dot are skipped. Raises ModelConfigError when there is no model, when a name is
    missing, or when two roots have a folder of the same name.
    """
    found: dict[str, Path] = {}
    for root in roots:
        for path in sorted(path.parent for path in root.glob(f"[!.]*/{CONFIG_FILE_NAME}")):
            if path.name in found:
                raise ModelConfigError(f"{path} and {found[path.name]} have the same name; rename one of the two.")
            found[path.name] = path
    if not found:
        places = ", ".join(map(str, roots))
        raise ModelConfigError(f"No model in {places}: expected at least one folder with a {CONFIG_FILE_NAME}.")
    missing = [name for name in names if name not in found]
    if missing:
        raise ModelConfigError(f"No model named {', '.join(missing)}; there are: {', '.join(sorted(found))}.")
    return {name: found[name] for name in sorted(names or found)}


def read_folder(path: Path) -> ModelFolder:
    """Read and check one model's folder; raises ModelConfigError."""
    config_path = path / CONFIG_FILE_NAME
    if not re.fullmatch(NAME_PATTERN, path.name):
        raise ModelConfigError(f"{path!s:.200}: expected a folder named with letters, digits, dots, _ and - only.")
    if not config_path.is_file():
        raise ModelConfigError(f"{config_path} is not a file.")
    version = checked_version(path)
    try:
        config = ModelConfig.model_validate(yaml.safe_load(_read_text(config_path)))
    except ValidationError as error:
        raise ModelConfigError(f"{config_path}: {_first_fault(error)}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # impossible dates and endless nesting included
        raise ModelConfigError(f"{config_path} is not YAML.") from error
    labels = config.packaged_labels if config.labels is None else read_labels(path / config.labels)
    folder = ModelFolder(path.name, path, config, labels, version)
    if config.golden:
        _refuse_unless_possible(config.golden, folder)
    return folder


def _refuse_unless_possible(golden: GoldenConfig, folder: ModelFolder) -> None:
    """Refuse a golden picture that is missing, and labels that the model does not have; text may be anything."""
    if not (folder.path / golden.picture).is_file():
        raise ModelConfigError(f"{folder.path / golden.picture} is not a file.")
    if "text" in folder.config.family.inference_types:
        return
    for expected in golden.expect:
        if expected.label not in folder.labels:
            place = f"{folder.path / CONFIG_FILE_NAME}: golden.expect"
            raise ModelConfigError(
                f"{place}: {expected.label} is no label in {folder.config.labels or folder.weights_name}."
            )


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels, one a line, by class id; raises ModelConfigError.

    A label has 1 to 200 printable characters, is unique, and has no comma, since commas separate labels in a query.
    """
    labels = tuple(line.strip() for line in _read_text(path).rstrip().split("\n"))
    for number, label in enumerate(labels, start=1):
        if not label or len(label) > MAX_LABEL_LENGTH or "," in label or not label.isprintable():
            raise ModelConfigError(
                f"{path}, line {number}: expected 1 to {MAX_LABEL_LENGTH} printable characters without a comma."
            )
    if len(set(labels)) != len(labels) or not labels:
        raise ModelConfigError(f"{path}: expected one label a line, and no label twice.")
    return labels


def _read_text(path: Path) -> str:
    if not path.is_file():  # reading a pipe would block
        raise ModelConfigError(f"{path} is not a file.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelConfigError(f"{path} cannot be read as UTF-8 text.") from error


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    key = ".".join(str(part) for part, _ in groupby(fault["loc"]))  # weights.file.file is the kind, then its key
    if fault["type"] == "value_error":  # from our own validator
        sentence = str(fault["ctx"]["error"])
        return f"{key}: {sentence}." if key else f"{sentence}."
    message = re.sub("(a valid )?tuple", "a list", fault["msg"], flags=re.IGNORECASE)  # YAML's word for it
    return f"{key or 'the whole file'}: {message}."
