"""Tracks of drawn scenes, with the times passed in."""

from collections.abc import Callable, Sequence
from itertools import count
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scene.regions import NO_BOXES, Floats
from scene.tracks import AT_MOST, PAUSE_S, Tracker, TrackRules

ASPECT = 4 / 3
WIDTH, HEIGHT = 0.04, 0.13
PARKED = (0.7, 0.6, 0.8, 0.7)
RATES = pytest.mark.parametrize("per_s", [7.0, 3.5, 1.75, 0.2])
SHARES = st.floats(0, 1)


def boxes(*rows: Sequence[float]) -> Floats:
    return np.array(rows, np.float64).reshape(-1, 4)


def person(x: float, y: float = 0.5) -> tuple[float, float, float, float]:
    """A box with its bottom centre there."""
    return x - WIDTH / 2, y - HEIGHT, x + WIDTH / 2, y


def tracker(lost_s: float = 2.0) -> Tracker:
    numbers = count(1)
    return Tracker(TrackRules(lost_s), lambda: f"id{next(numbers)}")


def see(
    known: Tracker,
    found: Floats,
    now_s: float,
    class_ids: Sequence[int] | None = None,
    sure: Sequence[bool] | None = None,
) -> list[str]:
    classes = np.zeros(len(found), np.intp) if class_ids is None else np.array(class_ids, np.intp)
    return known.update(
        found, classes, np.array([True] * len(found) if sure is None else sure, np.bool_), ASPECT, now_s
    )


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Floats, list[int], list[bool]]:
    """Detections as a hostile frame may have them: alike, on top of each other, without area."""
    rows = draw(st.lists(st.tuples(SHARES, SHARES, SHARES, SHARES, st.integers(0, 1), st.booleans()), max_size=12))
    found = [(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)) for x1, y1, x2, y2, *_ in rows]
    return boxes(*found), [row[4] for row in rows], [row[5] for row in rows]


def test_an_empty_frame_has_no_tracks() -> None:
    known = tracker()
    assert see(known, NO_BOXES, 0) == []
    assert known.tracks == ()


def test_a_track_says_what_is_known() -> None:
    known = tracker()
    assert see(known, boxes(PARKED), 5, [2]) == ["id1"]
    (first,) = known.tracks
    assert (first.id, first.class_id, first.box_xyxy) == ("id1", 2, PARKED)
    assert (first.seen, first.since_s, first.seen_at_s) == (True, 5, 5)
    assert not first.confirmed
    assert not first.moving
    see(known, boxes(PARKED), 6, [2])
    (second,) = known.tracks
    assert second.confirmed
    assert (second.since_s, second.seen_at_s) == (5, 6)
    see(known, NO_BOXES, 7)
    (lost,) = known.tracks
    assert (lost.seen, lost.box_xyxy, lost.seen_at_s, lost.confirmed) == (False, PARKED, 6, True)


@pytest.mark.parametrize("per_s", [7.0, 3.5, 1.75])
def test_people_who_cross_keep_their_ids(per_s: float) -> None:
    """Two walk towards each other on neighbouring paths, 0.6 sizes a second; behind the other, one is not seen."""
    known, ids = tracker(), []
    for number in range(int(12 * per_s)):
        now_s = number / per_s
        left, right = 0.3 + 0.03 * now_s, 0.66 - 0.03 * now_s
        found = [person(left, 0.5), person(right, 0.51)]
        ids.append(see(known, boxes(*(found[1:] if abs(left - right) < WIDTH / 2 else found)), now_s))
    assert ids[0] == ids[-1] == ["id1", "id2"]


@pytest.mark.parametrize("lost_s", [0, 2])
@pytest.mark.parametrize("per_s", [1.0, 1.75, 5.0])
def test_who_walks_far_between_frames_keeps_the_id(per_s: float, lost_s: float) -> None:
    """One and a half widths a frame: no box overlaps the one before."""
    known = tracker(lost_s)
    for number in range(12):
        assert see(known, boxes(person(0.1 + 1.5 * WIDTH * number)), number / per_s) == ["id1"]


@RATES
def test_what_stands_still_keeps_its_id(per_s: float) -> None:
    known, random = tracker(), np.random.default_rng(1)
    found = boxes(person(0.2), person(0.25), PARKED)
    for number in range(30):
        shaken = found + random.normal(0, 0.002, found.shape)
        assert see(known, shaken, number / per_s) == ["id1", "id2", "id3"]
        assert not any(track.moving for track in known.tracks)


@pytest.mark.parametrize("per_s", [7.0, 3.5, 1.75])
def test_who_walks_is_moving_until_standing(per_s: float) -> None:
    known = tracker()
    for number in range(12):
        see(known, boxes(person(0.1 + 0.03 * number / per_s)), number / per_s)
    assert known.tracks[0].moving
    standing = known.tracks[0].box_xyxy
    for number in range(12, 12 + round(5 * per_s)):
        assert see(known, boxes(standing), number / per_s) == ["id1"]
    assert not known.tracks[0].moving
    see(known, NO_BOXES, 1000)
    assert not known.tracks[0].moving


