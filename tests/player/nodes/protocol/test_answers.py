import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.published import PUBLISHED
from player.errors import ExtensionError
from player.nodes.protocol.answers import MAX_INFERENCES, Answer, read_answer
from tests.player.nodes.pictures import entity

CAR = dict(entity("car", 0, 0.1, 1, 0.9))
TAG = {"value": "day", "confidence": 1}
ATTRIBUTES = [{"name": "colour", "value": "red", "confidence": 0.5}, {"name": "make", "value": "A"}]
VALID: dict[str, dict[str, Any]] = {
    "entity": CAR,
    "entity in full": {
        **CAR,
        "subtype": "object detection",
        "inferenceId": "1",
        "relatedInferences": ["2"],
        "extensions": {"a": "b"},
        "entity": {**CAR["entity"], "id": "7", "attributes": ATTRIBUTES},
    },
    "classification": {"type": "classification", "classification": {"tag": TAG, "attributes": ATTRIBUTES}},
    "motion": {"type": "motion", "motion": {"box": {"l": 0, "t": 0, "w": 1, "h": 1}}},
    "motion alone": {"type": "motion", "motion": {}},
    "event": {"type": "event", "event": {"name": "door", "properties": {"total": "1"}}},
    "text": {"type": "text", "text": {"value": "A", "language": "en", "startTimestamp": 1, "endTimestamp": 2}},
    "other": {"type": "other", "other": {"contentType": "text/plain", "contentBytes": "QQ=="}},
}


def answered(*inferences: object) -> Answer:
    return read_answer("application/json", json.dumps({"inferences": inferences}).encode())


@pytest.mark.parametrize("inference", [pytest.param(one, id=name) for name, one in VALID.items()])
def test_what_the_schema_allows_is_kept_as_it_is(inference: dict[str, Any]) -> None:
    PUBLISHED.validate({"inferences": [inference]})
    assert answered(inference) == Answer((inference,))


def test_a_sequence_is_allowed() -> None:
    tracked = {**CAR, "sequenceId": "0999a1dde5b241c3a0b2db025f87ab32"}
    assert answered(tracked) == Answer((tracked,))


@pytest.mark.parametrize(
    "inference",
    [
        pytest.param(500, id="number"),
        pytest.param(None, id="null"),
        pytest.param({}, id="empty"),
        pytest.param({**CAR, "type": "car"}, id="unknown type"),
        pytest.param({**CAR, "type": ["entity"]}, id="type of no text"),
        pytest.param({**CAR, "type": "motion"}, id="payload of another type"),
        pytest.param({**CAR, "motion": {}}, id="two payloads"),
        pytest.param({**CAR, "name": "car"}, id="unknown member"),
        pytest.param({**CAR, "subtype": " a"}, id="subtype with blanks"),
        pytest.param({**CAR, "subtype": "\x1c"}, id="subtype with a blank of Python's"),
        pytest.param({**CAR, "subtype": "a\ufeff"}, id="subtype with a blank of JavaScript's"),
        pytest.param({**CAR, "subtype": None}, id="null instead of nothing"),
        pytest.param({**CAR, "inferenceId": 1}, id="identifier of no text"),
        pytest.param({**CAR, "inferenceId": "\ud800"}, id="half a character"),
        pytest.param({**CAR, "inference_id": "1"}, id="other spelling"),
        pytest.param({**CAR, "extensions": {"a": 1}}, id="extension of no text"),
        pytest.param(entity("car", 0, 0, 1, 1.01), id="box beyond the picture"),
        pytest.param(entity("car", -0.01, 0, 1, 1), id="box before the picture"),
        pytest.param(entity("car", 0, 0, 1, 1, confidence=1.0000001), id="more than certain"),
        pytest.param(entity("car", 0, 0, 1, True), id="truth as a number"),
        pytest.param(entity("car", 0, 0, 1, "1"), id="text as a number"),  # type: ignore[arg-type]
        pytest.param({"type": "entity", "entity": {"tag": TAG}}, id="no box"),
        pytest.param({"type": "motion", "motion": {"box": None}}, id="null as a box"),
        pytest.param({"type": "event", "event": {"name": "a"}}, id="no properties"),
        pytest.param({"type": "event", "event": {"name": "a", "properties": {"total": 1}}}, id="property of no text"),
        pytest.param({"type": "event", "event": {"name": "a", "properties": {"\udfff": ""}}}, id="half a name"),
        pytest.param({"type": "text", "text": {"value": "a", "startTimestamp": 1 << 63}}, id="time of too many digits"),
        pytest.param({"type": "text", "text": {"value": "a", "startTimestamp": 1.5}}, id="time of no whole number"),
    ],
)
def test_what_it_does_not_is_dropped_alone(inference: object) -> None:
    assert answered(CAR, inference, CAR) == Answer((CAR, CAR), dropped=1)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b'"\xff"', id="no utf-8"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{}", id="no inferences"),
        pytest.param(b'{"inferences": 500}', id="no list of inferences"),
        pytest.param(b'{"inferences": [NaN]}', id="not a number"),
        pytest.param(b'{"inferences": [-Infinity]}', id="infinity"),
        pytest.param(b'{"inferences": [' + b"9" * 5000 + b"]}", id="many digits"),
        pytest.param(b"[" * 1_000_000, id="deep lists"),
        pytest.param(b'{"a":' * 1_000_000, id="deep objects"),
    ],
)
def test_what_is_no_answer_of_the_protocol_is_refused(body: bytes) -> None:
    with pytest.raises(ExtensionError, match="as the protocol asks for"):
        read_answer("application/json", body)


def test_a_number_beyond_all_is_no_confidence() -> None:
    body = json.dumps({"inferences": [CAR]}).replace("0.9}", "1e999}").encode()
    assert read_answer("application/json", body) == Answer(dropped=1)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", " application/json "])
def test_json_by_other_names(content_type: str) -> None:
    assert read_answer(content_type, b'{"inferences":[], "model": "x"}') == Answer()


@pytest.mark.parametrize("content_type", ["image/jpeg", "", "application/problem+json"])
def test_what_is_no_json_is_one_inference(content_type: str) -> None:
    [inference] = read_answer(content_type, b"\xff\xd8").inferences
    PUBLISHED.validate({"inferences": [inference]})
    assert inference["other"].get("contentType", "") == content_type
    assert base64.b64decode(inference["other"]["contentBytes"]) == b"\xff\xd8"
    assert read_answer(content_type, b"") == Answer()


def test_very_many_inferences_are_cut_off() -> None:
    answer = answered(*[VALID["motion alone"]] * (MAX_INFERENCES + 5))
    assert (len(answer.inferences), answer.dropped) == (MAX_INFERENCES, 5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from([*VALID.values()]), st.data())
def test_what_is_kept_is_valid(inference: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is put in the place of a member of an inference, or of its payload."""
    changed = json.loads(json.dumps(inference))
    place = data.draw(st.sampled_from([changed, changed[changed["type"]]]))
    place[data.draw(st.sampled_from([*sorted(place), "box"]) | st.text(max_size=5))] = data.draw(JSON)
    try:
        answer = answered(changed)
    except ExtensionError:
        return
    for kept in answer.inferences:
        PUBLISHED.validate({"inferences": [kept]})
        json.dumps(kept, allow_nan=False, ensure_ascii=False).encode()
