"""COCO's format: one JSON document with images, annotations and categories. Masks, key points and the rest are ignored.

Source: https://cocodataset.org/#format-data
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from handlers.errors import ConfigurationError
from handlers.server.commands.evaluating.labelled import LabelledPicture, LabelledSet, TrueObject
from models.repository.folder import first_fault

MAX_BYTES = 1 << 30
SAMPLE = 20
"""Pictures that show in which folder all of them are."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Side = Annotated[int, Field(ge=1)]


class Image(BaseModel):
    """A picture. `width`, `height`: in pixels."""

    model_config = ConfigDict(frozen=True)

    id: int
    file_name: Annotated[str, Field(min_length=1)]
    width: Side
    height: Side


class Annotation(BaseModel):
    """An object. `bbox`: left, top, width, height in pixels. `area`: of its outline, in pixels."""

    model_config = ConfigDict(frozen=True)

    image_id: int
    category_id: int
    bbox: tuple[Finite, Finite, Length, Length]
    area: Length | None = None
    iscrowd: Literal[0, 1] = 0


class Category(BaseModel):
    """A label."""

    model_config = ConfigDict(frozen=True)

    id: int
    name: Annotated[str, Field(min_length=1)]


class Document(BaseModel):
    """The parts that count here."""

    model_config = ConfigDict(frozen=True)

    images: tuple[Image, ...]
    annotations: tuple[Annotation, ...]
    categories: tuple[Category, ...]


def read_coco(path: Path, folder: Path) -> LabelledSet:
    """Return the set of a JSON file, whose pictures are in `folder` or in one inside it, at most two levels deep.

    Raises ConfigurationError.
    """
    document = _read(path)
    labels = {category.id: category.name for category in document.categories}
    images = {image.id: image for image in document.images}
    objects: dict[int, list[TrueObject]] = defaultdict(list)
    for annotation in document.annotations:
        if annotation.image_id not in images or annotation.category_id not in labels:
            raise ConfigurationError(
                f"{path}: an annotation has an image_id or category_id that the file does not have."
            )
        image = images[annotation.image_id]
        objects[annotation.image_id].append(_object(annotation, image, labels[annotation.category_id]))
    root = _root(path, folder, document.images)
    pictures = (LabelledPicture(root / image.file_name, tuple(objects[image.id])) for image in document.images)
    return LabelledSet(tuple(dict.fromkeys(labels.values())), tuple(pictures))


def _read(path: Path) -> Document:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigurationError(f"{path} has more than {MAX_BYTES} bytes.")
        return Document.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path} is not in COCO's format: {first_fault(error)}") from error


def _object(annotation: Annotation, image: Image, label: str) -> TrueObject:
    left, top, width, height = annotation.bbox
    box = (left / image.width, top / image.height, width / image.width, height / image.height)
    area = width * height if annotation.area is None else annotation.area
    return TrueObject(label, box, area / (image.width * image.height), is_crowd=bool(annotation.iscrowd))


def _root(path: Path, folder: Path, images: Sequence[Image]) -> Path:
    """Return the folder that has most of the first pictures; of several, the one that the JSON file is named for."""
    inside = (found for pattern in ("*/", "*/*/") for found in sorted(folder.glob(pattern)) if found.is_dir())

    def likeness(root: Path) -> tuple[int, bool]:
        return sum((root / image.file_name).is_file() for image in images[:SAMPLE]), root.name in path.stem

    return max((folder, *inside), key=likeness)
