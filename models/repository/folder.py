"""The model repository: one folder a model, with a model.yaml that says how to serve it."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import ModelConfigError, UnknownLabelError
from models.families import (
    FAMILY_CONFIGS,
    PACKAGED_LABELS,
    FamilyConfig,
    InferenceType,
    InputConfig,
    OutputConfig,
)
from models.families.config import Fraction, Share
from models.frame import PixelFormat
from models.repository.checksums import checked_version
from models.results import Selection

CONFIG_FILE_NAME = "model.yaml"
MAX_LABEL_LENGTH = 200
BUILT_IN_ZOO = Path(__file__).parent.parent / "zoo"

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Names of models, which stand in paths, and of files in a model's own folder."""

FileName = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
Text = Annotated[str, Field(min_length=1)]


ProviderName: TypeAlias = Literal["cpu", "cuda", "tensorrt", "openvino", "coreml", "directml"]

Side = Annotated[int, Field(ge=1, le=65535)]
Stride = Annotated[int, Field(ge=1, le=999_999_999)]


class RawFrameConfig(BaseModel):
    """What raw frames for this model are like when the request does not say; docs/raw-frames.md explains the values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Side | None = None
    height: Side | None = None
    pixel_format: PixelFormat | None = None
    strides_bytes: Annotated[tuple[Stride, ...], Field(min_length=1, max_length=3)] | None = None

    @model_validator(mode="after")
    def _strides_are_of_something(self) -> Self:
        if self.strides_bytes and (self.width is None or self.pixel_format is None):
            raise ValueError("strides_bytes needs width and pixel_format beside it")
        return self


class ExecutionConfig(BaseModel):
    """What runs the model, and how many frames of it at once; docs/adding-a-model.md says what each costs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    providers: Annotated[tuple[ProviderName, ...], Field(min_length=1)] = ("cpu",)
    device: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    lanes: Annotated[int, Field(ge=1, le=256)] | None = None
    queue_size: Annotated[int, Field(ge=0, le=65536)] | None = None
    max_batch_size: Annotated[int, Field(ge=1, le=256)] = 1
    max_batch_delay_ms: Annotated[float, Field(ge=0, le=1000)] = 2

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.max_batch_size > (self.lanes or 1):
            raise ValueError("max_batch_size needs lanes, and at least as many of them: each brings one frame")
        if self.queue_size is not None and self.lanes is None:
            raise ValueError("queue_size needs lanes: without lanes of its own a model waits in the queue of all")
        return self


class Found(BaseModel):
    """What is found in a picture: a label, or the text of a line.

    `box_ltwh`: left, top, width, height as shares of the picture; None where there is no place, or any will do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: Text
    confidence: Fraction
    box_ltwh: tuple[Fraction, Fraction, Share, Share] | None = None

    def __str__(self) -> str:
        """Return it for people: cup 0.95 at [0.290, 0.058, 0.399, 0.583]."""
        place = f" at [{', '.join(f'{edge:.3f}' for edge in self.box_ltwh)}]" if self.box_ltwh else ""
        return f"{self.label} {self.confidence:.2f}{place}"


class GoldenConfig(BaseModel):
    """A picture in the model's folder, and what must be found in it; `framehook check` has it answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    picture: FileName
    expect: Annotated[tuple[Found, ...], Field(min_length=1)]


