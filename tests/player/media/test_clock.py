from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from player.media.clock import STEP_S, CaptureClock, Sort, Times

NOW_S = 1_800_000_000.0


def at(pts_s: float | None, *, dts_s: float | None = None, duration_s: float = 0.1) -> Times:
    return Times(pts_s, pts_s if dts_s is None else dts_s, duration_s)


def begun(*, is_live: bool) -> CaptureClock:
    clock = CaptureClock(is_live)
    clock.begin(NOW_S)
    return clock


def orders(clock: CaptureClock, times_s: list[float | None], arrivals_s: list[float]) -> list[float]:
    """Return the times that video packets get, in seconds since NOW_S."""
    return [
        clock.stamp("video", at(time_s), NOW_S + arrival_s).order_s - NOW_S
        for time_s, arrival_s in zip(times_s, arrivals_s, strict=True)
    ]


@pytest.mark.parametrize(
    ("times_s", "arrivals_s", "expected_s"),
    [
        pytest.param([5, 5.1, 5.2], [0, 0.1, 0.2], [0, 0.1, 0.2], id="anchored at the first packet"),
        pytest.param([0, 0.1, 100, 100.1], [0, 0.1, 0.2, 0.3], [0, 0.1, 0.2, 0.3], id="far ahead"),
        pytest.param([50, 50.1, 0, 0.1], [0, 0.1, 0.2, 0.3], [0, 0.1, 0.2, 0.3], id="camera's clock reset"),
        pytest.param([None, None, None], [0.3, 0.5, 0.6], [0.3, 0.5, 0.6], id="no times at all"),
        pytest.param([0, None, 0.2], [0, 0.1, 0.2], [0, 0.1, 0.2], id="one without time"),
        pytest.param([3, 3, 3], [0, 0.1, 0.2], [0, STEP_S, 2 * STEP_S], id="the same time again"),
        pytest.param([0, 30], [0, 30], [0, 30], id="a pause of both"),
        pytest.param([0, 0.1, 0.2, 0.3], [0, 1.5, 1.5, 1.5], [0, 0.1, 0.2, 0.3], id="a connection that stalls"),
    ],
)
def test_a_live_stream_is_anchored_to_the_wall_clock(
    times_s: list[float | None], arrivals_s: list[float], expected_s: list[float]
) -> None:
    assert orders(begun(is_live=True), times_s, arrivals_s) == pytest.approx(expected_s, abs=1e-5)


@pytest.mark.parametrize(
    ("times_s", "expected_s"),
    [
        pytest.param([7, 7.1, 7.2], [0, 0.1, 0.2], id="as fast as it is read"),
        pytest.param([7, 7.1, 0, 0.1], [0, 0.1, 0.2, 0.3], id="a loop"),
        pytest.param([0, 30], [0, 30], id="a gap is kept"),
        pytest.param([0, 95_443], [0, 0.1], id="a jump is not"),
        pytest.param([None, None], [0, 0.1], id="no times at all"),
    ],
)
def test_a_file_keeps_its_own_time(times_s: list[float | None], expected_s: list[float]) -> None:
    assert orders(begun(is_live=False), times_s, [0] * len(times_s)) == pytest.approx(expected_s, abs=1e-5)


def test_a_file_of_one_picture_that_is_read_again_keeps_its_pace() -> None:
    clock = begun(is_live=False)
    found = orders(clock, [0], [0])
    for _ in range(3):
        clock.begin_again()
        found += orders(clock, [0], [0])
    assert found == pytest.approx([0, 0.1, 0.2, 0.3], abs=1e-5)


@pytest.mark.parametrize("sound_s", [0.1, 1.0], ids=["shorter", "longer"])
def test_video_and_sound_of_a_file_that_is_read_again_stay_together(sound_s: float) -> None:
    clock = begun(is_live=False)
    sounds = [Times(sound_s * number / 10, sound_s * number / 10, sound_s / 10) for number in range(10)]
    for begin_s in (0, max(0.5, sound_s)):
        for number in range(5):
            stamp = clock.stamp("video", at(0.1 * number), NOW_S)
            assert stamp.order_s - NOW_S == pytest.approx(begin_s + 0.1 * number, abs=1e-5)
            for times in sounds[2 * number : 2 * number + 2]:
                stamp = clock.stamp("audio", times, NOW_S)
                assert stamp.order_s - NOW_S == pytest.approx(begin_s + (times.pts_s or 0), abs=1e-5)
        clock.begin_again()


def test_a_burst_at_the_beginning_is_not_put_into_the_future_for_long() -> None:
    clock = begun(is_live=True)
    orders(clock, [0.1 * number for number in range(10)], [0.0] * 10)
    late = orders(clock, [1 + 0.1 * number for number in range(200)], [0.1 * number for number in range(200)])
    assert late[-1] == pytest.approx(0.1 * 199, abs=0.02)


