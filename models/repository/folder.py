"""A model's folder, read and checked: model.yaml, the labels and the version; and where the folders are."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from models.errors import ModelConfigError, UnknownLabelError
from models.repository.chains import refuse_longer_chains, refuse_wrong_links
from models.repository.checksums import checked_version
from models.repository.config import NAME_PATTERN, FileWeights, GoldenConfig, ModelConfig, PackageWeights
from models.repository.files import CONFIG_FILE_NAME, MAX_FILES, leads_outside
from models.repository.labels import read_labels, refuse_shifted_labels, reported
from models.repository.plain_yaml import read_plain_yaml
from models.results import Selection

MISNAMED = re.compile(r"model\.ya?ml(\.txt)?", re.IGNORECASE)
"""Names that people, and systems that hide the end of a name, give to model.yaml."""
MAX_SHOWN_LABEL = 40
"""Characters of an unknown label that a message shows, escaped."""
BUILT_IN_ZOO = Path(__file__).parent.parent / "zoo"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One model's folder in the repository, read and checked but not yet loaded.

    `labels`: the class names by class id. `version`: the beginning of the SHA-256 of all its files, in hexadecimal.
    `chained`: the models that get its objects, in the order of `config.then`; their folders lie beside this one.
    """

    name: str
    path: Path
    config: ModelConfig
    labels: tuple[str, ...]
    version: str
    chained: tuple["ModelFolder", ...] = ()

    def at(self, path: Path) -> "ModelFolder":
        """Return the same folder in another place, where those of the chained models lie beside it, too."""
        return replace(self, path=path, chained=tuple(each.at(path.parent / each.name) for each in self.chained))

    @property
    def reported(self) -> Mapping[str, int]:
        """Return label → class id of the classes that results can have: all but a background and unused ids."""
        return reported(self.labels)

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
        """Return the results that one request asks for.

        Raises UnknownLabelError, whose message names the first unknown label and lists the model's.
        """
        known = self.reported
        if not labels:
            class_ids = None if len(known) == len(self.labels) else frozenset(known.values())
            return Selection(confidence, class_ids, max_detections)
        unknown = next((label for label in labels if label not in known), None)
        if unknown is not None:
            cut = "..." if len(unknown) > MAX_SHOWN_LABEL else ""
            raise UnknownLabelError(
                f"The model has no label {unknown[:MAX_SHOWN_LABEL]!a}{cut}; its labels are: {', '.join(known)}."
            )
        return Selection(confidence, frozenset(known[label] for label in labels), max_detections)


def find_models(roots: Sequence[Path], names: Collection[str] = ()) -> dict[str, Path]:
    """Return name → folder of the models below all roots, or of the models of these names only.

    Raises ModelConfigError when there is no model, when a name is missing, when two roots have a folder of the same
    name, or when a root cannot be read.
    """
    found = {name: only_folder(folders) for name, folders in model_folders(roots).items() if not names or name in names}
    if not found and not names:
        raise ModelConfigError(_nothing_in(roots))
    missing = [name for name in names if name not in found]
    if missing:
        there = ", ".join(sorted(model_folders(roots)))
        raise ModelConfigError(f"No model named {', '.join(missing)}; there are: {there}.")
    return {name: found[name] for name in sorted(found)}


def _nothing_in(roots: Sequence[Path]) -> str:
    for root in roots:
        if os.path.lexists(root / CONFIG_FILE_NAME):
            return f"{root} is the folder of a model; expected the folder that contains it."
    places = ", ".join(map(str, roots))
    return f"No model in {places}: expected at least one folder with a {CONFIG_FILE_NAME}."


def model_folders(roots: Sequence[Path]) -> dict[str, list[Path]]:
    """Return name → folders of that name below all roots; more than one cannot be served.

    Folders whose model.yaml has a wrong name or place are among them; `read_folder` says what is wrong. Names that
    begin with a dot, or are not printable text in UTF-8, are skipped. Raises ModelConfigError when a root cannot be
    read.
    """
    found: dict[str, list[Path]] = {}
    for root in roots:
        for name in names_in(root):
            folder = root / name
            if name.isprintable() and (os.path.lexists(folder / CONFIG_FILE_NAME) or misplaced_config(folder)):
                found.setdefault(name, []).append(folder)
    return found


def folders_named(name: str, roots: Sequence[Path]) -> list[Path]:
    """Return the folders of one name below the roots that can be read.

    Raises ModelConfigError when there is none, and a root cannot be read: the folder may be there.
    """
    found: list[Path] = []
    fault: ModelConfigError | None = None
    for root in roots:
        try:
            found += model_folders([root]).get(name, ())
        except ModelConfigError as error:
            fault = error
    if fault and not found:
        raise fault
    return found


def misplaced_config(folder: Path) -> Path | None:
    """Return what seems to be meant as the model.yaml of a folder that has none: misnamed, or one level too deep."""
    if leads_outside(folder, Path(os.path.realpath(folder.parent))):
        return None
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in islice(entries, MAX_FILES) if entry.name[0] != ".")
    except OSError:
        return None
    misnamed = [folder / name for name in names if MISNAMED.fullmatch(name)]
    deeper = (folder / name / CONFIG_FILE_NAME for name in names if not (folder / name).is_symlink())
    return next((path for path in (*misnamed, *deeper) if os.path.lexists(path)), None)


