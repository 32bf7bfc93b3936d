"""Objects that walk through a scene, found by an extension in some of its frames."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from player.flow import Finding, Frame, Inference, Signal
from player.nodes.protocol.boxes import box_of
from player.nodes.tracker import ObjectTracking
from scene.geometry import BoxXyxy
from tests.player.nodes.pictures import BEGIN_S, entity, frame

FPS, SAMPLED = 15, 7
SCHEMA_EXTRA = {"sequenceId"}


def walker(at_s: float, begin_x: float = 0.05, y: float = 0.5, speed: float = 0.1) -> BoxXyxy:
    left = begin_x + speed * at_s
    return left, y, left + 0.08, y + 0.3


def person(box_xyxy: BoxXyxy, label: str = "person", **members: Any) -> Inference:
    box = box_of(box_xyxy)
    assert box
    return entity(label, *box.values(), **members)


def sampled(number: int, found: Sequence[Inference], every: int = SAMPLED) -> Frame:
    """Return a frame of a camera, with what an extension has found if it was asked."""
    if number % every:
        return frame(number / FPS)
    return frame(number / FPS, *([Finding("detector", tuple(found))] if found else []), is_sampled=True)


def tracked(
    found: Callable[[float], Sequence[Inference]], frames: int, every: int = SAMPLED
) -> list[Sequence[Inference]]:
    """Return what a tracker says of each frame."""
    node = ObjectTracking("tracker", "detector")
    said: list[Sequence[Inference]] = []
    for number in range(frames):
        [one] = node.take(sampled(number, found(number / FPS), every), 0)
        assert isinstance(one, Frame)
        assert all(finding.node == "tracker" for finding in one.findings)
        said.append(one.findings[0].inferences if one.findings else ())
    return said


def test_objects_are_on_each_frame_where_they_are() -> None:
    said = tracked(lambda at_s: [person(walker(at_s)), person(walker(at_s, 0.9, 0.2, -0.1))], 90)
    for number, inferences in enumerate(said):
        assert len(inferences) == 2
        if number > 3 * SAMPLED:
            lefts = sorted(inference["entity"]["box"]["l"] for inference in inferences)
            at_s = number / FPS
            assert lefts == pytest.approx(sorted([walker(at_s)[0], walker(at_s, 0.9, 0.2, -0.1)[0]]), abs=0.02)
    assert len({inference["sequenceId"] for inferences in said for inference in inferences}) == 2


def test_inferences_are_those_of_the_video_analyzer() -> None:
    said = tracked(lambda at_s: [person(walker(at_s), confidence=0.95237225)], 10)
    names = [inference for inferences in said for inference in inferences]
    assert all(re.fullmatch("[0-9a-f]{32}", inference["sequenceId"]) for inference in names)
    assert all(re.fullmatch("[0-9a-f]{32}", inference["inferenceId"]) for inference in names)
    assert len({inference["inferenceId"] for inference in names}) == len(names)
    assert {inference["subtype"] for inference in names} == {"objectDetection"}
    assert {inference["entity"]["tag"]["confidence"] for inference in names} == {0.95237225}


def test_what_else_is_said_of_an_object_is_kept() -> None:
    entity_of = {"id": "plate 7", "attributes": [{"name": "colour", "value": "red"}]}
    found = person(walker(0), inferenceId="1", subtype="walkers", extensions={"a": "b"}, sequenceId="theirs")
    found = {**found, "entity": {**found["entity"], **entity_of}}
    text = {"type": "text", "text": {"value": "B 1"}, "relatedInferences": ["1"]}
    first, second = tracked(lambda _: [text, found], 2)
    assert first[1] == text
    assert first[0]["inferenceId"] == "1"
    assert second[0]["inferenceId"] not in {"1", ""}
    for inference in (first[0], second[0]):
        assert inference["subtype"] == "walkers"
        assert inference["extensions"] == {"a": "b"}
        assert inference["sequenceId"] not in {"theirs", ""}
        assert inference["entity"].items() >= entity_of.items()
    assert len(second) == 1


def test_what_is_not_found_again_is_left_out_until_it_is() -> None:
    """It has the same identifier then."""
    said = tracked(lambda at_s: [] if 2 < at_s < 3 else [person(walker(at_s))], 90)
    present = [bool(inferences) for inferences in said]
    assert present == [number < 35 or number >= 49 for number in range(90)]
    assert len({inference["sequenceId"] for inferences in said for inference in inferences}) == 1


@pytest.mark.parametrize(("fps", "last"), [(30, 15), (5, 10), (15, 15)])
def test_without_an_answer_objects_are_left_out_after_a_while(fps: int, last: int) -> None:
    node = ObjectTracking("tracker", "detector")
    said = []
    for number in range(60):
        found = [Finding("detector", (person(walker(0)),))] if not number else []
        [one] = node.take(frame(number / fps, *found, is_sampled=not number), 0)
        said.append(isinstance(one, Frame) and bool(one.findings))
    assert said == [number <= last for number in range(60)]


def test_who_leaves_the_picture_is_left_out() -> None:
    said = tracked(lambda at_s: [person(walker(at_s, speed=0.9))] if at_s < 0.95 else [], 28, every=7)
    boxes = [inference["entity"]["box"] for inferences in said for inference in inferences]
    assert all(box["l"] + box["w"] <= 1.000001 for box in boxes)
    assert not said[-1]


def test_labels_are_kept_apart() -> None:
    """Two objects at one place, with different labels, are two objects; labels that come and go cost nothing."""
    node = ObjectTracking("tracker", "detector")
    for number in range(0, 700, SAMPLED):
        found = [person(walker(0)), person(walker(0), label="dog"), person(walker(0, y=0.1), label=f"label {number}")]
        [one] = node.take(sampled(number, found), 0)
        assert isinstance(one, Frame)
        assert len({inference["sequenceId"] for inference in one.findings[0].inferences}) == 3
    assert len(node._class_ids) < 20  # noqa: SLF001, what it costs is its promise


def test_findings_of_other_nodes_stay() -> None:
    node = ObjectTracking("tracker", "detector")
    motion = Finding("motion", ({"type": "motion", "motion": {}},))
    found = Finding("detector", (person(walker(0)),))
    [one] = node.take(frame(0, found, motion, is_sampled=True), 0)
    [other] = node.take(frame(5, motion), 0)
    assert isinstance(one, Frame)
    assert isinstance(other, Frame)
    assert [finding.node for finding in one.findings] == ["motion", "tracker"]
    assert other.findings == (motion,)


def test_the_shape_of_pictures_is_remembered() -> None:
    node = ObjectTracking("tracker", "detector")
    said = [
        list(node.take(frame(at_s, Finding("detector", (person(walker(at_s)),)), picture=None, is_sampled=True), 0))
        for at_s in (0, 0.5)
    ]
    ids = {one.findings[0].inferences[0]["sequenceId"] for [one] in said if isinstance(one, Frame)}
    assert len(ids) == 1


def test_very_many_objects_go_on_without_identifiers() -> None:
    found = [person((x / 20, y / 10, x / 20 + 0.03, y / 10 + 0.05)) for x in range(20) for y in range(10)]
    [inferences] = tracked(lambda _: found, 1)
    assert len(inferences) == 200
    assert sum("sequenceId" in inference for inference in inferences) == 128


def test_other_items_pass() -> None:
    signal = Signal(BEGIN_S)
    assert list(ObjectTracking("tracker", "detector").take(signal, 0)) == [signal]


@given(st.lists(st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=6), min_size=1, max_size=30), st.integers(1, 20))
def test_whatever_is_found(found: list[list[tuple[float, ...]]], every: int) -> None:
    """Boxes are within the picture, and identifiers of one frame differ."""
    node = ObjectTracking("tracker", "detector")
    for number, boxes in enumerate(found):
        inferences = [entity("thing", *box) for box in boxes]
        [one] = node.take(sampled(number, inferences, every), 0)
        assert isinstance(one, Frame)
        said = one.findings[0].inferences if one.findings else ()
        ids = [inference["sequenceId"] for inference in said]
        assert len(ids) == len(set(ids))
        assert all(np.isfinite([*inference["entity"]["box"].values()]).all() for inference in said)
        if number % every:
            assert all(0 <= value <= 1 for inference in said for value in inference["entity"]["box"].values())
