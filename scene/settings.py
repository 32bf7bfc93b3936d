"""The settings of a stream: what its file, or a request that changes them, may say."""

from typing import Annotated, Any, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Point: TypeAlias = tuple[Fraction, Fraction]
"""Shares of the picture's width and height, from its top left corner."""
Polygon: TypeAlias = Annotated[tuple[Point, ...], Field(min_length=3, max_length=64)]
Polygons: TypeAlias = Annotated[tuple[Polygon, ...], Field(max_length=16)]
Label: TypeAlias = Annotated[str, Field(min_length=1, max_length=256)]
ModelName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]

OTHERS = "*"
"""Among the thresholds: all labels that are not named."""


class StreamSettings(BaseModel):
    """What holds for the frames of a stream.

    `model`: answers frames that name none. `thresholds`: label, or OTHERS, → lowest confidence reported. `min_area`,
    `max_area`: of a box, as a share of the picture. `include`, `exclude`: where the middle of a box's lower edge must
    lie, or must not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ModelName | None = None
    thresholds: Annotated[dict[Label, Fraction], Field(max_length=1000)] = {}
    min_area: Fraction = 0
    max_area: Fraction = 1
    include: Polygons = ()
    exclude: Polygons = ()

    @model_validator(mode="after")
    def _leaves_an_area(self) -> Self:
        if self.min_area > self.max_area:
            raise ValueError(f"min_area: expected at most max_area, {self.max_area}, got {self.min_area}")
        return self

    def threshold(self, label: str) -> float | None:
        """Return the lowest confidence at which a label is reported; None: as the model is configured."""
        return self.thresholds.get(label, self.thresholds.get(OTHERS))

    def as_document(self) -> dict[str, Any]:
        """Return what a file would say: only what differs from the defaults, as plain data."""
        return self.model_dump(mode="json", exclude_defaults=True)
