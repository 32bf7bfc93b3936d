"""Whose password is checked first, and who is refused when too many wait."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from handlers.errors import TooManyFailuresError
from handlers.server.access.back_off import HALF_LIFE_S, BackOff
from handlers.server.access.credentials import Credential, with_password
from handlers.server.access.passwords import MAX_WAITING, Passwords


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords in the order in which they are checked; only `right` is right."""
    passwords: list[str] = []

    def is_right(password: str, _: str) -> bool:
        passwords.append(password)
        return password == "right"

    monkeypatch.setattr("handlers.server.access.passwords.is_password", is_right)
    monkeypatch.setattr("handlers.server.access.passwords.REST_SHARE", 0)
    return passwords


def outcomes(*checks: tuple[str, int]) -> list[Credential | BaseException | None]:
    """Check passwords, with their turns, that arrive at once; the first is being checked when the others come."""

    async def check_all() -> list[Any]:
        passwords = Passwords([with_password("yard", "right")])
        pending: list[Coroutine[Any, Any, Any]] = [passwords.check("yard", word, turn) for word, turn in checks]
        try:
            return await asyncio.gather(*pending, return_exceptions=True)
        finally:
            passwords.close()

    return asyncio.run(check_all())


def test_a_lower_turn_comes_first_and_equal_ones_in_their_order(checked: list[str]) -> None:
    outcomes(("first", 9), ("b", 2), ("c", 2), ("d", 1), ("right", 0), ("e", 2))
    assert checked == ["first", "right", "d", "b", "c", "e"]


def test_the_flood_gives_way_when_too_many_wait(checked: list[str]) -> None:
    flood = [(f"guess {turn}", turn) for turn in range(MAX_WAITING + 1)]
    got = outcomes(*flood, ("right", 0), ("late", 999))
    refused = [number for number, outcome in enumerate(got) if isinstance(outcome, TooManyFailuresError)]
    assert refused == [MAX_WAITING, MAX_WAITING + 2]
    assert checked[:3] == ["guess 0", "right", "guess 1"]
    assert isinstance(got[MAX_WAITING + 1], Credential)


def test_a_failure_of_the_check_is_its_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next password is checked."""

    def fail(password: str, _: str) -> bool:
        if password == "first":
            raise MemoryError
        return True

    monkeypatch.setattr("handlers.server.access.passwords.is_password", fail)
    first, second = outcomes(("first", 0), ("second", 0))
    assert isinstance(first, MemoryError)
    assert isinstance(second, Credential)


def test_every_wrong_password_of_an_address_puts_it_further_back() -> None:
    """Whatever the user's name, and less so a minute later; what is withdrawn does not."""
    now_s = 0.0
    back_off = BackOff(lambda: now_s)
    flood = [back_off.suspect("192.0.2.1", f"user {number}") for number in range(100)]
    assert [back_off.record_failure(suspect) for suspect in flood] == list(range(100))
    back_off.withdraw_failure(flood[0])
    assert back_off.record_failure(flood[1]) == 99
    assert back_off.record_failure(back_off.suspect("192.0.2.2", "user 1")) == 0
    assert back_off.record_failure(back_off.suspect("2001:db8::1", "a")) == 0
    assert back_off.record_failure(back_off.suspect("2001:db8::2", "b")) == 1
    now_s = HALF_LIFE_S
    assert back_off.record_failure(flood[2]) == 50
