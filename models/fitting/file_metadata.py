"""What exporters write into a file about itself: the labels, the task, the range and order of the channels."""

import ast
import json
from collections.abc import Mapping
from typing import Any

from models.repository.labels import MAX_CLASS_ID, UNUSED, as_labels

LABEL_KEYS = ("names", "labels", "classes", "class_names", "id2label")
MAX_CHARACTERS = 1 << 18
"""Of a text that is read as a list."""
CUSTOM_VISION_ORDERS = {"Bgr8": "bgr", "Rgb8": "rgb", "Gray8": "grey"}
CUSTOM_VISION_RANGES: Mapping[str, Mapping[str, Any]] = {
    "NominalRange_0_255": {"scale": 1},
    "Normalized_0_1": {"scale": 1 / 255},
    "Normalized_1_1": {"scale": 1, "mean": [127.5], "std": [127.5]},
}


def labels_in(metadata: Mapping[str, str]) -> list[str]:
    """Return the labels by class id, as Ultralytics (`names`) and others write them; none: the file has none.

    They are as a labels file may have them: see `as_labels`.
    """
    for key in LABEL_KEYS:
        names = _parsed(metadata.get(key, ""))
        if isinstance(names, dict):
            ids = {class_id: str(name) for number, name in names.items() if (class_id := _class_id(number)) is not None}
            if ids:
                return as_labels([ids.get(class_id, UNUSED) for class_id in range(max(ids) + 1)])
        if isinstance(names, list | tuple) and 0 < len(names) <= MAX_CLASS_ID:
            return as_labels([str(name) for name in names])
    return []


def task_in(metadata: Mapping[str, str]) -> str | None:
    """Return Ultralytics' task: detect, segment, pose, obb or classify; None: the file says none."""
    return metadata.get("task")


def input_in(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what Azure Custom Vision says of the picture, as keys of model.yaml's input."""
    order = CUSTOM_VISION_ORDERS.get(metadata.get("Image.BitmapPixelFormat", ""))
    values = CUSTOM_VISION_RANGES.get(metadata.get("Image.NominalPixelRange", ""), {})
    return ({"colour_order": order} if order else {}) | dict(values)


def _class_id(number: Any) -> int | None:
    """Return a key as a class id; None: it is none."""
    if isinstance(number, str) and number.isdecimal() and len(number) <= len(str(MAX_CLASS_ID)):
        number = int(number)
    return number if isinstance(number, int) and 0 <= number <= MAX_CLASS_ID else None


def _parsed(text: str) -> Any:
    """Return the list or the dictionary that a text writes, in JSON or in Python; else the words between commas."""
    text = text.strip()[:MAX_CHARACTERS]
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return [word.strip() for word in text.split(",")] if "," in text else None
