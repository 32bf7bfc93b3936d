"""The labels of a model, as their makers publish them: one a line, numbered lines, or the names in a data.yaml."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from models.errors import ModelConfigError
from models.families import FamilySection
from models.families.postprocessed import PostprocessedConfig
from models.repository.files import read_text
from models.repository.plain_yaml import read_plain_yaml

MAX_LABEL_LENGTH = 200
MAX_LABELS_BYTES = 1 << 20
MAX_CLASS_ID = 100_000
MAX_SHOWN = 40
"""Characters of a label that a message shows, escaped."""
NO_OBJECT = frozenset({"background", "__background__", "_background_", "n/a", "???", "unused"})
"""What makers call classes that are no object, and ids that no class has, in lower case."""
UNUSED = "N/A"
NUMBERED = re.compile(r"(\d+)\s*[\s:,]\s*(\S.*)")
YAML_SUFFIXES = (".yaml", ".yml")


def names_an_object(label: str) -> bool:
    """Return whether results with this label are reported."""
    return label.casefold() not in NO_OBJECT


@lru_cache(maxsize=256)
def reported(labels: tuple[str, ...]) -> Mapping[str, int]:
    """Return label → class id of the labels of a model that name an object."""
    return MappingProxyType({label: class_id for class_id, label in enumerate(labels) if names_an_object(label)})


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the labels by class id; raises ModelConfigError, which names the line and the label.

    The file has one label a line; or lines numbered from 0, as `0  person`, in which ids may be missing; or it is a
    data.yaml with the key `names`. A label has 1 to 200 printable characters and no comma, since commas separate labels
    in a query. Only labels that name no object, such as N/A, may repeat. At least one names an object.
    """
    by_id = _names_in(path) if path.suffix in YAML_SUFFIXES else _lines_of(path)
    lines = {} if path.suffix in YAML_SUFFIXES else {class_id: line for line, (class_id, _) in enumerate(by_id, 1)}
    seen: dict[str, int] = {}
    for class_id, label in by_id:
        place = f"{path}, line {lines[class_id]}" if lines else f"{path}: names.{class_id}"
        _check(label, place)
        if label in seen and names_an_object(label):
            raise ModelConfigError(
                f"{place}: {_shown(label)} is the label of class {seen[label]} already; let one of them differ, as in "
                f"{_shown(f'{label} 2')}."
            )
        seen.setdefault(label, class_id)
    if not any(map(names_an_object, seen)):
        raise ModelConfigError(f"{path}: expected at least one label, one a line.")
    known = dict(by_id)
    return tuple(known.get(class_id, UNUSED) for class_id in range(max(known) + 1))


def refuse_shifted_labels(path: Path, labels: tuple[str, ...], family: FamilySection) -> None:
    """Raise ModelConfigError if the first label cannot be that of the first class: all would be wrong."""
    if not isinstance(family, PostprocessedConfig):
        return
    first, first_class = labels[0], family.first_class
    if first_class and not names_an_object(first):
        raise ModelConfigError(
            f"{path}: the first label, {first}, is that of class 0, but family.first_class is {first_class}; remove "
            "the label, or set first_class to 0."
        )
    if family.preset == "torchvision" and not first_class and names_an_object(first):
        raise ModelConfigError(
            f"{path}: class 0 of torchvision is the background, but the first label is {_shown(first)}; begin the "
            "labels with __background__, or set family.first_class to 1."
        )


def as_labels(names: Iterable[str]) -> list[str]:
    """Return names by class id as `read_labels` accepts them.

    Of several names for one class, with commas between them, the first; without what is not printable; numbered where
    they repeat; `class 5` where nothing is left.
    """
    labels: list[str] = []
    times: dict[str, int] = {}
    for class_id, name in enumerate(names):
        printable = "".join(character if character.isprintable() else " " for character in name.split(",", 1)[0])
        label = " ".join(printable.split())[: MAX_LABEL_LENGTH // 2] or f"class {class_id}"
        while label in times and names_an_object(label):
            times[label] += 1
            label = f"{label} {times[label]}"
        times[label] = 1
        labels.append(label)
    return labels


def _lines_of(path: Path) -> list[tuple[int, str]]:
    """Return class id and label of each line."""
    lines = [line.strip() for line in read_text(path, MAX_LABELS_BYTES).rstrip().split("\n")]
    numbered = [NUMBERED.fullmatch(line) for line in lines]
    ids = [int(match[1]) for match in numbered if match and len(match[1]) <= len(str(MAX_CLASS_ID))]
    if len(ids) == len(lines) and ids[0] == 0 and ids == sorted(set(ids)) and ids[-1] <= MAX_CLASS_ID:
        return list(zip(ids, (match[2] for match in numbered if match), strict=True))
    return list(enumerate(lines))


def _names_in(path: Path) -> list[tuple[int, str]]:
    """Return class id and label of each of the names in a data.yaml, as Ultralytics writes it."""
    document = read_plain_yaml(path)
    names = document.get("names") if isinstance(document, dict) else None
    found = sorted(_items(path, names))
    if not found:
        raise ModelConfigError(f"{path}: expected the key names, with a list of labels or a label for each class id.")
    return found


def _items(path: Path, names: Any) -> Iterator[tuple[int, str]]:
    """Yield class id and label; raises ModelConfigError for what is none."""
    pairs: Iterable[tuple[Any, Any]] = names.items() if isinstance(names, dict) else enumerate(names or ())
    if isinstance(names, list | dict):
        for class_id, name in pairs:
            if type(class_id) is not int or not 0 <= class_id <= MAX_CLASS_ID:  # nor True, which is an int
                raise ModelConfigError(f"{path}: names: {_shown(str(class_id))} is no class id, 0 to {MAX_CLASS_ID}.")
            if name is None or isinstance(name, bool | list | dict):
                raise ModelConfigError(f"{path}: names.{class_id}: expected a label, between quotes if need be.")
            yield class_id, str(name).strip()


def _check(label: str, place: str) -> None:
    if not label or len(label) > MAX_LABEL_LENGTH or not label.isprintable():
        raise ModelConfigError(f"{place}: expected 1 to {MAX_LABEL_LENGTH} printable characters, got {_shown(label)}.")
    if "," in label:
        first = _shown(label.split(",", maxsplit=1)[0])
        raise ModelConfigError(
            f"{place}: {_shown(label)} has a comma, which separates labels in a query; write one name, such as {first}."
        )


def _shown(label: str) -> str:
    return ascii(label[:MAX_SHOWN]) + ("..." if len(label) > MAX_SHOWN else "")
