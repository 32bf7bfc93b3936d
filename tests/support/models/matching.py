"""Answers of real models are matched, not compared: int8 arithmetic differs between processors."""

from typing import Any

MIN_IOU = 0.9
MAX_EDGE_SHIFT = 1 / 300
"""One pixel of what the default model sees; a person ten such pixels wide cannot be held to MIN_IOU."""
MAX_CONFIDENCE_DIFFERENCE = 0.1
CERTAIN = 0.6
"""From this confidence on a detection must be there; a surplus one may be no surer than this plus the difference."""

SURE_CLASS = 0.3
"""The same of a classification: MAX_CONFIDENCE_DIFFERENCE over what classifiers report at all."""


def flat(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return label, confidence, and of an entity l, t, w, h, of each result of an inference metadata document."""
    return [
        {"label": found["tag"]["value"], "confidence": found["tag"]["confidence"], **found.get("box", {})}
        for found in (inference[inference["type"]] for inference in answer["inferences"])
    ]


def assert_matches(answer: dict[str, Any], golden: list[dict[str, Any]]) -> None:
    """Assert that each certain golden result was found once, and nothing surely that is not golden."""
    left = flat(answer)
    for expected in golden:
        match = next((found for found in left if _same(found, expected)), None)
        assert match or expected["confidence"] < _certain(expected), f"{expected} is not among {left}"
        if match:
            left.remove(match)
    surplus = [found for found in left if found["confidence"] > _certain(found) + MAX_CONFIDENCE_DIFFERENCE]
    assert not surplus, f"{surplus} is in no golden answer"


def _certain(found: dict[str, Any]) -> float:
    return CERTAIN if "l" in found else SURE_CLASS


def _same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    return (
        found["label"] == expected["label"]
        and found.keys() == expected.keys()
        and abs(found["confidence"] - expected["confidence"]) <= MAX_CONFIDENCE_DIFFERENCE
        and ("l" not in found or iou(found, expected) >= MIN_IOU or _edge_shift(found, expected) <= MAX_EDGE_SHIFT)
    )


def _edge_shift(box: dict[str, float], other: dict[str, float]) -> float:
    """Return how far the farthest of the four edges moved."""
    return max(
        abs(box[start] - other[start] + share * (box[extent] - other[extent]))
        for start, extent in (("l", "w"), ("t", "h"))
        for share in (0, 1)
    )


def iou(box: dict[str, float], other: dict[str, float]) -> float:
    """Return the intersection over union of two boxes with members l, t, w, h."""
    width = min(box["l"] + box["w"], other["l"] + other["w"]) - max(box["l"], other["l"])
    height = min(box["t"] + box["h"], other["t"] + other["h"]) - max(box["t"], other["t"])
    intersection = max(width, 0) * max(height, 0)
    return intersection / (box["w"] * box["h"] + other["w"] * other["h"] - intersection)
