"""The schema of model.yaml."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from models.families import FAMILY_CONFIGS, FamilyConfig, InferenceType, InputConfig, OutputConfig
from models.families.config import Fraction, Share
from models.frame import PixelFormat

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Names of models, which stand in paths, and of files in a model's own folder."""

FileName = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
Text = Annotated[str, Field(min_length=1)]
MAX_CPU_LANES = 32
"""Of one model, without batches: each lane is a process."""


PackageName: TypeAlias = Literal["rapidocr"]
ProviderName: TypeAlias = Literal["cpu", "cuda", "tensorrt", "openvino", "coreml", "directml"]

PACKAGE_LABELS: dict[PackageName, tuple[str, ...]] = {
    "rapidocr": ("text",),
}
"""Packages that bring weights → the labels of these weights, by class id."""

FrameSide = Annotated[int, Field(ge=1, le=65535)]
Stride = Annotated[int, Field(ge=1, le=999_999_999)]


class FileWeights(BaseModel):
    """Weights in a file of the model's folder, as ONNX."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: FileName


class PackageWeights(BaseModel):
    """Weights that an optional Python package brings, with their labels."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: PackageName


def _kind_of_weights(section: Any) -> str | None:
    """Return the one key that says where the weights are; None when there is none, or more than one."""
    kinds = [kind for kind in ("file", "package") if isinstance(section, dict) and kind in section]
    return kinds[0] if len(kinds) == 1 else None


WeightsConfig: TypeAlias = Annotated[
    Annotated[FileWeights, Tag("file")] | Annotated[PackageWeights, Tag("package")],
    Discriminator(
        _kind_of_weights,
        custom_error_type="weights_kind",
        custom_error_message="expected {file: ...} with the name of a file in this folder, or {package: ...}",
    ),
]


class RawFrameConfig(BaseModel):
    """The format of raw frames for this model when the request does not say; docs/raw-frames.md explains the values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: FrameSide | None = None
    height: FrameSide | None = None
    pixel_format: PixelFormat | None = None
    strides_bytes: Annotated[tuple[Stride, ...], Field(min_length=1, max_length=3)] | None = None

    @model_validator(mode="after")
    def _strides_are_of_something(self) -> Self:
        if self.strides_bytes and (self.width is None or self.pixel_format is None):
            raise ValueError("strides_bytes also needs width and pixel_format")
        return self


class ExecutionConfig(BaseModel):
    """What runs the model, and on how many frames at once; docs/adding-a-model.md says what each key costs."""

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
            raise ValueError("max_batch_size needs at least as many lanes: each lane brings one frame")
        if (self.lanes or 1) > MAX_CPU_LANES and self.max_batch_size == 1 and self.providers == ("cpu",):
            raise ValueError(f"more than {MAX_CPU_LANES} lanes are for batches and accelerators: each is a process")
        if self.queue_size is not None and self.lanes is None:
            raise ValueError("queue_size needs lanes: a model without lanes of its own waits in the shared queue")
        return self


class ExpectedResult(BaseModel):
    """One result in a picture: a label, or the text of a line.

    `box_ltwh`: left, top, width and height as shares of the picture; None where the result has no box, or where any
    box will do.
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
    """A picture in the model's folder and the results expected for it; `framehook check` compares them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    picture: FileName
    expect: Annotated[tuple[ExpectedResult, ...], Field(min_length=1)]


class ModelConfig(BaseModel):
    """The contents of model.yaml; docs/adding-a-model.md explains every key.

    `labels`: the name of the file with the labels; None where a package brings the weights, and only there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: WeightsConfig
    labels: FileName | None = None
    licence: str = ""
    source: str = ""
    family: FamilyConfig
    input: InputConfig
    output: OutputConfig
    execution: ExecutionConfig = ExecutionConfig()
    raw_frame: RawFrameConfig = RawFrameConfig()
    golden: GoldenConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_file_on_top(cls, document: Any) -> Any:
        if isinstance(document, dict) and "file" in document:
            raise ValueError(f"file: put it under weights, as in weights: {{file: {document['file']!s:.200}}}")
        return document

    @model_validator(mode="before")
    @classmethod
    def _with_defaults_of_the_family(cls, document: Any) -> Any:
        """Add the family's defaults to the sections that all families share."""
        match document:
            case {"family": {"name": str(name)}} if name in FAMILY_CONFIGS:
                defaults = FAMILY_CONFIGS[name].defaults_for(document["family"])
                given = {"input": {}, "output": {}} | document
                return given | {
                    section: {**values, **given[section]} if isinstance(given[section], dict) else given[section]
                    for section, values in zip(("input", "output"), defaults, strict=True)
                }
            case _:
                return document

    @model_validator(mode="after")
    def _has_labels_once(self) -> Self:
        match self.weights:
            case PackageWeights(package=package) if self.labels is not None:
                raise ValueError(f"labels: leave it out; the package {package} brings the labels")
            case FileWeights() if self.labels is None and self.family.has_labels:
                raise ValueError("labels: expected the name of a file in this folder, with one label a line")
            case _:
                return self

    @model_validator(mode="after")
    def _reports_only_what_the_family_gives(self) -> Self:
        unknown = set(self.inference_types) - set(self.family.inference_types)
        if unknown:
            raise ValueError(
                f"output.inference_types: family {self.family.name} gives {', '.join(self.family.inference_types)}, "
                f"not {', '.join(sorted(unknown))}"
            )
        return self

    @property
    def packaged_labels(self) -> tuple[str, ...]:
        """Return the labels that a package brings, by class id; none where they are in a file."""
        return PACKAGE_LABELS[self.weights.package] if isinstance(self.weights, PackageWeights) else ()

    @property
    def inference_types(self) -> tuple[InferenceType, ...]:
        """Return the types of result that are reported."""
        return self.output.inference_types or self.family.inference_types
