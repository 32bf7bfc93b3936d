"""Whether two answers say the same, but for what computing with fractions changes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.asking.messages import Answer
from conformance.inferences import BoxLtwh, found, inferences, label, number
from conformance.placing import iou

TAGGED = 200
"""How many tags and texts of an answer are compared."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far results may differ. `weak`: results below this confidence need not be in both answers."""

    iou: float = 0.9
    confidence: float = 0.02
    weak: float = 0.0


@dataclass(frozen=True, slots=True)
class Item:
    """One result: an object with its box, or a class or a text without."""

    label: str
    confidence: float
    box_ltwh: BoxLtwh | None = None


SAME = Tolerance()


def items(answer: Answer) -> tuple[Item, ...]:
    """Return the results of an answer; at most a few hundred."""
    boxed = (Item(each.label, each.confidence, each.box_ltwh) for each in found(answer)[:TAGGED])
    others = (item for inference in inferences(answer)[:TAGGED] for item in _unboxed(inference))
    return (*boxed, *others)


def difference(before: Answer, after: Answer, tolerance: Tolerance = SAME) -> str:
    """Return in a few words what one answer has and the other has not; "" if they say the same."""
    first, second = items(before), items(after)
    if (missing := _missing(first, second, tolerance)) is not None:
        return f"{missing.label} was not found again"
    if (added := _missing(second, first, tolerance)) is not None:
        return f"{added.label} was found besides"
    return ""


def _missing(wanted: Sequence[Item], had: Sequence[Item], tolerance: Tolerance) -> Item | None:
    left = list(had)
    for item in wanted:
        match = next((other for other in left if _alike(item, other, tolerance)), None)
        if match is not None:
            left.remove(match)
        elif item.confidence >= tolerance.weak:
            return item
    return None


def _alike(item: Item, other: Item, tolerance: Tolerance) -> bool:
    if item.label != other.label or abs(item.confidence - other.confidence) > _slack(item, tolerance):
        return False
    if item.box_ltwh is None or other.box_ltwh is None:
        return item.box_ltwh is other.box_ltwh
    return item.box_ltwh == other.box_ltwh or iou(item.box_ltwh, other.box_ltwh) >= tolerance.iou


def _slack(item: Item, tolerance: Tolerance) -> float:
    """Return how far confidences may differ; some servers send percentages."""
    return tolerance.confidence * max(1.0, abs(item.confidence))


def _unboxed(inference: dict[str, Any]) -> Iterator[Item]:
    classified, text = inference.get("classification"), inference.get("text")
    tag = classified.get("tag") if isinstance(classified, dict) else None
    if isinstance(tag, dict):
        yield Item(label(tag.get("value"), "classification"), number(tag.get("confidence")) or 0.0)
    if isinstance(text, dict):
        yield Item(label(text.get("value"), "text"), 0.0)
