"""What is remembered of a stream's objects from picture to picture, with the times passed in."""

import numpy as np
import pytest
from hypothesis import given

from scene.regions import NO_BOXES, NOTHING, WHOLE, Floats, Found
from scene.remembered import Plan, Remembered, Rules
from tests.scene.test_regions import found, same_objects, scenes, seen_in

SOURCE_WH = (768, 576)
RULES = Rules(at_most=30)
PARKED = (0.7, 0.6, 0.8, 0.7)
WALKER, WALKER_LATER = (0.1, 0.1, 0.14, 0.22), (0.13, 0.1, 0.17, 0.22)
PATH = (0.1, 0.1, 0.17, 0.22)


def boxes(*rows: tuple[float, ...]) -> Floats:
    return np.array(rows).reshape(-1, 4)


def seen(remembered: Remembered, moving: Floats, scene: Found, now_s: float) -> tuple[Plan, Found]:
    """Plan, look with an ideal detector, and update."""
    plan = remembered.plan(moving, moving, SOURCE_WH, now_s)
    return plan, remembered.update(plan, [seen_in(scene, region) for region in plan.regions_xyxy], now_s)


def test_the_first_picture_is_looked_at_whole() -> None:
    plan, objects = seen(Remembered(RULES), NO_BOXES, found(boxes(PARKED)), 100)
    np.testing.assert_array_equal(plan.regions_xyxy, WHOLE)
    assert plan.is_refresh
    assert same_objects(objects, found(boxes(PARKED)))


def test_nothing_is_looked_at_where_nothing_moves() -> None:
    remembered = Remembered(RULES)
    scene = found(boxes(PARKED, WALKER))
    seen(remembered, NO_BOXES, scene, 0)
    plan, objects = seen(remembered, NO_BOXES, scene, 9.9)
    assert len(plan.regions_xyxy) == 0
    assert same_objects(objects, scene)


def test_what_stands_still_stays_while_something_moves() -> None:
    remembered = Remembered(RULES)
    seen(remembered, NO_BOXES, found(boxes(PARKED, WALKER)), 0)
    later = found(boxes(PARKED, WALKER_LATER))
    plan, objects = seen(remembered, boxes(PATH), later, 1)
    assert len(plan.regions_xyxy) == 1
    assert (plan.regions_xyxy[0] != WHOLE[0]).any()
    assert same_objects(objects, later)


@pytest.mark.parametrize("to_edge_px", [-20, 0, 1, 3, 4, 8, 12, 20])
def test_what_stands_still_at_the_edge_of_a_region_stays(to_edge_px: int) -> None:
    """What is found at the edge of a region does not count, since it may be cut there; boxes vary by some pixels."""
    size = np.tile(SOURCE_WH, 2)
    region_xyxy = np.array([100, 100, 412, 412]) / size
    parked = boxes((412 - to_edge_px - 60, 300, 412 - to_edge_px, 340)) / size
    remembered = Remembered(RULES)
    seen(remembered, NO_BOXES, found(parked), 0)
    seen_later = found(parked + np.array([0, 0, 3, 0]) / size)
    plan = Plan(region_xyxy[None], boxes((200, 200, 240, 240)) / size, is_refresh=False)
    objects = remembered.update(plan, [seen_in(seen_later, region_xyxy)], 1)
    assert len(objects.class_ids) == 1
    np.testing.assert_allclose(objects.boxes_xyxy, parked, atol=3 / 576)


def test_what_has_gone_leaves_at_a_refresh() -> None:
    remembered = Remembered(RULES)
    seen(remembered, NO_BOXES, found(boxes(PARKED)), 0)
    _, before = seen(remembered, NO_BOXES, NOTHING, 9.9)
    assert len(before.class_ids) == 1
    plan, after = seen(remembered, NO_BOXES, NOTHING, 10)
    assert plan.is_refresh
    assert len(after.class_ids) == 0


def test_a_refresh_looks_closely_at_what_stands_still() -> None:
    """The whole picture may be too coarse to see it again."""
    remembered = Remembered(RULES)
    scene = found(boxes(PARKED))
    seen(remembered, NO_BOXES, scene, 0)
    plan = remembered.plan(NO_BOXES, NO_BOXES, SOURCE_WH, 10)
    np.testing.assert_array_equal(plan.regions_xyxy[0], WHOLE[0])
    assert len(plan.regions_xyxy) == 2
    objects = remembered.update(plan, [NOTHING, seen_in(scene, plan.regions_xyxy[1])], 10)
    assert same_objects(objects, scene)


def test_the_whole_picture_alone_does_not_forget_what_stands_still() -> None:
    """Something large moves elsewhere: the whole picture is looked at, which may be too coarse."""
    remembered = Remembered(RULES)
    scene = found(boxes(PARKED))
    seen(remembered, NO_BOXES, scene, 0)
    large = boxes((0, 0, 0.65, 0.9))
    plan = remembered.plan(large, large, SOURCE_WH, 1)
    np.testing.assert_array_equal(plan.regions_xyxy, WHOLE)
    assert same_objects(remembered.update(plan, [NOTHING], 1), scene)


def test_what_moves_out_of_the_picture_is_forgotten() -> None:
    remembered = Remembered(RULES)
    seen(remembered, NO_BOXES, found(boxes(PARKED, WALKER)), 0)
    parked = found(boxes(PARKED))
    _, objects = seen(remembered, boxes(WALKER), parked, 1)
    assert same_objects(objects, parked)


def test_what_stands_still_behind_something_that_leaves_is_looked_at() -> None:
    """Motion says that something has changed there, but not that the object has gone."""
    remembered = Remembered(RULES)
    scene = found(boxes(PARKED))
    seen(remembered, NO_BOXES, scene, 0)
    elsewhere = boxes((0.1, 0.1, 0.15, 0.2))
    plan = remembered.plan(boxes((0.65, 0.55, 0.85, 0.75)), elsewhere, SOURCE_WH, 1)
    founds = [seen_in(scene, region) for region in plan.regions_xyxy]
    assert same_objects(remembered.update(plan, founds, 1), scene)


def test_a_plan_that_is_given_up_changes_nothing() -> None:
    remembered = Remembered(RULES)
    remembered.plan(NO_BOXES, NO_BOXES, SOURCE_WH, 0)
    assert remembered.plan(NO_BOXES, NO_BOXES, SOURCE_WH, 1).is_refresh
    assert len(remembered.found.class_ids) == 0


def test_motion_and_a_refresh_keep_to_the_limit() -> None:
    remembered = Remembered(Rules(at_most=3))
    corners = boxes((0, 0, 0.05, 0.05), (0.9, 0, 0.95, 0.05), (0, 0.9, 0.05, 0.95), (0.9, 0.9, 0.95, 0.95))
    for now_s in (0, 1, 11):
        plan, objects = seen(remembered, corners, found(corners), now_s)
        assert 1 <= len(plan.regions_xyxy) <= 3
        assert same_objects(objects, found(corners))


@given(scenes(largest=0.3), scenes(largest=0.3))
def test_each_object_is_in_the_answer_once(before: Found, after: Found) -> None:
    """All that comes and goes moves. What both scenes have in common stands still."""
    remembered = Remembered(RULES)
    seen(remembered, NO_BOXES, before, 0)
    moving = np.concatenate([before.boxes_xyxy, after.boxes_xyxy])
    _, objects = seen(remembered, moving, after, 1)
    assert same_objects(objects, after)
    _, again = seen(remembered, NO_BOXES, after, 2)
    assert same_objects(again, after)
