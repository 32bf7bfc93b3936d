"""What answers hold, read with patience: a wrong answer is looked at as far as it can be."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from conformance.asking.messages import Answer

BoxLtwh: TypeAlias = tuple[float, float, float, float]
BOXED = ("entity", "motion", "event")
"""The types whose payloads may have a box."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object in an answer. `box_ltwh`: as it was answered; right are shares of the frame's width and height."""

    label: str
    confidence: float
    box_ltwh: BoxLtwh


def document(answer: Answer) -> Any:
    """Return the JSON document of an answer. Raises ValueError, also for NaN and Infinity, which are no JSON."""
    try:
        return json.loads(answer.body.decode("utf-8"), parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def inferences(answer: Answer) -> tuple[dict[str, Any], ...]:
    """Return the inferences of an answer that are objects; none if there are none or the answer cannot be read."""
    try:
        content = document(answer) if answer.status == 200 else None  # noqa: PLR2004
    except ValueError:
        return ()
    listed = content.get("inferences") if isinstance(content, dict) else None
    return tuple(each for each in listed if isinstance(each, dict)) if isinstance(listed, list) else ()


def found(answer: Answer) -> tuple[Found, ...]:
    """Return the objects of an answer that have boxes, most confident first."""
    objects = (each for inference in inferences(answer) for each in _objects(inference))
    return tuple(sorted(objects, key=lambda each: -each.confidence))


def _objects(inference: dict[str, Any]) -> Iterator[Found]:
    for kind in BOXED:
        payload = inference.get(kind)
        box = payload.get("box") if isinstance(payload, dict) else None
        if not isinstance(payload, dict) or not isinstance(box, dict):
            continue
        edges = tuple(box.get(name) for name in "ltwh")
        if all(isinstance(edge, int | float) for edge in edges):
            tag = payload.get("tag")
            tag = tag if isinstance(tag, dict) else {}
            confidence = tag.get("confidence")
            yield Found(
                str(tag.get("value", kind)),
                float(confidence) if isinstance(confidence, int | float) else 0.0,
                tuple(map(float, edges)),  # type: ignore[arg-type]
            )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
