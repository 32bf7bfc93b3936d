"""The queue of the lanes: callers take turns, then the streams of each."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.scheduling.callers_queue import CallersQueue


def filled(items: str) -> CallersQueue[str]:
    """Return a queue of items like ax1: caller, stream, number. Something of each stream was served before."""
    queue: CallersQueue[str] = CallersQueue()
    for item in items.split():
        queue.put(item[0], item[1], item)
        queue.get()
    for item in items.split():
        queue.put(item[0], item[1], item)
    return queue


def drained(queue: CallersQueue[str]) -> str:
    return " ".join(queue.get() for _ in range(len(queue)))


@pytest.mark.parametrize(
    ("items", "order"),
    [
        ("", ""),
        ("ax1 ax2 ay1", "ax1 ay1 ax2"),
        ("ax1 ay1 az1 bx1", "ax1 bx1 ay1 az1"),
        ("ax1 ax2 bx1 by1 bx2", "ax1 bx1 ax2 by1 bx2"),
        ("ax1 ax2 ax3 ay1 bx1 bx2", "ax1 bx1 ay1 bx2 ax2 ax3"),
    ],
)
def test_callers_take_turns_and_then_their_streams(items: str, order: str) -> None:
    assert drained(filled(items)) == order


def test_items_that_must_wait_are_skipped() -> None:
    queue = filled("ax1 ay1 bx1")
    assert queue.get(lambda item: item[1] == "x") == "ay1"
    assert not queue.has_next(lambda item: item[1] == "x")
    with pytest.raises(IndexError):
        queue.get(lambda item: item[1] == "x")
    assert queue.has_next()
    assert drained(queue) == "bx1 ax1"


def test_a_removed_item_costs_its_caller_no_turn() -> None:
    queue = filled("ax1 ax2 bx1 bx2")
    assert queue.remove("a", "x", "ax1")
    assert not queue.remove("a", "x", "ax1")
    assert not queue.remove("c", "x", "cx1")
    assert drained(queue) == "ax2 bx1 bx2"
    assert len(queue) == 0
    assert not queue.has_next()


def test_the_caller_whose_turn_is_last_gives_way() -> None:
    queue = filled("ax1 ay1 az1 bx1")
    assert queue.is_owed_a_place("b", "y")
    assert queue.is_owed_a_place("c", "x")
    assert queue.make_room("c") == "az1"
    queue.put("c", "x", "cx1")
    assert drained(queue) == "ax1 bx1 cx1 ay1"


def test_among_the_streams_of_one_caller_the_greediest_gives_way() -> None:
    queue = filled("ax1 ax2 ax3 bx1 bx2 bx3")
    assert queue.is_owed_a_place("a", "y"), "one that is new"
    assert not queue.is_owed_a_place("a", "x")
    assert queue.make_room("a") == "ax3"
    queue.put("a", "y", "ay1")
    assert drained(queue) == "ax1 bx1 ay1 bx2 bx3 ax2"


def test_many_names_bring_no_more_than_one() -> None:
    """One caller names each frame differently and always has one to send; six others have one stream each."""
    queue: CallersQueue[str] = CallersQueue()
    served: Counter[str] = Counter()
    names = iter(range(1_000_000))
    for turn in range(6000):
        for caller, stream in (*(("greedy", str(next(names))) for _ in range(3)), (str(turn % 6), "camera")):
            if len(queue) == 4:
                if not queue.is_owed_a_place(caller, stream):
                    continue
                queue.make_room(caller)
            queue.put(caller, stream, caller)
        if turn % 2:
            served[queue.get()] += 1
    assert max(served.values()) / min(served.values()) < 1.5


def test_the_items_of_a_new_stream_keep_their_order() -> None:
    """Also those that come once the first one was served."""
    queue: CallersQueue[str] = CallersQueue()
    for number in range(3):
        for stream in "xy":
            queue.put("a", stream, f"{stream}{number}")
    served = [queue.get() for _ in range(2)]
    for stream in "xy":
        queue.put("a", stream, f"{stream}3")
    served += [queue.get() for _ in range(len(queue))]
    for stream in "xy":
        assert [item for item in served if item[0] == stream] == [f"{stream}{number}" for number in range(4)]


def test_new_names_leave_the_known_streams_of_their_caller_their_turns() -> None:
    """Somebody at the address of six cameras gives each frame a new name, and always has several waiting."""
    queue: CallersQueue[str] = CallersQueue()
    cameras = [f"camera {number}" for number in range(6)]
    for camera in cameras:
        queue.put("a", camera, camera)
        queue.get()
    served: Counter[str] = Counter()
    for turn in range(7000):
        for stream in (*(f"new {turn} {number}" for number in range(5)), cameras[turn % 6]):
            if len(queue) == 8:
                if not queue.is_owed_a_place("a", stream):
                    continue
                queue.make_room("a")
            queue.put("a", stream, stream)
        served[queue.get()] += 1
    assert min(served[camera] for camera in cameras) > 900


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=60), st.integers(1, 12))
def test_whatever_is_posted_nothing_is_lost_and_callers_share(items: list[tuple[str, str]], size: int) -> None:
    queue: CallersQueue[str] = CallersQueue()
    refused, dropped, chance = [], [], random.Random(len(items))
    for number, (caller, stream) in enumerate(items):
        if len(queue) == size:
            if not queue.is_owed_a_place(caller, stream):
                refused.append(f"{caller}{stream}{number}")
                continue
            dropped.append(queue.make_room(caller))
        queue.put(caller, stream, f"{caller}{stream}{number}")
    kept: list[str] = []
    while len(queue):
        item = chance.choice(sorted(_waiting(queue)))
        assert queue.remove(item[0], item[1], item)
        kept.append(item)
    every = [f"{caller}{stream}{number}" for number, (caller, stream) in enumerate(items)]
    assert sorted(kept + refused + dropped) == sorted(every)
    places = Counter(item[0] for item in kept)
    if refused or dropped:
        assert max(places.values()) - min(places.get(item[0], 0) for item in refused + dropped) <= 1


def _waiting(queue: CallersQueue[str]) -> list[str]:
    found: list[str] = []
    queue.has_next(lambda item: bool(found.append(item)) or True)  # type: ignore[func-returns-value]
    return found