def test_classes_are_apart() -> None:
    known = tracker()
    assert see(known, boxes(PARKED, PARKED), 0, [1, 2]) == ["id1", "id2"]
    assert see(known, boxes(PARKED, PARKED), 1, [2, 1]) == ["id2", "id1"]
    assert see(known, boxes(PARKED), 2, [3]) == ["id3"]


def test_who_is_lost_is_found_again_further_on() -> None:
    known = tracker()
    for number in range(15):
        see(known, boxes(person(0.1 + 0.005 * number)), number / 7)
    for number in range(15, 25):
        see(known, NO_BOXES, number / 7)
    assert not known.tracks[0].seen
    assert see(known, boxes(person(0.1 + 0.005 * 25)), 25 / 7) == ["id1"]
    assert known.tracks[0].seen


@pytest.mark.parametrize(
    ("per_s", "unseen", "remembered"),
    [
        pytest.param(4, 8, True, id="not-for-longer"),
        pytest.param(4, 9, False, id="for-longer"),
        pytest.param(0.2, 2, True, id="in-two-frames"),
        pytest.param(0.2, 3, False, id="in-more-than-two"),
    ],
)
def test_a_track_ends_once_unseen_for_long_and_in_more_than_two_frames(
    per_s: float, unseen: int, *, remembered: bool
) -> None:
    known = tracker(lost_s=2)
    see(known, boxes(PARKED), 0)
    for number in range(unseen):
        see(known, NO_BOXES, (number + 1) / per_s)
    assert bool(known.tracks) is remembered
    assert see(known, boxes(PARKED), (unseen + 1) / per_s) == (["id1"] if remembered else ["id2"])


@pytest.mark.parametrize("frames", [1, 10])
def test_after_a_pause_only_what_is_in_its_place_keeps_its_id(frames: int) -> None:
    known = tracker()
    for number in range(frames):
        see(known, boxes(person(0.2), PARKED), number / 5)
    assert see(known, boxes(person(0.5), PARKED), 32) == ["id3", "id2"]


def test_who_has_left_the_picture_is_not_who_comes_in() -> None:
    known = tracker(lost_s=5)
    for number in range(10):
        see(known, boxes(person(0.1 - 0.01 * number)), number / 5)
    see(known, NO_BOXES, 3)
    assert known.tracks == ()
    assert see(known, boxes(person(0.02)), 4) == ["id2"]


def test_who_is_unsure_continues_a_track_but_begins_none() -> None:
    known = tracker()
    assert see(known, boxes(PARKED), 0, sure=[False]) == [""]
    assert not known.tracks
    assert see(known, boxes(PARKED), 1) == ["id1"]
    assert see(known, boxes(PARKED, person(0.2)), 2, sure=[False, False]) == ["id1", ""]
    assert known.tracks[0].seen


def test_sure_detections_come_first() -> None:
    known = tracker()
    see(known, boxes(person(0.5)), 0)
    assert see(known, boxes(person(0.5), person(0.52)), 1, sure=[False, True]) == ["", "id1"]


def test_the_best_pair_counts() -> None:
    known = tracker()
    see(known, boxes(person(0.5)), 0)
    assert see(known, boxes(person(0.55), person(0.505)), 1) == ["id2", "id1"]


def test_duplicates_are_tracks_of_their_own_and_stay() -> None:
    known = tracker()
    first = see(known, boxes(PARKED, PARKED, PARKED), 0)
    assert len(set(first)) == 3
    for number in range(1, 5):
        assert set(see(known, boxes(PARKED, PARKED, PARKED), number)) == set(first)


@pytest.mark.parametrize("times", [(5, 5, 5), (5, 4, 3), (5, -1000, -999), (0, 1e9, 1e9)])
def test_time_that_stands_or_goes_back_breaks_nothing(times: tuple[float, ...]) -> None:
    known = tracker()
    for now_s in times:
        assert see(known, boxes(person(0.2), PARKED), now_s) == ["id1", "id2"]
    for number in range(10):
        see(known, NO_BOXES, times[-1] + number)
    assert known.tracks == ()


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((0.4, 0.4, 0.6, 0.6), id="identical"),
        pytest.param((0.4, 0.4, 0.4, 0.4), id="without-area"),
        pytest.param((0, 0, 1, 1), id="whole-picture"),
    ],
)
def test_detections_and_tracks_have_a_bound(row: tuple[float, ...]) -> None:
    known, many = tracker(), boxes(*[row] * 1000)
    for number in range(4):
        ids = see(known, many, number)
        assert all(ids[:AT_MOST])
        assert not any(ids[AT_MOST:])
        assert len(known.tracks) == AT_MOST


