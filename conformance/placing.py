"""Where objects are: how well boxes fit what was predicted of them, and which reading of boxes fits best.

Boxes are (l, t, w, h) as they were answered. Each is read as shares of the frame first; a wrong server means something
else by the four numbers, and each such reading predicts where the numbers go when the picture changes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

from conformance.inferences import BoxLtwh, Found

Reading: TypeAlias = Callable[[BoxLtwh], BoxLtwh]
"""What becomes of the four numbers of a box when the picture is changed."""

FITS, MISFITS = 0.7, 0.5
"""A reading with at least this IoU fits; the right one is given up below this."""
ELSEWHERE, MIN_ELSEWHERE = 0.2, 3
"""Below this IoU boxes are plainly elsewhere; so many objects must be so, each the only one of its label."""
CONFIDENT = 0.5
MIN_AREA, MAX_SHARE = 0.01, 1.5
MOST = 3
"""How many objects of a picture are followed."""
MIN_CROWD = 3
"""How many objects must tell two readings apart if others of their label are in the picture."""


def iou(box: BoxLtwh, other: BoxLtwh) -> float:
    """Return the intersection over the union of two boxes; 0 if both are empty."""
    left, top = max(box[0], other[0]), max(box[1], other[1])
    right = min(box[0] + box[2], other[0] + other[2])
    bottom = min(box[1] + box[3], other[1] + other[3])
    shared = max(right - left, 0) * max(bottom - top, 0)
    union = box[2] * box[3] + other[2] * other[3] - shared
    return shared / union if shared > 0 and union > 0 else 0.0


def are_shares(objects: Sequence[Found]) -> bool:
    """Return whether most boxes can be shares of a frame; pixels cannot."""
    return sum(max(map(abs, each.box_ltwh)) > MAX_SHARE for each in objects) * 2 <= len(objects)


def landmarks(objects: Sequence[Found]) -> tuple[Found, ...]:
    """Return the objects that surely are found again: confident, large, and as few of a label as possible."""
    knows = any(each.confidence for each in objects)
    good = [
        each
        for each in objects
        if (each.confidence >= CONFIDENT or not knows)
        and each.box_ltwh[2] * each.box_ltwh[3] >= MIN_AREA
        and max(map(abs, each.box_ltwh)) <= MAX_SHARE
    ]
    return tuple(sorted(good, key=lambda each: (_count(objects, each.label), -each.confidence))[:MOST])


@dataclass(frozen=True, slots=True)
class Sighting:
    """An object before a change, and the boxes with its label after it. `is_alone`: no other has its label."""

    before: BoxLtwh
    after: tuple[BoxLtwh, ...]
    is_alone: bool

    def fit(self, reading: Reading) -> float:
        """Return the best IoU of a box with what the reading predicts."""
        predicted = reading(self.before)
        return max(iou(predicted, box) for box in self.after)

    def parts(self, right: Reading, other: Reading) -> bool:
        """Return whether two readings predict different places."""
        return iou(right(self.before), other(self.before)) < MISFITS


def sightings(before: Sequence[Found], after: Sequence[Found]) -> tuple[Sighting, ...]:
    """Return the landmarks of a picture whose labels were found again after a change."""
    found = []
    for each in landmarks(before):
        boxes = tuple(other.box_ltwh for other in after if other.label == each.label)
        if boxes:
            found.append(Sighting(each.box_ltwh, boxes, len(boxes) == 1 and _count(before, each.label) == 1))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Sightings under one change. `readings`: by name; the right one is named "" and comes first."""

    sightings: tuple[Sighting, ...]
    readings: Mapping[str, Reading]


def fit(evidence: Sequence[Evidence]) -> tuple[float, int] | None:
    """Return the median IoU of the right reading, and of how many objects; None if nothing was found again."""
    pairs = [(sighting, each.readings[""]) for each in evidence for sighting in each.sightings]
    fits = [sighting.fit(reading) for sighting, reading in pairs if sighting.is_alone]
    fits = fits or [sighting.fit(reading) for sighting, reading in pairs]
    return (median(fits), len(fits)) if fits else None


def are_elsewhere(evidence: Sequence[Evidence]) -> bool:
    """Return whether boxes are plainly not where the right reading has them. Of a crowd, others may be found again."""
    fits = [sighting.fit(each.readings[""]) for each in evidence for sighting in each.sightings if sighting.is_alone]
    return len(fits) >= MIN_ELSEWHERE and median(fits) < ELSEWHERE


def wrong_reading(evidence: Sequence[Evidence]) -> str | None:
    """Return the name of the wrong reading that fits where the right one does not, the best one; None if none does."""
    names = dict.fromkeys(name for each in evidence for name in each.readings if name)
    fits = {name: measured for name in names if (measured := _fit_instead(evidence, name)) is not None}
    return max(fits, key=lambda name: fits[name], default=None)


def _fit_instead(evidence: Sequence[Evidence], name: str) -> float | None:
    """Return how well a reading fits where it can be told from the right one; None unless it fits and that does not."""
    telling = [
        (sighting, each.readings)
        for each in evidence
        if name in each.readings
        for sighting in each.sightings
        if sighting.parts(each.readings[""], each.readings[name])
    ]
    alone = [each for each in telling if each[0].is_alone]
    judged = alone or telling
    if not judged or (not alone and len(judged) < MIN_CROWD):
        return None
    right = median(sighting.fit(readings[""]) for sighting, readings in judged)
    other = median(sighting.fit(readings[name]) for sighting, readings in judged)
    return other if right < MISFITS and other >= FITS else None


def _count(objects: Sequence[Found], label: str) -> int:
    return sum(each.label == label for each in objects)
