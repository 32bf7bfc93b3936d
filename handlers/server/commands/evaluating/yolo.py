"""The format of YOLO's trainers: images/ and labels/, where labels/a/b.txt says what is in images/a/b.jpg.

Each line is a class id, then the centre, width and height of a box as shares of the picture; or the corners of an
outline. A confidence after a box is ignored. A picture without a file, or with an empty one, shows no object. The names
of the classes are in data.yaml (`names`) or classes.txt.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from handlers.errors import ConfigurationError
from handlers.parsing.numbers import read_number
from handlers.server.commands.evaluating.labelled import LabelledPicture, LabelledSet, TrueObject
from handlers.server.commands.inferring.sources import PICTURES
from models.repository.files import read_text
from models.repository.plain_yaml import read_plain_yaml

IMAGES, LABELS = "images", "labels"
MAX_BYTES = 16 << 20
BOX, BOX_WITH_CONFIDENCE, LEAST_OUTLINE = 5, 6, 7
"""How many numbers a line has."""


def read_yolo(folder: Path, default_names: Sequence[str]) -> LabelledSet:
    """Return the set of a folder. `default_names`: of the classes, where the folder does not say.

    Raises ConfigurationError and ModelConfigError.
    """
    names, note = _names(folder), ""
    if names is None:
        names, note = (
            tuple(default_names),
            "The folder does not name its classes: their ids are those of the default model.",
        )
    root = folder / IMAGES
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in PICTURES)
    pictures = (
        LabelledPicture(path, tuple(_objects(folder / LABELS / path.relative_to(root), names))) for path in paths
    )
    return LabelledSet(tuple(dict.fromkeys(names)), tuple(pictures), note)


def _names(folder: Path) -> tuple[str, ...] | None:
    """Return the names of the classes by id; None where no file has them."""
    for path in (folder / "data.yaml", folder.parent / "data.yaml"):
        if path.is_file():
            document = read_plain_yaml(path)
            match document:
                case {"names": dict(names)} if set(names) == set(range(len(names))):
                    return tuple(str(names[class_id]) for class_id in range(len(names)))
                case {"names": list(names)}:
                    return tuple(map(str, names))
            raise ConfigurationError(f"{path}: names: expected a list, or ids from 0 with their names.")
    for path in (folder / "classes.txt", folder / LABELS / "classes.txt"):
        if path.is_file():
            return tuple(line.strip() for line in read_text(path, MAX_BYTES).splitlines() if line.strip())
    return None


def _objects(picture: Path, names: Sequence[str]) -> Iterator[TrueObject]:
    path = picture.with_suffix(".txt")
    if not path.is_file():
        return
    for number, line in enumerate(read_text(path, MAX_BYTES).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        numbers = [read_number(word) for word in words]
        values = [value for value in numbers if value is not None and math.isfinite(value)]
        is_row = len(values) == len(words) and (
            len(values) in {BOX, BOX_WITH_CONFIDENCE} or len(values) >= LEAST_OUTLINE
        )
        if not is_row or values[0] not in range(len(names)):
            raise ConfigurationError(
                f"{path}, line {number}: expected a class id from 0 to {len(names) - 1}, then the centre, width and "
                "height of a box, or the corners of an outline."
            )
        yield _object(names[int(values[0])], values[1:])


def _object(label: str, values: list[float]) -> TrueObject:
    if len(values) < LEAST_OUTLINE - 1:
        centre_x, centre_y, width, height = values[:4]
        box = (centre_x - width / 2, centre_y - height / 2, width, height)
    else:
        xs, ys = values[0::2], values[1::2]
        box = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
    return TrueObject(label, box, box[2] * box[3])
