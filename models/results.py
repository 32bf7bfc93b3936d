"""The results that models give for a frame: frozen records, checked when they are created."""

from dataclasses import dataclass, field
from typing import TypeAlias

from models.boxes import BoxXyxy
from scene.events import Sighting

MAX_DETECTIONS = 1000
"""Most results of one frame that a model or a request may ask for; limits the cost of a very low confidence."""


Points: TypeAlias = tuple[tuple[float, ...], ...]
"""x and y of each in shares of the picture, and what else is known of it."""
Extensions: TypeAlias = tuple[tuple[str, str | Points], ...]
"""Names, and texts or points."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One object and where it is.

    `confidence`: 0..1. `box_xyxy`: (left, top, right, bottom), each 0..1 of the picture as received, origin at the
    top left corner, with left < right and top < bottom. `extensions`: what else the model says of it. `chained`: what
    the models say of it that model.yaml names under `then`, in their order; those that found nothing, or were not run,
    are left out. `sighting`: which object of its stream it is; None: it is not followed. It does not count when
    detections are compared. Raises ValueError for other values, NaN included.
    """

    label: str
    class_id: int
    confidence: float
    box_xyxy: BoxXyxy
    extensions: Extensions = ()
    chained: tuple["Chained", ...] = ()
    sighting: Sighting | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"expected a confidence in 0..1, got {self.confidence}")
        left, top, right, bottom = self.box_xyxy
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(f"expected 0 <= left < right <= 1 and 0 <= top < bottom <= 1, got {self.box_xyxy}")


def extensions_of_part(extensions: Extensions, part_xyxy: BoxXyxy) -> Extensions:
    """Return what is known of an object in a part of a picture, with its points in shares of the whole picture.

    `part_xyxy`: the part, in these shares.
    """
    left, top, right, bottom = part_xyxy
    width, height = right - left, bottom - top
    return tuple(
        (
            name,
            value
            if isinstance(value, str)
            else tuple((left + x * width, top + y * height, *more) for x, y, *more in value),
        )
        for name, value in extensions
    )


@dataclass(frozen=True, slots=True)
class Classification:
    """What the whole picture shows. `confidence`: 0..1. Raises ValueError for other values, NaN included."""

    label: str
    class_id: int
    confidence: float

    def __post_init__(self) -> None:
        """Check the range."""
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"expected a confidence in 0..1, got {self.confidence}")


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text, and where it is.

    `value`: the text. `place`: the confidence of the reading, and the upright box around the line. `language`: a BCP 47
    tag, or None if it is not known.
    """

    value: str
    place: Detection
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Embedding:
    """What the whole picture looks like, as a vector to compare with others. `content`: float32 [n], little-endian."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Results:
    """All results of one frame: detections and classifications most confident first, lines of text in reading order.

    `dropped`: how many candidates were left out because of a NaN, an infinity, a class without a label, an index out
    of range, or a box that is empty or outside the picture. More than 0 usually means a broken model. `highest`: the
    highest value that was taken for a confidence before it was limited to 1: clearly more means that it is a logit.
    """

    detections: tuple[Detection, ...] = ()
    dropped: int = 0
    classifications: tuple[Classification, ...] = ()
    lines: tuple[TextLine, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    highest: float = field(default=0.0, compare=False)

    @property
    def count(self) -> int:
        """Return the number of results, all kinds together, and those of chained models."""
        own = len(self.detections) + len(self.classifications) + len(self.lines) + len(self.embeddings)
        return own + sum(chained.results.count for detection in self.detections for chained in detection.chained)


@dataclass(frozen=True, slots=True)
class Chained:
    """What a chained model says of one object. `model`: its name. `results`: places in shares of the whole picture."""

    model: str
    results: Results


@dataclass(frozen=True, slots=True)
class Selection:
    """Which results one caller asks for. It belongs to one frame and is never kept.

    None means: as the model is configured. `confidence`: lowest confidence reported, 0..1. `class_ids`: the classes
    reported. `max_detections`: 1..MAX_DETECTIONS, the most confident ones. Raises ValueError for other values.
    """

    confidence: float | None = None
    class_ids: frozenset[int] | None = None
    max_detections: int | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise ValueError(f"expected a confidence in 0..1, got {self.confidence}")
        if self.max_detections is not None and not 1 <= self.max_detections <= MAX_DETECTIONS:
            raise ValueError(f"expected 1 to {MAX_DETECTIONS} detections, got {self.max_detections}")
