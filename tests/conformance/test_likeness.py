"""Whether two answers say the same."""

import json
from typing import Any

import pytest

from conformance.asking.messages import Answer
from conformance.likeness import Tolerance, difference


def answer(*inferences: dict[str, Any]) -> Answer:
    return Answer(200, (), json.dumps({"inferences": inferences}).encode(), 0)


def cat(left: float = 0.1, confidence: float = 0.9, value: str = "cat") -> dict[str, Any]:
    box = {"l": left, "t": 0.1, "w": 0.5, "h": 0.5}
    return {"type": "entity", "entity": {"tag": {"value": value, "confidence": confidence}, "box": box}}


def tagged(value: str, confidence: float = 0.5) -> dict[str, Any]:
    return {"type": "classification", "classification": {"tag": {"value": value, "confidence": confidence}}}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": {"value": value}}


EMPTY = Answer(204, (), b"", 0)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(answer(cat()), answer(cat()), "", id="same"),
        pytest.param(answer(cat(), tagged("a")), answer(tagged("a"), cat()), "", id="another order"),
        pytest.param(answer(cat()), answer(cat(0.11)), "", id="nearly the same place"),
        pytest.param(answer(cat()), answer(cat(0.3)), "cat was not found again", id="another place"),
        pytest.param(answer(cat()), answer(cat(confidence=0.91)), "", id="nearly as sure"),
        pytest.param(answer(cat()), answer(cat(confidence=0.8)), "cat was not found again", id="less sure"),
        pytest.param(answer(cat(confidence=90)), answer(cat(confidence=91)), "", id="percent"),
        pytest.param(answer(cat()), answer(cat(value="dog")), "cat was not found again", id="another label"),
        pytest.param(answer(cat()), EMPTY, "cat was not found again", id="nothing now"),
        pytest.param(EMPTY, answer(cat()), "cat was found besides", id="nothing before"),
        pytest.param(answer(cat()), answer(cat(), cat()), "cat was found besides", id="twice"),
        pytest.param(EMPTY, EMPTY, "", id="nothing"),
        pytest.param(answer(tagged("a")), answer(tagged("b")), "a was not found again", id="another class"),
        pytest.param(answer(text("a")), answer(text("b")), "a was not found again", id="another text"),
        pytest.param(answer(cat(), text("a")), answer(cat(), text("a")), "", id="the same text"),
        pytest.param(
            answer(tagged("cat", 0.9)), answer(cat()), "cat was not found again", id="a class, then an object"
        ),
    ],
)
def test_differences(before: Answer, after: Answer, expected: str) -> None:
    assert difference(before, after) == expected


def test_weak_results_may_come_and_go() -> None:
    assert difference(answer(cat(), cat(0.4, 0.3)), answer(cat(0.1, 0.9)), Tolerance(weak=0.5)) == ""
