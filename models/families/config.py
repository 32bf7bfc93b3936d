"""The sections of model.yaml that all families share. Each family has its own defaults for them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.frame import DecodeTarget
from models.letterbox import ResizeMode
from models.results import MAX_DETECTIONS

Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Share: TypeAlias = Annotated[float, Field(gt=0, le=1)]
MAX_SIDE = 4096
"""Largest width or height of a model's canvas in pixels: far beyond any model that is run frame by frame."""
CanvasSide: TypeAlias = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Divisor: TypeAlias = Annotated[float, Field(gt=0)]
InferenceType: TypeAlias = Literal["entity", "classification", "text", "other"]
INFERENCE_TYPES: tuple[InferenceType, ...] = get_args(InferenceType)
Defaults: TypeAlias = Mapping[str, Any]
"""A family's default values for a section of model.yaml, by key."""


IMAGENET: Defaults = {"scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
"""How most backbones that were trained on ImageNet get RGB pictures, as keys of the section `input`."""


class InputConfig(BaseModel):
    """The section `input`: how a picture becomes the model's input.

    `size_wh`: the canvas in pixels. `resize`, `crop_share`: how the picture is fitted to it; see `models.letterbox`.
    `padding`: the level, 0..255, of what remains of the canvas. A float32 input is fed (pixel * scale - mean) / std;
    `mean` and `std` are in the order of the channels as fed, or one value for all. A uint8 input is fed the pixels as
    they are: the file normalises them itself. `layout`: that of the file before its preparation; None: the file's shape
    decides.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    size_wh: tuple[CanvasSide, CanvasSide]
    resize: ResizeMode = "stretch"
    crop_share: Share = 1
    padding: Annotated[int, Field(ge=0, le=255)] = 114
    colour_order: Literal["rgb", "bgr", "grey"] = "rgb"
    layout: Literal["nchw", "nhwc"] | None = None
    scale: Divisor = 1
    mean: Annotated[tuple[float, ...], Field(min_length=1, max_length=3)] = (0, 0, 0)
    std: Annotated[tuple[Divisor, ...], Field(min_length=1, max_length=3)] = (1, 1, 1)

    @model_validator(mode="after")
    def _normalises_each_channel(self) -> Self:
        for key, values in (("mean", self.mean), ("std", self.std)):
            if len(set(values)) > 1 and len(values) != self.channels:
                raise ValueError(f"{key}: expected one value, or {self.channels}, one for each channel")
        return self

    @property
    def channels(self) -> int:
        """Return the number of channels of the model's picture."""
        return 1 if self.colour_order == "grey" else 3

    @property
    def target(self) -> DecodeTarget:
        """Return the pixels that a decoder should deliver."""
        return DecodeTarget(self.size_wh, self.resize, self.crop_share)


class OutputConfig(BaseModel):
    """The section `output`: which results are reported, unless a request says otherwise.

    `confidence_threshold`: lowest confidence, 0..1. `iou_threshold`: boxes of one label that overlap more count as one;
    None: the model does this itself. `class_agnostic`: so do boxes of different labels. `max_detections`: most results
    of one frame. `subtype`: reported with every result. `inference_types`: the types that are reported; None: all types
    of the family.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    confidence_threshold: Fraction = 0.5
    iou_threshold: Fraction | None = 0.5
    class_agnostic: bool = False
    max_detections: Annotated[int, Field(ge=1, le=MAX_DETECTIONS)] = 100
    subtype: Annotated[str, Field(pattern=r"^\S(\s*\S)*$", max_length=200)] | None = None
    inference_types: Annotated[tuple[InferenceType, ...], Field(min_length=1)] | None = None
