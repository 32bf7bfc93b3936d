"""What models find in a frame: frozen records, checked when they are made."""

from dataclasses import dataclass

MAX_DETECTIONS = 1000
"""Most results of one frame that anyone may ask for; bounds the cost of a very low confidence."""


@dataclass(frozen=True, slots=True)
class Detection:
    """One object and where it is.

    `confidence`: 0..1. `box_xyxy`: (left, top, right, bottom), each 0..1 of the picture as received, origin at the
    top left corner, with left < right and top < bottom.
    """

    label: str
    class_id: int
    confidence: float
    box_xyxy: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        """Refuse what no consumer could place: NaN, infinities, values out of range, empty boxes."""
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"expected a confidence in 0..1, got {self.confidence}")
        left, top, right, bottom = self.box_xyxy
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(f"expected 0 <= left < right <= 1 and 0 <= top < bottom <= 1, got {self.box_xyxy}")


@dataclass(frozen=True, slots=True)
class Classification:
    """What the whole picture shows. `confidence`: 0..1."""

    label: str
    class_id: int
    confidence: float

    def __post_init__(self) -> None:
        """Refuse NaN and values out of range."""
        if not 0 <= self.confidence <= 1:
            raise ValueError(f"expected a confidence in 0..1, got {self.confidence}")


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text, and where it is: `place` has the confidence of the reading and the box around the line.

    `language`: a BCP 47 tag, or None.
    """

    value: str
    place: Detection
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """What was found in one frame, each kind by falling confidence, but lines of text in reading order.

    `dropped`: how many candidates were left out because the model gave them a value that is no number (NaN or
    infinity), or a class or a place that there is not. More than none means a broken model.
    """

    detections: tuple[Detection, ...] = ()
    dropped: int = 0
    classifications: tuple[Classification, ...] = ()
    lines: tuple[TextLine, ...] = ()

    @property
    def count(self) -> int:
        """Return how much was found."""
        return len(self.detections) + len(self.classifications) + len(self.lines)


@dataclass(frozen=True, slots=True)
class Selection:
    """What one caller wants to hear of; it belongs to one frame and is never kept.

    None means: as the model is configured. `confidence`: lowest confidence reported, 0..1. `class_ids`: the classes
    reported. `max_detections`: at most so many, the most confident ones.
    """

    confidence: float | None = None
    class_ids: frozenset[int] | None = None
    max_detections: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no request may ask for."""
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise ValueError(f"expected a confidence in 0..1, got {self.confidence}")
        if self.max_detections is not None and not 1 <= self.max_detections <= MAX_DETECTIONS:
            raise ValueError(f"expected 1 to {MAX_DETECTIONS} detections, got {self.max_detections}")


AS_CONFIGURED = Selection()
