"""The sections of model.yaml that all families share. Each family brings its own defaults for them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

from models.frame import DecodeTarget
from models.letterbox import ResizeMode
from models.results import MAX_DETECTIONS

Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Share: TypeAlias = Annotated[float, Field(gt=0, le=1)]
MAX_SIDE = 4096
"""Of a canvas, in pixels: far beyond any model that is run frame by frame."""
Side: TypeAlias = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Divisor: TypeAlias = Annotated[float, Field(gt=0)]
InferenceType: TypeAlias = Literal["entity", "classification", "text"]
INFERENCE_TYPES: tuple[InferenceType, ...] = get_args(InferenceType)
Defaults: TypeAlias = Mapping[str, Any]
"""What a family takes for granted of a section, by the names of its keys."""


class InputConfig(BaseModel):
    """How a picture becomes the model's input. The values fed are (pixel * scale - mean) / std.

    `mean` and `std` are in the order of the channels as they are fed. Pixels go in as they are where the file takes
    uint8: its normalisation is inside. `layout` is that of a file before its preparation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    size_wh: tuple[Side, Side]
    resize: ResizeMode = "stretch"
    crop_share: Share = 1
    padding: Annotated[int, Field(ge=0, le=255)] = 114
    colour_order: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nchw", "nhwc"] | None = None
    scale: Divisor = 1
    mean: tuple[float, float, float] = (0, 0, 0)
    std: tuple[Divisor, Divisor, Divisor] = (1, 1, 1)

    @property
    def target(self) -> DecodeTarget:
        """Return what is wanted of a decoder."""
        return DecodeTarget(self.size_wh, self.resize, self.crop_share)


class OutputConfig(BaseModel):
    """What is reported of a model's outputs, unless a request says otherwise.

    `iou_threshold`: boxes of one label that overlap more count as one; None: the model itself sees to that.
    `inference_types`: the types that are reported; None: all that the family gives.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    confidence_threshold: Fraction = 0.5
    iou_threshold: Fraction | None = 0.5
    max_detections: Annotated[int, Field(ge=1, le=MAX_DETECTIONS)] = 100
    subtype: Annotated[str, Field(pattern=r"^\S(\s*\S)*$", max_length=200)] | None = None
    inference_types: Annotated[tuple[InferenceType, ...], Field(min_length=1)] | None = None
