"""How callers share the bytes in flight."""

import pytest

from handlers.server.middleware.bytes_in_flight import BytesBudget, Reservation
from models.errors import OverloadedError


def budget(max_bytes: int = 100) -> BytesBudget:
    return BytesBudget(max_bytes, lambda: 1)


def test_one_body_may_take_everything() -> None:
    shared = budget()
    with shared.reservation("a") as body:
        for _ in range(10):
            body.grow(10)
        with pytest.raises(OverloadedError):
            body.grow(1)
        assert shared.in_flight == 100
    assert shared.in_flight == 0


def test_a_caller_leaves_room_for_others() -> None:
    shared = budget()
    with shared.reservation("a") as first, shared.reservation("a") as second, shared.reservation("b") as other:
        first.grow(50)
        shared.refuse_if_no_room("a", 25)
        second.grow(25)
        with pytest.raises(OverloadedError):
            shared.refuse_if_no_room("a", 1)
        with pytest.raises(OverloadedError):
            second.grow(1)
        other.grow(24)
        with pytest.raises(OverloadedError):
            shared.refuse_if_no_room("c", 2)
        shared.refuse_if_no_room("c", 1)


def test_answers_count_though_they_are_never_refused() -> None:
    shared = budget()
    answer = Reservation(shared, "a")
    answer.resize(500)
    assert shared.in_flight == 500
    with pytest.raises(OverloadedError):
        shared.refuse_if_no_room("b", 1)
    answer.resize(80)
    with pytest.raises(OverloadedError):
        shared.refuse_if_no_room("a", 1)
    shared.refuse_if_no_room("b", 20)
    answer.resize(0)
    shared.refuse_if_no_room("a", 100)


def test_untaken_answers_are_too_much_when_they_leave_others_too_little() -> None:
    shared = budget()
    first, second, other = (Reservation(shared, caller) for caller in "aab")
    first.resize(80)
    assert not first.is_too_much, "one answer may take everything"
    second.resize(1)
    other.resize(1)
    assert first.is_too_much
    assert second.is_too_much
    assert not other.is_too_much
    first.resize(60)
    assert not second.is_too_much