class ModelConfig(BaseModel):
    """The contents of model.yaml; docs/adding-a-model.md explains every key.

    `file` and `labels` are None where the weights come with a package, and only there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: FileName | None = None
    labels: FileName | None = None
    licence: Text
    source: Text
    family: FamilyConfig
    input: InputConfig
    output: OutputConfig
    execution: ExecutionConfig = ExecutionConfig()
    raw_frame: RawFrameConfig = RawFrameConfig()
    golden: GoldenConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_the_family_takes_for_granted(cls, document: Any) -> Any:
        """Add the family's defaults to the sections that all families share."""
        match document:
            case {"family": {"name": str(name)}} if name in FAMILY_CONFIGS:
                family = FAMILY_CONFIGS[name]
                given = {"input": {}, "output": {}} | document
                defaults = {"input": family.input_defaults, "output": family.output_defaults}
                return given | {
                    section: {**values, **given[section]} if isinstance(given[section], dict) else given[section]
                    for section, values in defaults.items()
                }
            case _:
                return document

    @model_validator(mode="after")
    def _has_weights_and_labels_once(self) -> Self:
        packaged = self.family.name in PACKAGED_LABELS
        for key, given in (("file", self.file), ("labels", self.labels)):
            if packaged and given is not None:
                raise ValueError(f"{key}: leave it out; family {self.family.name} brings its own")
            if not packaged and given is None:
                raise ValueError(f"{key}: family {self.family.name} needs the name of a file in this folder")
        return self

    @model_validator(mode="after")
    def _reports_what_there_is(self) -> Self:
        unknown = set(self.inference_types) - set(self.family.inference_types)
        if unknown:
            raise ValueError(
                f"output.inference_types: family {self.family.name} gives {', '.join(self.family.inference_types)}, "
                f"not {', '.join(sorted(unknown))}"
            )
        return self

    @property
    def inference_types(self) -> tuple[InferenceType, ...]:
        """Return the types of result that are reported."""
        return self.output.inference_types or self.family.inference_types


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """One model as it lies in the repository, read and checked but not yet loaded.

    `labels`: the class names by class id. `version`: the beginning of the SHA-256 of all its files, in hexadecimal.
    """

    name: str
    path: Path
    config: ModelConfig
    labels: tuple[str, ...]
    version: str

    @property
    def model_path(self) -> Path:
        """Return the path of the weights; of model.yaml, which asks for them, where they come with a package."""
        return self.path / (self.config.file or CONFIG_FILE_NAME)

    def select(
        self,
        confidence: float | None = None,
        labels: Sequence[str] | None = None,
        max_detections: int | None = None,
    ) -> Selection:
        """Return what one caller wants to hear of this model; raises UnknownLabelError, which names all it knows."""
        if not labels:
            return Selection(confidence, None, max_detections)
        known = {label: class_id for class_id, label in enumerate(self.labels)}
        if not known.keys() >= set(labels):
            raise UnknownLabelError(f"The model has no such label; its labels are: {', '.join(self.labels)}.")
        return Selection(confidence, frozenset(known[label] for label in labels), max_detections)


def find_models(roots: Sequence[Path], names: Collection[str] = ()) -> dict[str, Path]:
    """Return name → folder of the models below all roots, or of those names only; folders with a dot in front are none.

    Raises ModelConfigError when there are none, when a name is missing, or when two roots have the same one.
    """
    found: dict[str, Path] = {}
    for root in roots:
        for path in sorted(path.parent for path in root.glob(f"[!.]*/{CONFIG_FILE_NAME}")):
            if path.name in found:
                raise ModelConfigError(f"{path} has the name of {found[path.name]}; rename one of the two.")
            found[path.name] = path
    if not found:
        places = ", ".join(map(str, roots))
        raise ModelConfigError(f"No model in {places}: expected at least one folder with a {CONFIG_FILE_NAME}.")
    missing = [name for name in names if name not in found]
    if missing:
        raise ModelConfigError(f"No model named {', '.join(missing)}; there are: {', '.join(sorted(found))}.")
    return {name: found[name] for name in sorted(names or found)}


def read_repository(*roots: Path) -> tuple[ModelFolder, ...]:
    """Return the models below the roots, by name; raises ModelConfigError when there are none or one is wrong."""
    return tuple(read_folder(path) for path in find_models(roots).values())


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
    labels = PACKAGED_LABELS[config.family.name] if config.labels is None else read_labels(path / config.labels)
    folder = ModelFolder(path.name, path, config, labels, version)
    if config.golden:
        _refuse_unless_possible(config.golden, folder)
    return folder


def _refuse_unless_possible(golden: GoldenConfig, folder: ModelFolder) -> None:
    """Refuse a golden picture that is not there, and labels that the model does not have; a line may say anything."""
    if not (folder.path / golden.picture).is_file():
        raise ModelConfigError(f"{folder.path / golden.picture} is not a file.")
    place = f"{folder.path / CONFIG_FILE_NAME}: golden.expect"
    for expected in golden.expect:
        if folder.config.labels is not None and expected.label not in folder.labels:
            raise ModelConfigError(f"{place}: {expected.label} is no label in {folder.config.labels}.")


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels, one a line, by class id; raises ModelConfigError.

    A label is not empty, not longer than 200 characters, printable, unique, and free of commas, which separate
    labels in a query.
    """
    labels = tuple(line.strip() for line in _read_text(path).rstrip().split("\n"))
    for number, label in enumerate(labels, start=1):
        if not label or len(label) > MAX_LABEL_LENGTH or "," in label or not label.isprintable():
            raise ModelConfigError(
                f"{path}, line {number}: expected 1 to {MAX_LABEL_LENGTH} printable characters without a comma."
            )
    if len(set(labels)) != len(labels) or not labels:
        raise ModelConfigError(f"{path}: expected labels, one a line, each only once.")
    return labels


def _read_text(path: Path) -> str:
    if not path.is_file():  # a pipe would keep us waiting
        raise ModelConfigError(f"{path} is not a file.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelConfigError(f"{path} cannot be read as UTF-8 text.") from error


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"]) or "the whole file"
    message = re.sub("(a valid )?tuple", "a list", fault["msg"], flags=re.IGNORECASE)  # YAML's word for it
    return f"{key}: {message}."
