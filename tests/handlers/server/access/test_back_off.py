"""How long a client must wait after failures, and how many failures are remembered."""

import pytest

from handlers.errors import TooManyFailuresError
from handlers.server.access.back_off import FREE_FAILURES, BackOff


def test_the_wait_grows_to_its_bound_and_no_further() -> None:
    now_s = 0.0
    back_off = BackOff(lambda: now_s)
    suspect = back_off.suspect("192.0.2.1", "yard")
    for _ in range(3000):
        back_off.record_failure(suspect)
    with pytest.raises(TooManyFailuresError) as refusal:
        back_off.refuse_if_too_soon(suspect)
    assert refusal.value.retry_after_s == 64
    now_s = 64.0
    back_off.refuse_if_too_soon(suspect)


def test_the_memory_of_failures_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One address may try any number of names; IPv6 addresses of one network count as one."""
    back_off = BackOff()
    assert len({back_off.suspect("192.0.2.1", str(n)) for n in range(10_000)}) == 256
    assert back_off.suspect("2001:db8::1", "a") == back_off.suspect("2001:db8::ffff:1%eth0", "a")
    assert back_off.suspect("2001:db8::1", "a") != back_off.suspect("2001:db8:0:1::1", "a")
    monkeypatch.setattr("handlers.server.access.back_off.MAX_SUSPECTS", 2)
    for peer in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3") * FREE_FAILURES:
        back_off.record_failure(back_off.suspect(peer, "a"))
    back_off.refuse_if_too_soon(back_off.suspect("192.0.2.1", "a"))
