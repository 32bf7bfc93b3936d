"""The settings of a stream: what its file, or a request that changes them, may say."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, FailFast, Field, model_validator

from scene import followed
from scene.lines import Line
from scene.motion import MotionSettings, Sensitivity
from scene.regions import SIDE_PX
from scene.remembered import Grid, Remembered, Rules
from scene.tracks import TrackRules
from scene.zones import Zone

MAX_KEYS = 100
"""Of a section: a check that lists thousands of faults would keep the event loop."""


def _few_keys(document: Any) -> Any:
    """Refuse a section of very many keys before they are checked one by one."""
    if isinstance(document, dict) and len(document) > MAX_KEYS:
        raise ValueError(f"expected at most {MAX_KEYS} keys")
    return document


Fraction: TypeAlias = Annotated[float, Field(ge=0, le=1, strict=True)]
Point: TypeAlias = tuple[Fraction, Fraction]
"""Shares of the picture's width and height, from its top left corner."""
Polygon: TypeAlias = Annotated[tuple[Point, ...], Field(min_length=3, max_length=32), FailFast()]
Polygons: TypeAlias = Annotated[tuple[Polygon, ...], Field(max_length=8), FailFast()]
ModelName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=128)]

Label: TypeAlias = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]*$")]
"""One line: what YAML cannot keep as it is, no list of labels has."""
SceneName: TypeAlias = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]{1,64}$")]
"""As a stream's: it is shown to people."""
Labels: TypeAlias = Annotated[tuple[Label, ...], Field(max_length=100), FailFast()]
Tiles: TypeAlias = Annotated[int, Field(ge=1, le=4, strict=True)]

OTHERS = "*"
"""Among the thresholds: all labels that are not named."""
MOTION, REGIONS, TRACK = MotionSettings(), Rules(), TrackRules()
"""Their values are the defaults of the keys."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _has_values(cls, document: Any) -> Any:
        """Refuse a key without a value: in YAML `motion:` looks as if it turned motion on."""
        if isinstance(_few_keys(document), dict):
            for key, value in document.items():
                if value is None:
                    raise ValueError(f"{key}: expected a value; {{}} stands for a section with its defaults")
        return document


class MotionSection(_Section):
    """Frames in which nothing has moved are not run. See `scene.motion.MotionSettings`.

    `answer`: what such a frame is answered with: the last answer again, or no content. `report`: whether what has moved
    is reported, too.
    """

    sensitivity: Sensitivity = MOTION.sensitivity
    mask: Polygons = ()
    refresh_s: Annotated[float, Field(ge=0, le=86400, strict=True)] = MOTION.refresh_s
    answer: Literal["repeat", "no_content"] = "repeat"
    report: Annotated[bool, Field(strict=True)] = False

    @property
    def rules(self) -> MotionSettings:
        """Return how motion is found."""
        return MotionSettings(self.sensitivity, self.mask, self.refresh_s)


class GridRegions(_Section):
    """Tiles that cover the picture are run, besides the whole picture.

    `grid`: columns and rows. `overlap`: the share of a tile's side that it has in common with its neighbour.
    """

    mode: Literal["grid"]
    grid: tuple[Tiles, Tiles] = (2, 2)
    overlap: Annotated[float, Field(ge=0, le=0.75, strict=True)] = 0.25


class MotionRegions(_Section):
    """Squares around what moves are run, and the whole picture at every refresh.

    `max`: how many of one picture. `side_px`: of a square, in pixels of the picture.
    """

    mode: Literal["motion"]
    max: Annotated[int, Field(ge=1, le=16, strict=True)] = REGIONS.at_most
    side_px: Annotated[int, Field(ge=32, le=8192, strict=True)] = SIDE_PX


class TrackSection(_Section):
    """Objects are followed from frame to frame. See `scene.tracks.TrackRules`."""

    lost_s: Annotated[float, Field(ge=0, le=60, strict=True)] = TRACK.lost_s


class LineSection(_Section):
    """A line that objects cross; only those with these labels count, all if there are none."""

    name: SceneName
    line: tuple[Point, Point]
    labels: Labels = ()

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.line[0] == self.line[1]:
            raise ValueError("line: expected two different points")
        return self

    @property
    def rules(self) -> Line:
        """Return the line as it is counted."""
        return Line(self.name, self.line, frozenset(self.labels))


class ZoneSection(_Section):
    """A part of the picture that objects enter and leave; only those with these labels count, all if there are none.

    `dwell_s`: objects that are in it for so long are reported; None: they are not.
    """

    name: SceneName
    polygon: Polygon
    labels: Labels = ()
    dwell_s: Annotated[float, Field(ge=0, le=86400, strict=True)] | None = None

    @property
    def rules(self) -> Zone:
        """Return the zone as it is watched."""
        return Zone(self.name, self.polygon, frozenset(self.labels), self.dwell_s)


def _named_once(sections: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a name that two lines, or two zones, have."""
    names = [section.name for section in sections]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"the name {name} is there twice; expected a name of its own for each")
    return sections