def refuse_misplaced_config(folder: Path) -> None:
    """Raise ModelConfigError when the model.yaml of a folder has a wrong name or place."""
    misplaced = None if os.path.lexists(folder / CONFIG_FILE_NAME) else misplaced_config(folder)
    if misplaced and misplaced.parent == folder:
        raise ModelConfigError(f"{misplaced}: expected the name {CONFIG_FILE_NAME}.")
    if misplaced:
        raise ModelConfigError(
            f"{misplaced} is one level too deep: put the folder {misplaced.parent.name} into {folder.parent} itself, "
            f"or let the name {folder.name} begin with a dot if nothing in it is to be served."
        )


def only_folder(folders: Sequence[Path]) -> Path:
    """Return the one folder of a name; raises ModelConfigError when there are several."""
    if len(folders) > 1:
        raise ModelConfigError(f"{folders[1]} and {folders[0]} have the same name; rename one of the two.")
    return folders[0]


def escaped(name: str) -> str:
    """Return a name as printable ASCII, bytes that are not UTF-8 included."""
    return name.encode("unicode_escape").decode()


def names_in(root: Path) -> list[str]:
    """Return the names of the folders in a repository that do not begin with a dot, sorted; raises ModelConfigError."""
    try:
        with os.scandir(root) as entries:
            return sorted(entry.name for entry in entries if entry.name[0] != "." and _may_be_folder(entry))
    except OSError as error:
        raise ModelConfigError(f"{root} cannot be read: {error.strerror}.") from error


def _may_be_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: reading it gives the reason
        return True


def reason_for_clients(error: ModelConfigError, roots: Sequence[Path]) -> str:
    """Return the message without the places of the repositories: forklifts/model.yaml: ..."""
    reason = str(error)
    places = {place for root in roots if root.is_absolute() for place in (str(root), os.path.realpath(root))}
    for place in sorted(places, key=len, reverse=True):
        reason = reason.replace(f"{place}{os.sep}", "").replace(place, "the model repository")
    return reason


def read_folder(path: Path) -> ModelFolder:
    """Read and check one model's folder, and those of the models that it gives its objects to.

    Raises ModelConfigError.
    """
    folder, config_path = _read_alone(path), path / CONFIG_FILE_NAME
    refuse_wrong_links(config_path, folder.config, folder.reported)
    chained = tuple(_read_alone(path.parent / link.model) for link in folder.config.then)
    refuse_longer_chains(config_path, folder.config, [each.config for each in chained])
    return replace(folder, chained=chained)


def _read_alone(path: Path) -> ModelFolder:
    config_path = path / CONFIG_FILE_NAME
    if not re.fullmatch(NAME_PATTERN, path.name):
        raise ModelConfigError(f"{path!s:.200}: expected a folder named with letters, digits, dots, _ and - only.")
    refuse_misplaced_config(path)
    version = checked_version(path)
    try:
        config = ModelConfig.model_validate(read_plain_yaml(config_path))
    except ValidationError as error:
        raise ModelConfigError(f"{config_path}: {first_fault(error)}") from error
    labels = config.packaged_labels if config.labels is None else read_labels(path / config.labels)
    if config.labels is not None:
        refuse_shifted_labels(path / config.labels, labels, config.family)
    folder = ModelFolder(path.name, path, config, labels, version)
    if config.golden:
        _refuse_unless_possible(config.golden, folder)
    return folder


def _refuse_unless_possible(golden: GoldenConfig, folder: ModelFolder) -> None:
    """Refuse a golden picture that is missing, and labels that the model does not have; text may be anything."""
    if not os.path.isfile(folder.path / golden.picture):  # noqa: PTH113  # pathlib's raises where access is denied
        raise ModelConfigError(f"{folder.path / golden.picture} is not a file.")
    if "text" in folder.config.family.inference_types:
        return
    for expected in golden.expect:
        if expected.label not in folder.labels:
            place = f"{folder.path / CONFIG_FILE_NAME}: golden.expect"
            raise ModelConfigError(
                f"{place}: {expected.label} is no label in {folder.config.labels or folder.weights_name}."
            )


WHOLE = "the whole document"


def first_fault(error: ValidationError) -> str:
    """Return the first fault of a document that was checked: its key, and what is wrong."""
    fault = error.errors()[0]
    place = fault["loc"]
    key = ".".join(  # weights.file.file is the kind, then its key; but include.0.0 is a point of a polygon
        str(part)
        for before, part in zip((None, *place), place, strict=False)
        if part != before or isinstance(part, int)
    )
    if fault["type"] == "value_error":  # from our own validator
        sentence = str(fault["ctx"]["error"])
        return f"{key}: {sentence}." if key else f"{sentence}."
    if fault["type"] == "extra_forbidden":
        return f"{key}: no such key."
    if fault["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return f"{key or WHOLE}: expected keys with values."
    if fault["type"].startswith("union_tag"):  # the key that says which kind of section it is
        kind = str(fault["ctx"]["discriminator"]).strip("'")
        kinds = fault["ctx"].get("expected_tags")
        return f"{key}.{kind}: expected one of {kinds}." if kinds else f"{key}.{kind}: missing."
    message = re.sub("(a valid )?tuple", "a list", fault["msg"], flags=re.IGNORECASE)  # YAML's word for it
    return f"{key or WHOLE}: {message}."
