import resource

import pytest

from handlers.server.settings import default_max_connections
from handlers.server.wire.connections import ReceiveRate


def is_too_slow(*, arrivals: dict[float, int], until_s: float, pauses: frozenset[float] = frozenset()) -> bool:
    """Look four times a second at a body of which so much arrives when, over a window of 10 s at 100 bytes/s."""
    rate = ReceiveRate(10, 100)
    found = False
    for quarter in range(int(until_s * 4) + 1):
        now = quarter / 4
        rate.received += arrivals.get(now, 0)
        if now in pauses:
            rate.restart()
        else:
            found = found or rate.is_too_low(now)
    return found


@pytest.mark.parametrize(
    ("arrivals", "until_s", "expected"),
    [
        pytest.param({}, 9.75, False, id="nothing yet"),
        pytest.param({}, 10, True, id="nothing"),
        pytest.param({1.0: 1000}, 10.75, False, id="one burst holds for a window"),
        pytest.param({1.0: 1000}, 11.25, True, id="and no longer"),
        pytest.param({1.0: 1_000_000}, 11.25, True, id="a large burst holds no longer"),
        pytest.param({float(second): 100 for second in range(61)}, 60, False, id="at the least rate"),
        pytest.param({float(second): 90 for second in range(61)}, 10, True, id="below it"),
    ],
)
def test_a_body_is_too_slow(arrivals: dict[float, int], until_s: float, *, expected: bool) -> None:
    assert is_too_slow(arrivals=arrivals, until_s=until_s) is expected


def test_time_in_which_nothing_is_read_does_not_count() -> None:
    assert not is_too_slow(arrivals={}, until_s=19.5, pauses=frozenset({9.5}))


@pytest.mark.parametrize(("soft_limit", "expected"), [(128, 64), (50, 1), (1024, 960), (1 << 20, 1024), (-1, 1024)])
def test_connections_leave_room_for_other_files(
    monkeypatch: pytest.MonkeyPatch, soft_limit: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft_limit, -1))
    assert default_max_connections() == expected
