"""Which format a folder of labelled pictures has."""

from collections.abc import Sequence
from pathlib import Path

from handlers.errors import ConfigurationError
from handlers.server.commands.evaluating.coco import read_coco
from handlers.server.commands.evaluating.labelled import LabelledSet
from handlers.server.commands.evaluating.yolo import IMAGES, LABELS, read_yolo

ANNOTATIONS = "annotations"
"""COCO's own folder for the JSON files, beside those with the pictures."""


def read_labelled(path: Path, default_names: Sequence[str]) -> LabelledSet:
    """Return the set of a folder in COCO's or YOLO's format, or of one JSON file in COCO's.

    `default_names`: see `read_yolo`. Raises ConfigurationError and ModelConfigError.
    """
    if path.is_file():
        folder = path.absolute().parent
        found = read_coco(path, folder.parent if folder.name == ANNOTATIONS else folder)
    elif (path / IMAGES).is_dir() and (path / LABELS).is_dir():
        found = read_yolo(path, default_names)
    else:
        found = read_coco(_only_json(path), path)
    if not any(picture.objects for picture in found.pictures):
        raise ConfigurationError(f"{path} has no picture with a labelled object.")
    return found


def _only_json(folder: Path) -> Path:
    paths = sorted([*folder.glob("*.json"), *folder.glob(f"{ANNOTATIONS}/*.json")])
    if len(paths) == 1:
        return paths[0]
    if paths:
        raise ConfigurationError(
            f"{folder} has {len(paths)} JSON files; name one instead of the folder, as {paths[0]}."
        )
    raise ConfigurationError(
        f"{folder} has no labelled pictures: expected a JSON file in COCO's format, or YOLO's folders {IMAGES} and "
        f"{LABELS}."
    )
