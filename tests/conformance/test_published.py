"""What the published schema forbids, as the kit reports it."""

from typing import Any

import pytest

from conformance.published import MAX_VIOLATIONS, shown, violations

BOX = {"l": 0.1, "t": 0.1, "w": 0.5, "h": 0.5}
TAG = {"value": "cat", "confidence": 0.9}


def document(**changes: Any) -> dict[str, Any]:
    entity = {"tag": TAG, "box": BOX} | changes.pop("entity", {})
    return {"inferences": [{"type": "entity", "entity": entity} | changes]}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(document(), [], id="right"),
        pytest.param(document(type="object"), [("enum", 'inferences[0].type is "object"')], id="type"),
        pytest.param({"inferences": [{}]}, [("oneOf", "inferences[0] is {}")], id="no payload"),
        pytest.param(document(motion={}, other={}), [("oneOf", None)], id="three payloads"),
        pytest.param(document(entity={"tag": {}}), [("required", 'inferences[0].entity.tag is ["value"]')],
                     id="required"),
        pytest.param(document(entity={"box": BOX | {"l": "0"}}), [("type", 'inferences[0].entity.box.l is "0"')],
                     id="number"),
        pytest.param(document(entity={"box": BOX | {"l": True}}), [("type", "inferences[0].entity.box.l is true")],
                     id="truth"),
        pytest.param(document(extensions={"a": 1}), [("type", "inferences[0].extensions.a is 1")], id="string"),
        pytest.param({"inferences": {}}, [("type", "inferences is {}")], id="structure"),
        pytest.param([], [("type", "the document is []")], id="document"),
        pytest.param(document(entity={"box": BOX | {"w": 1.5}}), [("maximum", "inferences[0].entity.box.w is 1.5")],
                     id="range"),
        pytest.param(document(a=1), [("additionalProperties", 'inferences[0] is ["a"]')], id="member"),
        pytest.param(document(subtype=" a"), [("pattern", 'inferences[0].subtype is " a"')], id="subtype"),
        pytest.param(document(subtype="a" * 499 + " " * 9 + "a"), [], id="a long subtype is cut without harm"),
        pytest.param({"inferences": []}, [("minItems", "inferences is []")], id="empty"),
    ],
)  # fmt: skip
def test_violations(content: Any, expected: list[tuple[str, str | None]]) -> None:
    found = violations(content)
    assert [each.keyword for each in found] == [keyword for keyword, _ in expected]
    assert all(said is None or str(each) == said for each, (_, said) in zip(found, expected, strict=True))


def test_of_many_violations_the_first_are_returned() -> None:
    assert len(violations({"inferences": [{"a": 1}] * 1000})) == MAX_VIOLATIONS


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("a\x1b\ud800", '"a\\u001b\\ud800"', id="escaped"),
        pytest.param("a" * 1000, '"' + "a" * 56 + "...", id="long"),
        pytest.param({"a": [{"b": [1]}]}, '{"a": [{"b": null}]}', id="deep"),
    ],
)
def test_what_is_shown_of_a_value(value: Any, expected: str) -> None:
    assert shown(value) == expected