def test_beyond_the_bound_those_unseen_longest_are_forgotten() -> None:
    known = tracker()
    rows = [person(x, y) for y in np.linspace(0.2, 0.9, 10) for x in np.linspace(0.1, 0.9, AT_MOST // 10)]
    ids = see(known, boxes(*rows), 0)
    later = see(known, boxes(*rows[:100]), 1)
    assert later == ids[:100]
    new = see(known, boxes(*rows[:100], *[PARKED] * 20), 1.5, [0] * 100 + [1] * 20)
    assert new[:100] == ids[:100]
    assert len(known.tracks) == AT_MOST
    assert {*new} <= {track.id for track in known.tracks}


@given(scenes(), scenes(), st.randoms(use_true_random=False), st.floats(0, 5))
def test_the_order_of_detections_is_nothing(
    before: tuple[Floats, list[int], list[bool]],
    after: tuple[Floats, list[int], list[bool]],
    random: Random,
    elapsed_s: float,
) -> None:
    """Detections that are all the same may take each other's ids."""
    straight, shuffled = tracker(), tracker()
    for (found, class_ids, sure), now_s in ((before, 0), (after, elapsed_s), (before, 2 * elapsed_s)):
        order = list(range(len(found)))
        random.shuffle(order)
        ids = see(straight, found, now_s, class_ids, sure)
        others = see(shuffled, found[order], now_s, [class_ids[i] for i in order], [sure[i] for i in order])
        rows = [(*found[i], class_ids[i], sure[i]) for i in range(len(found))]
        assert sorted(zip(rows, ids, strict=True)) == sorted(zip([rows[i] for i in order], others, strict=True))


@given(st.lists(st.tuples(scenes(), st.floats(-2, 10)), max_size=5))
def test_each_frame_is_told_in_full(frames: list[tuple[tuple[Floats, list[int], list[bool]], float]]) -> None:
    known, now_s = tracker(), 0.0
    ended: set[str] = set()
    for (found, class_ids, sure), elapsed_s in frames:
        now_s += elapsed_s
        before = {track.id for track in known.tracks}
        ids = see(known, found, now_s, class_ids, sure)
        given_ids = [id_ for id_ in ids if id_]
        tracks = {track.id: track for track in known.tracks}
        assert len(ids) == len(found)
        assert all(id_ for id_, is_sure in zip(ids, sure, strict=True) if is_sure)
        assert len(set(given_ids)) == len(given_ids)
        assert {id_ for id_, track in tracks.items() if track.seen} == set(given_ids)
        assert not ended & set(tracks)
        ended |= before - set(tracks)
        for id_, row, class_id in zip(ids, found, class_ids, strict=True):
            if id_:
                assert tracks[id_].box_xyxy == tuple(row)
                assert tracks[id_].class_id == class_id
                assert tracks[id_].seen_at_s == now_s


@given(scenes())
def test_the_same_frame_again_keeps_all_ids(scene: tuple[Floats, list[int], list[bool]]) -> None:
    found, class_ids, _ = scene
    known = tracker()
    first = see(known, found, 0, class_ids)
    for number in range(1, 8):
        again = see(known, found, number, class_ids)
        assert sorted(zip(found.tolist(), class_ids, again, strict=True)) == sorted(
            zip(found.tolist(), class_ids, first, strict=True)
        )
    assert not any(track.moving for track in known.tracks)


def test_ids_are_those_of_the_caller_from_left_to_right() -> None:
    make: Callable[[], str] = iter("abc").__next__
    known = Tracker(TrackRules(), make)
    assert see(known, boxes(PARKED, person(0.2)), 0) == ["b", "a"]


def test_between_frames_objects_go_on() -> None:
    """With the velocity that they had; asking changes nothing."""
    known, asked = tracker(), tracker()
    for now_s in (0.0, 0.5, 1.0, 1.5, 2.0):
        ids = [see(each, boxes(person(0.1 + 0.1 * now_s), PARKED), now_s) for each in (known, asked)]
        assert ids[0] == ids[1]
        expected = asked.expected_xyxy(now_s + 0.3)
        assert asked.expected_xyxy(now_s) == {track.id: track.box_xyxy for track in asked.tracks}
    walker, parked = ids[0]
    assert expected[walker] == pytest.approx(person(0.33), abs=0.01)
    assert expected[parked] == pytest.approx(PARKED, abs=0.001)
    assert known.tracks == asked.tracks


def test_objects_do_not_go_on_for_ever_or_backwards() -> None:
    known = tracker()
    for now_s in (0.0, 0.5, 1.0):
        see(known, boxes(person(0.1 + 0.1 * now_s)), now_s)
    assert known.expected_xyxy(1000) == known.expected_xyxy(1.0 + PAUSE_S)
    assert known.expected_xyxy(0.5) == known.expected_xyxy(1.0)


def test_only_objects_of_the_last_frame_are_expected() -> None:
    known = tracker()
    assert known.expected_xyxy(1) == {}
    see(known, boxes(person(0.1), PARKED), 0)
    [parked] = see(known, boxes(PARKED), 0.5)
    assert len(known.tracks) == 2
    assert [*known.expected_xyxy(0.7)] == [parked]
