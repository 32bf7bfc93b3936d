"""Results → inference metadata."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from conformance.published import PUBLISHED
from handlers.encoding import metadata
from handlers.encoding.metadata import Happened, Reported
from models.results import Chained, Classification, Detection, Embedding, Results, TextLine
from scene.events import Sighting
from scene.lines import Line, LineCounter
from tests.support.client import check_schema

SHARES = st.floats(0, 1)


@st.composite
def detections(draw: st.DrawFn) -> Detection:
    left, right = sorted(draw(st.tuples(SHARES, SHARES).filter(lambda pair: pair[0] != pair[1])))
    top, bottom = sorted(draw(st.tuples(SHARES, SHARES).filter(lambda pair: pair[0] != pair[1])))
    return Detection(draw(st.text(min_size=1)), 0, draw(SHARES), (left, top, right, bottom))


@given(st.lists(detections(), max_size=20))
def test_whatever_is_found_is_valid_in_both_schemas(found: list[Detection]) -> None:
    encoded = metadata.encode(Results(tuple(found)))
    if not encoded:
        return
    document = json.loads(encoded)
    check_schema(document, {"$ref": "#/components/schemas/InferenceMetadata"})
    PUBLISHED.validate(document)
    for inference in document["inferences"]:
        box = inference["entity"]["box"]
        assert box["w"] > 0
        assert box["h"] > 0
        assert box["l"] + box["w"] <= 1 + 1e-9
        assert box["t"] + box["h"] <= 1 + 1e-9


def test_the_document_is_as_the_protocol_shows_it() -> None:
    found = Detection("car", 2, 0.9048132, (0.42681578, 0.47660735, 0.446317282, 0.497561504))
    assert json.loads(metadata.encode(Results((found,)))) == {
        "inferences": [
            {
                "type": "entity",
                "entity": {
                    "tag": {"value": "car", "confidence": 0.904813},
                    "box": {"l": 0.426816, "t": 0.476607, "w": 0.019501, "h": 0.020955},
                },
            }
        ]
    }


def test_nothing_found_is_nothing_sent() -> None:
    assert metadata.encode(Results()) == b""


def test_a_box_thinner_than_the_decimals_is_left_out() -> None:
    assert metadata.encode(Results((Detection("car", 2, 0.9, (0.5, 0.5, 0.5 + 1e-9, 0.6)),))) == b""


def test_minus_zero_is_zero() -> None:
    assert b"-0" not in metadata.encode(Results((Detection("car", 2, 0.9, (-0.0, -0.0, 1, 1)),)))


def test_labels_stay_as_they_are() -> None:
    label = 'Zebra "stripes" \\ 斑马 🦓'
    encoded = metadata.encode(Results((Detection(label, 0, 0.9, (0, 0, 1, 1)),)))
    assert json.loads(encoded)["inferences"][0]["entity"]["tag"]["value"] == label
    assert "🦓".encode() in encoded


def classes(*labels: str) -> Results:
    return Results(classifications=tuple(Classification(label, 0, 0.75) for label in labels))


def test_what_chained_models_say_follows_its_object() -> None:
    place = Detection("text", 0, 0.5, (0.25, 0.25, 0.5, 0.5))
    read = Results(lines=(TextLine("AB 123", place, "en"),), embeddings=(Embedding(b"\0\0\0?"),))
    within = Results((Detection("badge", 0, 0.5, (0.25, 0.25, 0.5, 0.5)),))
    chained = Chained("kind", classes("van")), Chained("reader", read), Chained("badges", within)
    car = Detection("car", 2, 0.9, (0.0, 0.0, 0.5, 0.5), chained=chained)
    other = replace(car, label="bus", chained=(Chained("kind", classes("coach")),))
    document = json.loads(metadata.encode(Results((car, other))))
    check_schema(document, {"$ref": "#/components/schemas/InferenceMetadata"})
    PUBLISHED.validate(document)
    first, line, text, vector, badge, second = document["inferences"]
    assert first["entity"]["attributes"] == [{"name": "kind", "value": "van", "confidence": 0.75}]
    assert (first["inferenceId"], line["inferenceId"]) == ("object-1", "line-2")
    assert (line["relatedInferences"], text["relatedInferences"]) == (["object-1"], ["line-2", "object-1"])
    assert text["text"] == {"value": "AB 123", "language": "en"}
    assert (vector["type"], vector["relatedInferences"]) == ("other", ["object-1"])
    assert (badge["entity"]["tag"]["value"], badge["relatedInferences"]) == ("badge", ["object-1"])
    assert second["entity"]["attributes"][0]["value"] == "coach"
    assert "inferenceId" not in second, "nothing refers to it"


def test_what_is_reported_of_a_chained_model_is_as_its_folder_says() -> None:
    place = Detection("text", 0, 0.5, (0.25, 0.25, 0.5, 0.5))
    chained = Chained("kind", classes("van")), Chained("reader", Results(lines=(TextLine("AB 123", place),)))
    car = Detection("car", 2, 0.9, (0.0, 0.0, 0.5, 0.5), chained=chained)
    reported = {"kind": Reported(types=("entity",)), "reader": Reported(types=("text",), subtype="plate")}
    encoded = metadata.encode(Results((car,)), Reported(("entity",), "vehicle"), chained=reported)
    [entity, text] = json.loads(encoded)["inferences"]
    assert (entity["subtype"], text["subtype"]) == ("vehicle", "plate")
    assert "attributes" not in entity["entity"]
    assert text["relatedInferences"] == [entity["inferenceId"]]


def test_what_belongs_to_an_object_without_a_box_is_left_out_with_it() -> None:
    chained = (Chained("reader", Results((Detection("badge", 0, 0.5, (0.25, 0.25, 0.5, 0.5)),))),)
    thin = Detection("car", 2, 0.9, (0.5, 0.5, 0.5 + 1e-9, 0.6), chained=chained)
    assert metadata.encode(Results((thin,))) == b""


LINE_CROSSING = {
    "type": "event",
    "subtype": "lineCrossing",
    "inferenceId": "8f4f7b25d6654536908bcfe34add22b4",
    "relatedInferences": ["cd65eba2d82145b4a8a1b1cbb14ab3f5"],
    "event": {
        "name": "LineCrossing1",
        "properties": {
            "counterclockwiseTotal": "35",
            "direction": "counterclockwise",
            "total": "38",
            "clockwiseTotal": "3",
        },
    },
}
"""As the documentation of Azure's video analyzer shows it, with other identifiers."""


