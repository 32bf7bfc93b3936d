"""The contract's inference metadata schema: strict where the published one has holes."""

from typing import Any

import jsonschema
import pytest

from conformance.published import PAYLOADS, PUBLISHED
from tests.support.client import check_schema

BOX = {"l": 0.1, "t": 0.2, "w": 0.3, "h": 0.4}
TAG = {"value": "car", "confidence": 0.9}
TRACK = "0999a1dde5b241c3a0b2db025f87ab32"
FULL: dict[str, dict[str, Any]] = {
    "classification": {"tag": TAG, "attributes": [{"name": "colour", "value": "red", "confidence": 0.5}]},
    "entity": {"id": TRACK, "tag": TAG, "attributes": [{"name": "colour", "value": "red"}], "box": BOX},
    "motion": {"box": BOX},
    "event": {"name": "line crossed", "properties": {"count": "3"}, "box": BOX},
    "text": {"value": "STOP", "language": "en-GB", "startTimestamp": 1, "endTimestamp": 2},
    "other": {"contentType": "text/plain", "contentBytes": "aGVsbG8="},
}
LEAST: dict[str, dict[str, Any]] = {
    "classification": {"tag": {"value": "car"}},
    "entity": {"tag": {"value": "car"}, "box": BOX},
    "motion": {},
    "event": {"name": "line crossed", "properties": {}},
    "text": {"value": ""},
    "other": {},
}
COMMON = {"subtype": "vehicle", "inferenceId": "1", "relatedInferences": ["2"], "extensions": {"lane": "3"}}


def document(kind: str, payload: Any, **members: Any) -> dict[str, Any]:
    return {"inferences": [{"type": kind, kind: payload, **members}]}


def entity(**changes: Any) -> dict[str, Any]:
    return document("entity", {**FULL["entity"], **changes})


def is_valid(value: Any) -> bool:
    try:
        check_schema(value, {"$ref": "#/components/schemas/InferenceMetadata"})
    except jsonschema.ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", PAYLOADS)
def test_every_type_is_valid_in_both_schemas(kind: str) -> None:
    for valid in (document(kind, LEAST[kind]), document(kind, FULL[kind], **COMMON)):
        assert is_valid(valid)
        PUBLISHED.validate(valid)


@pytest.mark.parametrize("kind", PAYLOADS)
def test_the_type_names_its_payload(kind: str) -> None:
    for other in set(PAYLOADS) - {kind}:
        assert not is_valid({"inferences": [{"type": other, kind: FULL[kind]}]})
        assert not is_valid({"inferences": [{"type": kind, kind: FULL[kind], other: FULL[other]}]})
    assert not is_valid({"inferences": [{"type": kind}]})
    assert not is_valid({"inferences": [{kind: FULL[kind]}]})


@pytest.mark.parametrize("kind", PAYLOADS)
def test_nothing_else_is_allowed_inside(kind: str) -> None:
    assert not is_valid(document(kind, {**FULL[kind], "sequenceId": "7"}))
    assert not is_valid(document(kind, FULL[kind], sequence="7"))


@pytest.mark.parametrize("kind", PAYLOADS)
def test_only_a_followed_object_has_a_sequence(kind: str) -> None:
    """The published schema, which says nothing of tracks, rejects it everywhere."""
    assert is_valid(document(kind, FULL[kind], sequenceId=TRACK)) == (kind == "entity")
    assert not is_valid(document(kind, FULL[kind], sequenceId="7"))
    assert not PUBLISHED.is_valid(document(kind, FULL[kind], sequenceId=TRACK))


@pytest.mark.parametrize("kind", [kind for kind in PAYLOADS if LEAST[kind]])
def test_required_members_are_required(kind: str) -> None:
    for member in LEAST[kind]:
        payload = {name: value for name, value in FULL[kind].items() if name != member}
        assert not is_valid(document(kind, payload))


@pytest.mark.parametrize(
    "invalid",
    [
        pytest.param({}, id="an empty document"),
        pytest.param({"inferences": []}, id="no inference"),
        pytest.param({"inferences": 500}, id="a status instead"),
        pytest.param({**entity(), "count": 1}, id="a member beside inferences"),
        pytest.param(entity(tag={"value": "car", "confidence": "0.9"}), id="confidence as text"),
        pytest.param(entity(tag={"value": "car", "confidence": 1.0000001}), id="confidence over 1"),
        pytest.param(entity(tag={"value": 7}), id="a tag that is no text"),
        pytest.param(entity(box={**BOX, "l": -0.1}), id="left of the picture"),
        pytest.param(entity(box={**BOX, "w": 1.1}), id="wider than the picture"),
        pytest.param(entity(box={**BOX, "l": "0.1"}), id="a coordinate as text"),
        pytest.param(entity(box={"l": 0, "t": 0, "w": 1}), id="a box without height"),
        pytest.param(entity(attributes=[{"name": "n", "value": 3}]), id="an attribute's number"),
        pytest.param(document("event", {"name": "n", "properties": {"count": 3}}), id="an event's number"),
        pytest.param(document("text", {"value": "x", "language": "not a tag"}), id="a language that is none"),
        pytest.param(document("text", {"value": "x", "startTimestamp": 1.5}), id="half a timestamp"),
        pytest.param(document("motion", {}, subtype=" spaced"), id="a subtype with a blank in front"),
        pytest.param(document("motion", {}, subtype=""), id="an empty subtype"),
        pytest.param(document("motion", {}, extensions={"n": 3}), id="an extension's number"),
        pytest.param(document("motion", {}, relatedInferences=[1]), id="a related number"),
    ],
)
def test_invalid_documents_are_refused(invalid: Any) -> None:
    assert not is_valid(invalid)


def test_the_published_schema_is_laxer() -> None:
    for lax in ({}, {"count": 1}, {"inferences": [{"type": "motion", "entity": FULL["entity"]}]}):
        PUBLISHED.validate(lax)
        assert not is_valid(lax)