def test_time_lost_before_the_first_packet_is_made_up() -> None:
    clock = begun(is_live=True)
    late = orders(clock, [0.1 * number for number in range(200)], [1 + 0.1 * number for number in range(200)])
    assert late[0] == pytest.approx(0)
    assert late[-1] == pytest.approx(1 + 0.1 * 199, abs=0.02)


@pytest.mark.parametrize("drift", [0.5, 0.97, 1.03, 1.5])
def test_a_camera_whose_clock_runs_wrong_is_followed(drift: float) -> None:
    clock = begun(is_live=True)
    arrivals_s = [0.1 * number for number in range(3000)]
    found_s = orders(clock, [drift * arrival_s for arrival_s in arrivals_s], arrivals_s)
    assert max(abs(found - now) for found, now in zip(found_s, arrivals_s, strict=True)) < 8


def test_a_stream_that_lags_for_long_is_moved_up() -> None:
    clock = begun(is_live=True)
    times_s = [0.1 * number for number in range(120)]
    assert orders(clock, [0, *times_s], [0, *(time_s + 20 for time_s in times_s)])[-1] == pytest.approx(31.9, abs=0.1)


def test_the_wall_clock_may_be_put_back() -> None:
    clock = begun(is_live=True)
    found_s = orders(clock, [0, 0.1, 0.2, 0.3], [0, 0.1, -3599.8, -3599.7])
    assert all(after >= before + STEP_S - 1e-6 for before, after in pairwise(found_s))
    assert found_s[-1] < 0.5


def test_b_frames_are_shown_in_another_order() -> None:
    clock = begun(is_live=False)
    times = [(0.2, 0.0), (0.5, 0.1), (0.3, 0.2), (0.4, 0.3)]
    stamps = [clock.stamp("video", Times(pts_s, dts_s), NOW_S) for pts_s, dts_s in times]
    assert [stamp.at_s - NOW_S for stamp in stamps] == pytest.approx([0.2, 0.5, 0.3, 0.4], abs=1e-5)
    assert [stamp.order_s - NOW_S for stamp in stamps] == pytest.approx([0.0, 0.1, 0.2, 0.3], abs=1e-5)


def test_b_frames_of_cameras_that_do_not_say_when_to_decode_them_are_shown_in_order() -> None:
    clock = begun(is_live=True)
    seen: list[tuple[float | None, float | None]] = [
        (None, None), (0.3, None), (0.1, None), (0.2, 0.1), (0.6, 0.2), (0.4, 0.3), (0.5, 0.4),
    ]  # fmt: skip
    stamps = [clock.stamp("video", Times(*pair, 0.1), NOW_S + 0.1 * number) for number, pair in enumerate(seen)]
    shown = sorted(range(4, 7), key=lambda number: stamps[number].at_s)
    assert shown == [5, 6, 4]
    assert all(after.order_s > before.order_s for before, after in pairwise(stamps))


def test_video_and_sound_share_an_anchor() -> None:
    clock = begun(is_live=True)
    video = clock.stamp("video", at(10.0), NOW_S)
    sound = clock.stamp("audio", at(10.5), NOW_S + 0.5)
    assert sound.order_s - video.order_s == pytest.approx(0.5, abs=1e-5)


def test_a_new_session_follows_all_that_was_before() -> None:
    clock = begun(is_live=True)
    before = clock.stamp("video", Times(8.0, 0.0), NOW_S)
    clock.begin(NOW_S - 100)
    assert clock.stamp("audio", at(None), NOW_S).order_s > before.at_s


times = st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([0.0, 95_443.7, 2.0**33 / 90_000]))


@given(
    st.booleans(),
    st.lists(
        st.tuples(st.sampled_from(["video", "audio"]), times, times, st.floats(0, 1), st.floats(-5, 50), st.booleans()),
        max_size=40,
    ),
)
def test_order_is_strictly_increasing_whatever_a_source_does(
    is_live: bool,  # noqa: FBT001
    packets: list[tuple[Sort, float | None, float | None, float, float, bool]],
) -> None:
    clock = begun(is_live=is_live)
    now_s = NOW_S
    last: dict[Sort, float] = {}
    for sort, pts_s, dts_s, duration_s, passed_s, begins in packets:
        now_s += passed_s
        if begins:
            clock.begin(now_s)
        stamp = clock.stamp(sort, Times(pts_s, dts_s, duration_s), now_s)
        assert stamp.order_s >= last.get(sort, 0) + STEP_S * 0.99
        assert stamp.at_s >= stamp.order_s
        last[sort] = stamp.order_s
