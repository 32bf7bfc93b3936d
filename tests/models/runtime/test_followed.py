"""Objects of streams that are followed from frame to frame, with the gate, with shuffled lanes and with requests."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from lab.graphs import write_identity_model
from lab.pictures import street
from models.errors import InferenceError
from models.order import Answered, FrameOrder
from models.repository.folder import BUILT_IN_ZOO
from models.runtime.engine import Engine
from models.scheduling.lanes import Lanes
from scene.events import Event
from scene.settings import StreamSettings
from tests.support.models.engines import loaded_engine_of, order_of, shuffled
from tests.support.models.walks import GATE, LEFT, PORCH, RIGHT, block

STREAMS, FRAMES = 4, 30


def order(picture: Image.Image, at_s: float, stream: str = "yard", **keys: Any) -> FrameOrder:
    """Return the order for a frame; `keys` are those of the order, or of the settings."""
    fields = {"labels", "confidence", "begun_at_s", "encoding"}
    settings = StreamSettings.model_validate({key: value for key, value in keys.items() if key not in fields})
    own = {key: value for key, value in keys.items() if key in fields}
    return replace(order_of(picture), settings=settings, stream=stream, taken_at_s=at_s, **own)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    write_identity_model(tmp_path)
    with loaded_engine_of(tmp_path, lanes=Lanes(1, 100, 60)) as loaded:
        yield loaded


def answer(engine: Engine, picture: Image.Image, at_s: float, stream: str = "yard", **keys: Any) -> Answered:
    return engine.infer(order(picture, at_s, stream, **keys)).result(60)


def track_in(answered: Answered) -> str:
    [detection] = answered.results.detections
    assert detection.sighting is not None
    return detection.sighting.track


def events_in(answered: Answered) -> list[Event]:
    assert answered.scene is not None
    return list(answered.scene.events)


def kinds_in(answered: Answered) -> list[str]:
    return [event.kind for event in events_in(answered)]


def test_an_object_that_walks_keeps_its_track_and_its_crossing_is_an_event(engine: Engine) -> None:
    answered = [answer(engine, block(LEFT + 0.05 * step), step, lines=[GATE]) for step in range(4)]
    assert len({track_in(each) for each in answered}) == 1
    sightings = [each.results.detections[0].sighting for each in answered]
    assert len({sighting.id for sighting in sightings if sighting}) == 4, "each sighting has an identifier of its own"
    assert [kinds_in(each) for each in answered] == [[], [], [], ["lineCrossing"]]
    [event] = events_in(answered[3])
    assert sightings[3] is not None
    assert event.sightings == (sightings[3].id,)


def test_a_frame_in_which_nothing_has_moved_keeps_its_tracks_and_time_goes_on(engine: Engine) -> None:
    """A person who stands still in a zone dwells there, though no frame is run once a second one has shown them."""
    keys: dict[str, Any] = {"motion": {}, "zones": [PORCH]}
    answered = [answer(engine, block(RIGHT), at_s, **keys) for at_s in range(5)]
    assert [each.seen.outcome for each in answered] == ["run", "run", *["repeated"] * 3]
    assert len({track_in(each) for each in answered}) == 1
    assert [kinds_in(each) for each in answered] == [[], ["zoneEnter", "zoneCount"], [], ["zoneDwell"], []]
    ids = [each.results.detections[0].sighting for each in answered[1:]]
    assert ids == [ids[0]] * 4, "the answer is repeated as it was"


def test_an_answer_without_content_has_the_events(engine: Engine) -> None:
    keys: dict[str, Any] = {"motion": {"answer": "no_content"}, "zones": [PORCH], "encoding": "metadata"}
    answered = [answer(engine, block(RIGHT), at_s, **keys) for at_s in range(5)]
    assert [each.results.count for each in answered] == [1, 1, 0, 0, 0]
    assert [b'"zoneDwell"' in each.value for each in answered] == [False, False, False, True, False]
    assert answered[2].value == answered[4].value == b""


def test_a_frame_is_run_while_an_object_moves(engine: Engine) -> None:
    """Though it looks like the last one that was run: what moves slowly is not lost between two runs."""
    middles = [LEFT, RIGHT, RIGHT, RIGHT, RIGHT]
    outcomes = [
        answer(engine, block(middle), at_s, motion={}, track={}).seen.outcome for at_s, middle in enumerate(middles)
    ]
    assert outcomes[:3] == ["run"] * 3
    assert outcomes[-1] == "repeated", "it stands still now"


def test_requests_do_not_change_what_is_followed(engine: Engine) -> None:
    """Nor which events there are: they belong to the stream, whatever the request selects."""
    asked: list[dict[str, Any]] = [{"labels": ["other"]}, {"confidence": 0.95}, {"confidence": 0.05}, {}]
    answered = [
        answer(engine, block(middle), at_s, lines=[GATE], **keys)
        for at_s, (middle, keys) in enumerate(zip((LEFT, RIGHT, RIGHT, LEFT), asked, strict=True))
    ]
    assert [len(each.results.detections) for each in answered] == [0, 0, 2, 1]
    assert [kinds_in(each) for each in answered] == [[], ["lineCrossing"], [], ["lineCrossing"]]
    block_of, other = answered[2].results.detections
    assert block_of.sighting is not None
    assert block_of.sighting.track == track_in(answered[3])
    assert other.sighting is None, "it is below the threshold"


def test_objects_outside_the_areas_of_the_settings_are_not_followed(engine: Engine) -> None:
    answered = [answer(engine, block(RIGHT), at_s, track={}, max_area=0.1) for at_s in range(2)]
    assert [each.scene and each.scene.objects for each in answered] == [(), ()]


def test_a_stream_that_is_forgotten_begins_anew(engine: Engine) -> None:
    crossings = [(LEFT, 0, 0), (RIGHT, 1, 0), (LEFT, 3, 2), (RIGHT, 4, 2)]
    answered = [
        answer(engine, block(middle), at_s, lines=[GATE], begun_at_s=begun_at_s)
        for middle, at_s, begun_at_s in crossings
    ]
    tracks = [track_in(each) for each in answered]
    assert tracks[0] == tracks[1] != tracks[2] == tracks[3]
    assert [dict(event.properties)["total"] for each in answered for event in events_in(each)] == ["1", "1"]


def test_a_frame_that_fails_changes_nothing(engine: Engine) -> None:
    first = answer(engine, block(LEFT), 0, lines=[GATE])
    with pytest.raises(InferenceError):
        answer(engine, block(RIGHT, failure=True), 1, lines=[GATE])
    last = answer(engine, block(RIGHT), 2, lines=[GATE])
    assert track_in(first) == track_in(last)
    assert kinds_in(last) == ["lineCrossing"]


def frames_of(stream: int) -> list[float]:
    """Return the middles of a walk to and fro."""
    chance, middles = Random(stream), [LEFT]
    while len(middles) < FRAMES:
        middles.append(min(max(middles[-1] + chance.uniform(-0.06, 0.06), 0.5), 0.75))
    return middles


def told(answered: Sequence[Answered]) -> list[list[Any]]:
    """Return tracks and events, with the identifiers in the order in which they come."""
    numbers: dict[str, int] = {}

    def number(identifier: str) -> int:
        return numbers.setdefault(identifier, len(numbers))

    return [
        [
            number(track_in(each)),
            *((event.kind, event.properties, *map(number, (event.id, *event.sightings))) for event in events_in(each)),
        ]
        for each in answered
    ]


def test_shuffled_lanes_follow_as_one_lane_does(tmp_path: Path) -> None:
    """Four streams, interleaved, whose frames take times at random."""
    keys: dict[str, Any] = {"motion": {}, "lines": [GATE], "zones": [PORCH]}
    turns = [(number, stream, middle) for stream in range(STREAMS) for number, middle in enumerate(frames_of(stream))]
    turns.sort()
    outcome: list[list[list[list[Any]]]] = []
    for name, lanes in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        with shuffled(tmp_path / name, Lanes(lanes, len(turns), 60)) as engine:
            waiting = [
                (stream, engine.infer(order(block(middle), number / 3, f"camera-{stream}", **keys)))
                for number, stream, middle in turns
            ]
            answered = [(stream, each.result(60)) for stream, each in waiting]
            outcome.append([told([each for of, each in answered if of == stream]) for stream in range(STREAMS)])
    assert outcome[0] == outcome[1]
    crossings = [
        event for stream in outcome[0] for frame in stream for event in frame[1:] if event[0] == "lineCrossing"
    ]
    assert len(crossings) > 4, "too few cross the line, so this proves nothing"
    assert all(one != other for one, other in pairwise(outcome[0]))


def test_an_object_that_no_region_holds_keeps_its_track() -> None:
    """A person walks through the street; the cars behind are run once and then carried from frame to frame."""
    keys: dict[str, Any] = {"regions": {"mode": "motion"}, "track": {}}
    photo = street()
    person = photo.crop((290, 200, 350, 300))
    ground = photo.crop((290, 320, 350, 420))
    answered = []
    with loaded_engine_of(BUILT_IN_ZOO, "ssdlite-mobilenet-v2", Lanes(1, 100, 60)) as engine:
        for step in range(4):
            frame = photo.copy()
            frame.paste(ground, (290, 200))
            frame.paste(person, (290 - 25 * step, 200))
            answered.append(answer(engine, frame, step / 4, **keys))
    assert [each.seen.outcome for each in answered] == ["run", *["regions"] * 3]
    are_outside = [all(right < 0.8 for _, _, right, _ in each.seen.regions_xyxy) for each in answered]
    assert any(are_outside), "regions always held the cars, which are on the right, so this proves nothing"
    cars = [
        {found.sighting.track for found in each.results.detections if found.label == "car" and found.sighting}
        for each in answered
    ]
    assert cars[0]
    assert cars == [cars[0]] * 4


def test_an_object_that_was_not_seen_is_looked_for_in_regions_though_nothing_moves(tmp_path: Path) -> None:
    """Else the frame would count as run though nothing was run, and the object would never be found again."""
    write_identity_model(tmp_path)
    keys: dict[str, Any] = {"regions": {"mode": "motion"}, "track": {}}
    frames = [block(LEFT), block(LEFT), block(LEFT, nothing=True), block(LEFT, nothing=True)]
    with loaded_engine_of(tmp_path, lanes=Lanes(1, 100, 60)) as engine:
        *_, last = (answer(engine, frame, number / 4, **keys) for number, frame in enumerate(frames))
    assert last.seen.outcome in {"run", "regions"}
    assert last.seen.regions_xyxy
    assert not last.seen.moving_xyxy


def test_a_picture_of_no_stream_has_no_tracks(engine: Engine) -> None:
    alone = answer(engine, block(RIGHT), 0, stream="", track={}, zones=[PORCH])
    assert alone.scene is None
    assert alone.results.detections[0].sighting is None