class StreamSettings(_Section):
    """What holds for the frames of a stream.

    `model`: answers frames that name none. `thresholds`: label, or OTHERS, → lowest confidence reported. `min_area`,
    `max_area`: of a box, as a share of the picture. `include`, `exclude`: where the middle of a box's lower edge must
    lie, or must not. `motion`, `regions`, `track`: None turns them off, but `lines` and `zones` need tracks, too.
    `sequence_id`: whether entities have their track as `sequenceId` as well.
    """

    model: ModelName | None = None
    thresholds: Annotated[dict[Label, Fraction], BeforeValidator(_few_keys)] = {}
    min_area: Fraction = 0
    max_area: Fraction = 1
    include: Polygons = ()
    exclude: Polygons = ()
    motion: MotionSection | None = None
    regions: Annotated[GridRegions | MotionRegions, Field(discriminator="mode")] | None = None
    track: TrackSection | None = None
    lines: Annotated[tuple[LineSection, ...], Field(max_length=16), FailFast(), AfterValidator(_named_once)] = ()
    zones: Annotated[tuple[ZoneSection, ...], Field(max_length=16), FailFast(), AfterValidator(_named_once)] = ()
    sequence_id: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _leaves_an_area(self) -> Self:
        if self.min_area > self.max_area:
            raise ValueError(f"min_area: expected at most max_area, {self.max_area}, got {self.min_area}")
        return self

    @property
    def remembers(self) -> bool:
        """Return whether an answer depends on earlier frames of the stream."""
        return self.looks or self.follows

    @property
    def looks(self) -> bool:
        """Return whether it matters what has moved."""
        return self.motion is not None or isinstance(self.regions, MotionRegions)

    @property
    def follows(self) -> bool:
        """Return whether objects are followed."""
        return self.track is not None or bool(self.lines or self.zones)

    @property
    def follow_rules(self) -> followed.Rules:
        """Return how objects are followed, and where it matters what they do."""
        track = TrackRules((self.track or TrackSection()).lost_s)
        return followed.Rules(track, tuple(line.rules for line in self.lines), tuple(zone.rules for zone in self.zones))

    @property
    def motion_rules(self) -> MotionSettings:
        """Return how motion is found; regions need it, too."""
        return (self.motion or MotionSection()).rules

    def regions_chooser(self) -> Remembered | Grid | None:
        """Return what chooses the regions of one stream's frames; None: the whole picture is run."""
        match self.regions:
            case GridRegions(grid=(columns, rows), overlap=overlap):
                return Grid(columns, rows, overlap)
            case MotionRegions(max=at_most, side_px=side_px):
                return Remembered(Rules(side_px, at_most, self.motion_rules.refresh_s))
            case _:
                return None

    def threshold(self, label: str) -> float | None:
        """Return the lowest confidence at which a label is reported; None: as the model is configured."""
        return self.thresholds.get(label, self.thresholds.get(OTHERS))

    def as_document(self) -> dict[str, Any]:
        """Return what a file would say: only what differs from the defaults, as plain data."""
        return self.model_dump(mode="json", exclude_unset=True)
