from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from player.flow import MediaType, Packet
from player.media.ring import Ring


def packet(order_s: float, media_type: MediaType = "video", **changes: float) -> Packet:
    """Return a packet; one of each second is a keyframe."""
    is_keyframe = media_type == "audio" or order_s == int(order_s)
    return Packet(
        media_type=media_type,
        at_s=changes.get("at_s", order_s),
        order_s=order_s,
        is_keyframe=is_keyframe,
        size_bytes=int(changes.get("size_bytes", 100)),
        session=0,
        content=None,
    )


def filled(ring: Ring, packets: Sequence[Packet]) -> Ring:
    for each in packets:
        ring.add(each)
    return ring


def video(seconds: float) -> list[Packet]:
    return [packet(number / 4) for number in range(int(seconds * 4))]


def first_s(ring: Ring, at_s: float) -> float:
    return ring.since(at_s)[0].order_s


def test_it_keeps_from_the_last_keyframe_before_the_time_to_keep() -> None:
    ring = filled(Ring(keep_s=2.5), video(10))
    assert first_s(ring, 0) == 7
    assert len(ring) == 12
    assert ring.size_bytes == 1200


@pytest.mark.parametrize(("at_s", "begin_s"), [(8, 8), (8.9, 8), (7.99, 7), (100, 9), (-1, 5)])
def test_packets_begin_with_the_last_keyframe_at_or_before_a_time(at_s: float, begin_s: float) -> None:
    ring = filled(Ring(keep_s=4), video(10))
    found = ring.since(at_s)
    assert found[0].order_s == begin_s
    assert found[0].is_keyframe
    assert found[-1].order_s == 9.75


def test_sound_begins_at_the_time_of_the_keyframe() -> None:
    packets = [*video(2), packet(1.9, "audio"), packet(2.05, "audio"), packet(2.0), packet(2.1, "audio"), packet(2.25)]
    found = filled(Ring(keep_s=10), packets).since(2)
    assert [(each.media_type, each.order_s) for each in found] == [
        ("audio", 2.05),
        ("video", 2.0),
        ("audio", 2.1),
        ("video", 2.25),
    ]


def test_nothing_is_kept_before_the_first_keyframe() -> None:
    ring = filled(Ring(keep_s=5), [packet(0.25), packet(0.5, "audio"), packet(0.75)])
    assert (len(ring), ring.since(0)) == (0, [])


def test_bytes_are_bounded() -> None:
    ring = filled(Ring(keep_s=60, max_bytes=1000), video(10))
    assert ring.size_bytes <= 1000
    assert first_s(ring, 0) == 8


def test_a_gap_between_keyframes_that_is_too_large_is_not_kept() -> None:
    ring = filled(Ring(keep_s=60, max_bytes=1000), [packet(0), *[packet(0.01 * number) for number in range(1, 50)]])
    assert (len(ring), ring.size_bytes) == (0, 0)
    assert first_s(filled(ring, [packet(1), packet(1.25)]), 5) == 1


@given(
    st.lists(st.tuples(st.sampled_from(["video", "audio"]), st.booleans(), st.integers(1, 400)), max_size=80),
    st.floats(0, 5),
)
def test_it_is_bounded_and_begins_with_a_keyframe(kinds: list[tuple[MediaType, bool, int]], keep_s: float) -> None:
    ring = Ring(keep_s, max_bytes=2000)
    for number, (media_type, is_keyframe, size_bytes) in enumerate(kinds):
        at_s = number / 10
        ring.add(Packet(media_type, at_s, at_s, is_keyframe, size_bytes, 0, None))
        assert ring.size_bytes <= 2000
        found = ring.since(at_s - keep_s)
        assert ring.size_bytes >= sum(each.size_bytes for each in found)
        assert bool(found) == bool(len(ring))
        if found:
            assert (found[0].media_type, found[0].is_keyframe) == ("video", True)
            assert len({id(each) for each in found}) == len(found)
