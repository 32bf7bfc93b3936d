"""What answers hold, read with patience: a wrong answer is looked at as far as it can be.

An answer may be anything, so what is read of it is bounded: bytes, inferences, the size of numbers, lengths of labels.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn, TypeAlias

from conformance.asking.messages import Answer

BoxLtwh: TypeAlias = tuple[float, float, float, float]
BOXED = ("entity", "motion", "event")
"""The types whose payloads may have a box."""
MAX_DOCUMENT_BYTES = 1024 * 1024
MAX_INFERENCES = 1000
MAX_EDGE = 1e6
"""An edge beyond it is none, not even in pixels."""
MAX_LABEL = 100


@dataclass(frozen=True, slots=True)
class Found:
    """An object in an answer. `box_ltwh`: as it was answered; right are shares of the frame's width and height."""

    label: str
    confidence: float
    box_ltwh: BoxLtwh


def document(answer: Answer) -> Any:
    """Return the JSON document of an answer. Raises ValueError, also for NaN and Infinity, which are no JSON."""
    if len(answer.body) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"it has more than {MAX_DOCUMENT_BYTES // 1024 // 1024} MiB")
    try:
        return json.loads(answer.body.decode("utf-8"), parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def inferences(answer: Answer) -> tuple[dict[str, Any], ...]:
    """Return the first inferences of an answer, objects only; none if there are none or it cannot be read."""
    try:
        content = document(answer) if answer.status == HTTPStatus.OK else None
    except ValueError:
        return ()
    listed = content.get("inferences") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        return ()
    return tuple(each for each in listed[:MAX_INFERENCES] if isinstance(each, dict))


def found(answer: Answer) -> tuple[Found, ...]:
    """Return the objects of an answer that have boxes, most confident first; all numbers are finite."""
    objects = (each for inference in inferences(answer) for each in _objects(inference))
    return tuple(sorted(objects, key=lambda each: -each.confidence))


def number(value: object) -> float | None:
    """Return a number of a document; None if it is none, or too large to be the edge of a box."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_EDGE <= value <= MAX_EDGE:
        return None
    return float(value)


def label(value: object, otherwise: str) -> str:
    """Return a label as it can be shown: short, and without what changes a terminal."""
    text = value if isinstance(value, str) else otherwise
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_LABEL])


def _objects(inference: dict[str, Any]) -> Iterator[Found]:
    for kind in BOXED:
        payload = inference.get(kind)
        box = payload.get("box") if isinstance(payload, dict) else None
        if not isinstance(payload, dict) or not isinstance(box, dict):
            continue
        left, top, width, height = (number(box.get(name)) for name in "ltwh")
        if left is None or top is None or width is None or height is None:
            continue
        tag = payload.get("tag")
        tag = tag if isinstance(tag, dict) else {}
        confidence = number(tag.get("confidence"))
        yield Found(label(tag.get("value"), kind), confidence or 0.0, (left, top, width, height))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
