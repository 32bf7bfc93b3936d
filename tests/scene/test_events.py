from conformance.published import PUBLISHED
from scene.events import Event, inference_of


def test_an_event_is_reported_as_the_video_analyzer_does() -> None:
    inference = inference_of(Event("1", "lineCrossing", "door", (("total", "3"),), ("7",)))
    assert inference == {
        "type": "event",
        "subtype": "lineCrossing",
        "inferenceId": "1",
        "relatedInferences": ["7"],
        "event": {"name": "door", "properties": {"total": "3"}},
    }
    PUBLISHED.validate({"inferences": [inference]})
