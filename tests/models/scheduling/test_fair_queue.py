"""The fair queue: streams take turns, and the one with the most items gives way."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.scheduling.fair_queue import MAX_REMEMBERED, FairQueue


def filled(items: str) -> FairQueue[str]:
    """Return a queue of items like a1, whose letter is their stream."""
    queue: FairQueue[str] = FairQueue()
    for item in items.split():
        queue.put(item[0], item)
    return queue


def drained(queue: FairQueue[str]) -> str:
    return " ".join(queue.get() for _ in range(len(queue)))


@pytest.mark.parametrize(
    ("items", "order"),
    [
        ("", ""),
        ("a1 a2 a3", "a1 a2 a3"),
        ("a1 a2 a3 b1", "a1 b1 a2 a3"),
        ("a1 a2 b1 b2 c1", "a1 b1 c1 a2 b2"),
    ],
)
def test_streams_take_turns(items: str, order: str) -> None:
    assert drained(filled(items)) == order


def test_a_stream_that_comes_back_waits_for_its_turn() -> None:
    queue = filled("a1 a2 b1")
    assert queue.get() == "a1"
    queue.put("c", "c1")
    queue.put("a", "a3")
    assert drained(queue) == "b1 c1 a2 a3"


def test_a_stream_that_was_just_served_gives_way_though_it_has_nothing_waiting() -> None:
    queue = filled("a1 b1 c1")
    assert queue.get() == "a1"
    queue.put("a", "a2")
    assert queue.is_owed_a_place("d")
    assert not queue.is_owed_a_place("a")
    assert queue.drop() == "a2"
    queue.put("d", "d1")
    assert drained(queue) == "b1 c1 d1"


def test_an_item_that_was_not_served_costs_no_turn() -> None:
    queue = filled("a1 a2 b1")
    assert queue.remove("a", "a2")
    queue.put("a", "a3")
    queue.put("b", "b2")
    assert drained(queue) == "a1 b1 a3 b2"


def test_later_items_move_up_when_one_is_removed() -> None:
    queue = filled("a1 a2 a3 b1 b2")
    assert queue.remove("a", "a1")
    assert drained(queue) == "a2 b1 a3 b2"


def test_expiry_costs_no_turns() -> None:
    """Two streams post far more than is served, so that most waiting items expire, oldest first."""
    queue: FairQueue[tuple[str, int]] = FairQueue()
    served: Counter[str] = Counter()
    for now in range(4000):
        for stream, every in (("a", 1), ("b", 4), ("c", 4)):
            if now % every == 0:
                queue.put(stream, (stream, now))
                queue.remove(stream, (stream, now - 40))
        if now % 8 == 0:
            served[queue.get()[0]] += 1
    assert max(served.values()) - min(served.values()) < 10


def test_turns_of_many_streams_are_forgotten() -> None:
    queue = filled("z1 z2 z3")
    for number in range(5 * MAX_REMEMBERED):
        queue.put(str(number), str(number))
        queue.get()
    assert len(queue._next_turns) <= MAX_REMEMBERED  # noqa: SLF001  # memory cannot be seen from outside


def test_a_stream_with_items_waiting_is_never_forgotten() -> None:
    queue = filled("z1 z2")
    for number in range(2 * MAX_REMEMBERED):
        queue.put(str(number), str(number))
    queue.put("z", "z3")
    assert [item for item in drained(queue).split() if item[0] == "z"] == ["z1", "z2", "z3"]


def test_fewer_places_than_streams_are_shared_evenly() -> None:
    """Ten streams and four places: one always has a frame to send, the other nine post in rounds."""
    queue: FairQueue[str] = FairQueue()
    served: Counter[str] = Counter()
    for turn in range(3000):
        for stream in ("greedy", str(turn % 9)):
            if len(queue) < 4:
                queue.put(stream, stream)
            elif queue.is_owed_a_place(stream):
                queue.drop()
                queue.put(stream, stream)
        if turn % 2:
            served[queue.get()] += 1
    assert max(served.values()) / min(served.values()) < 1.5


@pytest.mark.parametrize(
    ("items", "stream", "owed"),
    [("", "a", False), ("a1", "b", False), ("a1 a2", "b", True), ("a1 a2", "a", False), ("a1 a2 b1", "b", False)],
)
def test_a_place_is_owed_where_it_evens_things_out(items: str, stream: str, *, owed: bool) -> None:
    assert filled(items).is_owed_a_place(stream) is owed


def test_the_newest_of_the_greediest_is_dropped() -> None:
    queue = filled("a1 b1 b2 b3 a2")
    assert queue.drop() == "b3"
    assert drained(queue) == "a1 b1 b2 a2"


def test_a_removed_item_is_gone() -> None:
    queue = filled("a1 b1")
    assert queue.remove("a", "a1")
    assert not queue.remove("a", "a1")
    assert not queue.remove("c", "c1")
    assert drained(queue) == "b1"


@given(st.lists(st.sampled_from("abcd"), max_size=60), st.integers(1, 12))
def test_whatever_is_posted_places_are_shared(streams: str, size: int) -> None:
    """No stream holds two places more than a refused one, and nothing is lost."""
    queue: FairQueue[str] = FairQueue()
    refused: list[str] = []
    dropped: list[str] = []
    for number, stream in enumerate(streams):
        if len(queue) == size:
            if not queue.is_owed_a_place(stream):
                refused.append(f"{stream}{number}")
                continue
            dropped.append(queue.drop())
        queue.put(stream, f"{stream}{number}")
    kept = drained(queue).split()
    assert sorted(kept + refused + dropped) == sorted(f"{stream}{number}" for number, stream in enumerate(streams))
    places = Counter(item[0] for item in kept)
    if refused or dropped:
        assert max(places.values()) - min(places.get(item[0], 0) for item in refused + dropped) <= 1
