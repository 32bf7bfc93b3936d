"""Answers of real models are matched, not compared: int8 arithmetic differs between processors."""

from typing import Any

MIN_IOU = 0.9
MAX_EDGE_SHIFT = 1 / 300
"""One pixel of the default model's input; for a person ten such pixels wide, MIN_IOU would be too strict."""
MAX_CONFIDENCE_DIFFERENCE = 0.1
CERTAIN = 0.6
"""A golden detection this confident must be result; a surplus one may exceed this by at most the difference."""

SURE_CLASS = 0.3
"""The same for classifications: MAX_CONFIDENCE_DIFFERENCE above the lowest confidence that classifiers report."""


def flat(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Return label, confidence, and for an entity l, t, w, h, of each result in an inference metadata document."""
    return [
        {"label": result["tag"]["value"], "confidence": result["tag"]["confidence"], **result.get("box", {})}
        for result in (inference[inference["type"]] for inference in answer["inferences"])
    ]


def assert_matches(answer: dict[str, Any], golden: list[dict[str, Any]]) -> None:
    """Assert that each certain golden result occurs once, and that no other result is certain."""
    left = flat(answer)
    for expected in golden:
        match = next((result for result in left if _same(result, expected)), None)
        assert match or expected["confidence"] < _certain(expected), f"{expected} is not among {left}"
        if match:
            left.remove(match)
    surplus = [result for result in left if result["confidence"] > _certain(result) + MAX_CONFIDENCE_DIFFERENCE]
    assert not surplus, f"{surplus} is in no golden answer"


def _certain(result: dict[str, Any]) -> float:
    return CERTAIN if "l" in result else SURE_CLASS


def _same(result: dict[str, Any], expected: dict[str, Any]) -> bool:
    return (
        result["label"] == expected["label"]
        and result.keys() == expected.keys()
        and abs(result["confidence"] - expected["confidence"]) <= MAX_CONFIDENCE_DIFFERENCE
        and ("l" not in result or iou(result, expected) >= MIN_IOU or _edge_shift(result, expected) <= MAX_EDGE_SHIFT)
    )


def _edge_shift(box: dict[str, float], other: dict[str, float]) -> float:
    """Return the largest shift of the four edges."""
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