def test_a_line_crossing_is_as_its_documentation_shows_it() -> None:
    """The thirty-eighth crossing of a line, of which three were clockwise."""
    line = LineCounter(Line("LineCrossing1", ((0.5, 0.1), (0.5, 0.9))), lambda: LINE_CROSSING["inferenceId"])  # type: ignore[arg-type,return-value]

    def crossed(track: int, *edges: float) -> list[Any]:
        seen = [Sighting("cd65eba2d82145b4a8a1b1cbb14ab3f5", str(track), "car", (x, 0.5), 0.2, 0) for x in edges]
        return [event for one in seen for event in line.update([one], 1)]

    for number in range(37):
        crossed(number, *((0.7, 0.3) if number < 3 else (0.3, 0.7)))
    encoded = metadata.encode(Results(), happened=Happened(events=crossed(37, 0.3, 0.7)))
    assert json.loads(encoded) == {"inferences": [LINE_CROSSING]}
    PUBLISHED.validate(json.loads(encoded))
    check_schema(json.loads(encoded), {"$ref": "#/components/schemas/InferenceMetadata"})


def test_a_followed_object_has_its_track_as_identifier() -> None:
    """The published schemas reject `sequenceId`, so only the settings of a stream turn it on."""
    track, seen = "0" * 31 + "7", "0" * 31 + "8"
    chained = (Chained("reader", Results((Detection("badge", 0, 0.5, (0.25, 0.25, 0.5, 0.5)),))),)
    sighting = Sighting(seen, track, "car", (0.25, 0.5), 0.5, 0)
    car = Detection("car", 2, 0.9, (0.0, 0.0, 0.5, 0.5), chained=chained, sighting=sighting)
    document = json.loads(metadata.encode(Results((car,))))
    entity, badge = document["inferences"]
    assert (entity["entity"]["id"], entity["inferenceId"], badge["relatedInferences"]) == (track, seen, [seen])
    PUBLISHED.validate(document)
    with_sequence = json.loads(metadata.encode(Results((car,)), happened=Happened(has_sequence_ids=True)))
    assert with_sequence["inferences"] == [{**entity, "sequenceId": track}, badge]
    for each in (document, with_sequence):
        check_schema(each, {"$ref": "#/components/schemas/InferenceMetadata"})
