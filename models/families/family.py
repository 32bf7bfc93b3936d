"""What every family offers to the engine, what it is built from, and the base of its section in model.yaml."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from pydantic_core import PydanticKnownError

from models.families.config import Defaults, InferenceType, InputConfig, OutputConfig
from models.families.preprocessing import PictureInput
from models.families.signature import Outputs, Signature
from models.letterbox import Letterbox
from models.results import Results, Selection

ConfigT = TypeVar("ConfigT", bound="FamilySection")


@dataclass(frozen=True, slots=True)
class Spec(Generic[ConfigT]):
    """All that a family is built from.

    `family`, `input`, `output`: the sections of model.yaml, `family` being the family's own. `labels`: by class id.
    `signature`: the inputs and outputs of the model file.
    """

    family: ConfigT
    input: InputConfig
    output: OutputConfig
    labels: tuple[str, ...]
    signature: Signature


class Family(Protocol):
    """Feeds a kind of model and reads its outputs. Immutable: one object serves all lanes at once."""

    @property
    def picture(self) -> PictureInput:
        """Return the step that turns a frame into the model's inputs."""
        ...

    def postprocess(self, outputs: Outputs, letterbox: Letterbox, selection: Selection) -> Results:
        """Turn the model's outputs for one frame into results.

        `letterbox`: where the picture lay on the model's canvas, as `picture.preprocess` returned it. Boxes in the
        results are shares of the picture as received, 0..1. No candidate over the threshold: empty results. Raises
        InferenceError when an output has another shape than the file promised.
        """
        ...


Reader: TypeAlias = Callable[[Spec[Any]], Family]
"""Builds a family from the spec of a model whose section is that family's. Raises ModelConfigError when they differ."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What model.yaml says by default about a known layout, for its sections `family`, `input` and `output`."""

    section: Defaults = field(default_factory=dict)
    input: Defaults = field(default_factory=dict)
    output: Defaults = field(default_factory=dict)


NO_PRESET = Preset()


class FamilySection(BaseModel):
    """The `family` section of model.yaml. Each family derives its own from this, with `name` and any keys it needs.

    `reads`: the class that feeds and reads the models of this family. `inference_types`: the types of result it gives.
    `input_defaults`, `output_defaults`: its defaults for the sections `input` and `output`, by key. `logits`: the name
    of the output after a sigmoid, and the name under which `reads` also accepts the logits before that sigmoid, so that
    preparation can remove it; None when `reads` accepts no logits. `presets`: the layouts of known exporters, by the
    value of the key `preset`. `has_labels`: whether results have labels. `finds_outputs_by_name`: and
    not by their shapes. `fits_many_files`: also of other families. Both sort the guesses about a file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    reads: ClassVar[Reader]
    inference_types: ClassVar[tuple[InferenceType, ...]] = ("entity",)
    input_defaults: ClassVar[Defaults] = {}
    output_defaults: ClassVar[Defaults] = {}
    logits: ClassVar[tuple[str, str] | None] = None
    presets: ClassVar[Mapping[str, Preset]] = {}
    has_labels: ClassVar[bool] = True
    finds_outputs_by_name: ClassVar[bool] = False
    fits_many_files: ClassVar[bool] = False

    @classmethod
    def defaults_for(cls, section: Any) -> tuple[Defaults, Defaults]:
        """Return the defaults for the sections `input` and `output`. `section`: the unchecked section `family`."""
        preset = cls._preset_in(section)
        return {**cls.input_defaults, **preset.input}, {**cls.output_defaults, **preset.output}

    @classmethod
    def _preset_in(cls, section: Any) -> Preset:
        name = section.get("preset") if isinstance(section, dict) else None
        return cls.presets.get(name, NO_PRESET) if isinstance(name, str) else NO_PRESET

    @field_validator("preset", check_fields=False)  # families without presets have no such key
    @classmethod
    def _is_a_preset(cls, name: str | None) -> str | None:
        if name is not None and name not in cls.presets:
            raise PydanticKnownError("literal_error", {"expected": " or ".join(map(repr, cls.presets))})
        return name

    @model_validator(mode="before")
    @classmethod
    def _with_the_preset(cls, section: Any) -> Any:
        return {**cls._preset_in(section).section, **section} if isinstance(section, dict) else section
