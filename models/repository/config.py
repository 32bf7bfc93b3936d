"""The schema of model.yaml."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.families import FAMILY_CONFIGS, PACKAGED_LABELS, FamilyConfig, InferenceType, InputConfig, OutputConfig
from models.families.config import Fraction, Share
from models.frame import PixelFormat

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


class ExpectedResult(BaseModel):
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
    expect: Annotated[tuple[ExpectedResult, ...], Field(min_length=1)]


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
