"""Labelled pictures: what is to be found where."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

BoxLtwh: TypeAlias = tuple[float, float, float, float]
"""Left, top, width and height, as shares of the picture."""


@dataclass(frozen=True, slots=True)
class TrueObject:
    """One object of a picture.

    `area_share`: of the picture; that of the outline where the labels have one, else that of the box. `is_crowd`: many
    objects, not labelled one by one; finding some of them is neither right nor wrong.
    """

    label: str
    box_ltwh: BoxLtwh
    area_share: float
    is_crowd: bool = False


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture, which need not be there, and its objects, of which there may be none."""

    path: Path
    objects: tuple[TrueObject, ...]


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Pictures, and the labels that their objects may have. `note`: what a reader of the figures must know."""

    labels: tuple[str, ...]
    pictures: tuple[LabelledPicture, ...]
    note: str = ""

    def counts(self) -> Counter[str]:
        """Return label → how many objects have it, crowds left out; labels without an object are not in it."""
        objects = (found for picture in self.pictures for found in picture.objects)
        return Counter(found.label for found in objects if not found.is_crowd)

    def with_pictures(self, paths: Iterable[Path]) -> "LabelledSet":
        """Return these pictures only."""
        kept = set(paths)
        return LabelledSet(self.labels, tuple(picture for picture in self.pictures if picture.path in kept), self.note)
