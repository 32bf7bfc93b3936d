"""The clips of a signal gate, for events and packets that arrive in many ways."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from player.flow import Activation, Finding, Frame, Inference, Item, MediaType, Packet, Signal
from player.nodes.held_packets import HeldPackets
from player.nodes.signal_gate import GateTimes, SignalGate, Trigger
from tests.player.nodes.pictures import BEGIN_S, entity, frame

TIMES = GateTimes(evaluation_window_s=1, offset_s=-5, minimum_s=20, maximum_s=40)
FPS, GOP = 10, 10
CAR = Finding("detector", (entity("car", 0.1, 0.1, 0.2, 0.2),))


@dataclass(frozen=True)
class Event:
    """A trigger: of a frame at a time, arriving later. Times are counted from BEGIN_S."""

    at_s: float
    late_s: float = 0.0

    @property
    def arrives_s(self) -> float:
        return self.at_s + self.late_s


@dataclass
class Clip:
    begin: Activation
    packets: list[Packet] = field(default_factory=list)
    end: Activation | None = None

    @property
    def span_s(self) -> list[float]:
        """Return from when to when it goes, a frame after its last packet."""
        times_s = [packet.at_s - BEGIN_S for packet in self.packets if packet.media_type == "video"]
        return [round(min(times_s), 3), round(max(times_s) + 1 / FPS, 3)]


def packet(
    number: int, media_type: MediaType = "video", *, gop: int = GOP, at_s: float | None = None, size_bytes: int = 1000
) -> Packet:
    order_s = BEGIN_S + number / FPS
    at_s = order_s if at_s is None else BEGIN_S + at_s
    is_keyframe = media_type != "video" or number % gop == 0
    return Packet(media_type, at_s, order_s, is_keyframe, size_bytes, 0, number)


def ran(gate: SignalGate, clock: list[float], events: Sequence[Event], packets: Iterable[Packet]) -> Iterator[Item]:
    """Let events and packets arrive in the order of their times; packets are never late."""
    arrivals: list[tuple[float, int, Item]] = [(packet.order_s - BEGIN_S, 1, packet) for packet in packets]
    arrivals += [(event.arrives_s, 0, frame(event.at_s, CAR)) for event in events]
    for arrives_s, port, item in sorted(arrivals, key=lambda arrival: arrival[:2]):
        clock[0] = arrives_s
        yield from gate.take(item, port)


def clips(
    events: Sequence[Event],
    times: GateTimes = TIMES,
    packets: Iterable[Packet] | None = None,
    *,
    ends: bool = False,
) -> list[Clip]:
    """Return the clips, by default of a camera that runs from 20 s before to 100 s after."""
    clock = [0.0]
    gate = SignalGate(times, lambda: clock[0])
    items = list(ran(gate, clock, events, map(packet, range(-200, 1000)) if packets is None else packets))
    items += list(gate.finish()) if ends else []
    return grouped(items)


def grouped(items: Iterable[Item]) -> list[Clip]:
    found: list[Clip] = []
    for item in items:
        match item:
            case Activation(kind="begin"):
                assert not found or found[-1].end
                found.append(Clip(item))
            case Activation():
                assert found[-1].begin.correlation == item.correlation
                assert found[-1].begin.clip == item.clip
                found[-1].end = item
            case Packet():
                assert found[-1].end is None
                found[-1].packets.append(item)
    return found


@pytest.mark.parametrize(
    ("events", "times", "expected"),
    [
        pytest.param([Event(0)], TIMES, [[-5, 20]], id="one event"),
        pytest.param([Event(0), Event(5)], TIMES, [[-5, 25]], id="another one makes it longer"),
        pytest.param([Event(at) for at in (0, 10, 20, 30, 40)], TIMES, [[-5, 40], [40, 60]], id="up to the maximum"),
        pytest.param(
            [Event(at) for at in range(0, 50, 8)], TIMES, [[-5, 40], [40, 68]], id="at most the maximum after the first"
        ),
        pytest.param([Event(0), Event(20)], TIMES, [[-5, 20], [20, 40]], id="at the end is after it"),
        pytest.param([Event(0), Event(25)], TIMES, [[-5, 20], [20, 45]], id="nothing twice"),
        pytest.param([Event(0), Event(-3, late_s=3.5)], TIMES, [[-8, 20]], id="earlier, within the window"),
        pytest.param([Event(0), Event(-3, late_s=4.5)], TIMES, [[-5, 20]], id="earlier, too late"),
        pytest.param([Event(0)], replace(TIMES, offset_s=5), [[5, 20]], id="offset after the event"),
        pytest.param(
            [Event(0)], replace(TIMES, offset_s=60, maximum_s=70, minimum_s=70), [[60, 70]], id="longest offset"
        ),
        pytest.param([Event(0)], replace(TIMES, offset_s=30), [], id="offset beyond the end"),
        pytest.param([], TIMES, [], id="no event"),
        pytest.param([Event(0, late_s=4)], TIMES, [[-5, 20]], id="the server takes its time"),
        pytest.param([Event(0), Event(19.5, late_s=1.4)], TIMES, [[-5, 39.5]], id="last event late, within the window"),
        pytest.param([Event(0), Event(19.5, late_s=1.6)], TIMES, [[-5, 20], [20, 39.5]], id="last event too late"),
        pytest.param(
            [Event(0), Event(20.5), Event(19.5, late_s=1.2)], TIMES, [[-5, 40]], id="a late event joins two groups"
        ),
        pytest.param(
            [Event(at / 2, late_s=0.3) for at in range(90)],
            replace(TIMES, offset_s=0, minimum_s=30, maximum_s=30, evaluation_window_s=0),
            [[0, 30], [30, 60]],
            id="always something",
        ),
        pytest.param([Event(0), Event(10)], replace(TIMES, minimum_s=30, maximum_s=30), [[-5, 30]], id="no longer"),
        pytest.param(
            [Event(0)], replace(TIMES, minimum_s=5, evaluation_window_s=10), [[-5, 5]], id="window after the end"
        ),
        pytest.param([Event(0.35)], TIMES, [[-5, 20.4]], id="from the keyframe before"),
        pytest.param([Event(-18)], TIMES, [[-20, 2]], id="as much as there is"),
        pytest.param([Event(-200, late_s=230)], TIMES, [], id="long gone"),
    ],
)
def test_when_clips_begin_and_end(events: list[Event], times: GateTimes, expected: list[list[float]]) -> None:
    assert [clip.span_s for clip in clips(events, times)] == expected


def test_the_table_in_full() -> None:
    """Events every ten seconds with a longer minimum: to the maximum, then a clip of its own."""
    times = replace(TIMES, minimum_s=20.5)
    found = clips([Event(at) for at in (0, 10, 20, 30, 40)], times)
    assert [clip.span_s for clip in found] == [[-5, 40], [40, 60.5]]
    assert [clip.begin.clip for clip in found] == [1, 2]
    assert [clip.end.at_s - BEGIN_S for clip in found if clip.end] == [40, 60.5]
    assert found[0].begin.correlation != found[1].begin.correlation


def test_without_findings_there_is_no_clip() -> None:
    gate = SignalGate(TIMES, lambda: 0)
    assert not list(gate.take(frame(0), 0))
    assert not [item for number in range(400) for item in gate.take(packet(number), 1)]


def test_signals_open_it() -> None:
    clock = [0.0]
    gate = SignalGate(TIMES, lambda: clock[0], Trigger(labels=["car"]))
    assert not list(gate.take(Signal(BEGIN_S), 0))
    assert grouped(ran(gate, clock, [], map(packet, range(300))))[0].span_s == [0, 20]


def test_packets_are_no_events_and_frames_no_media() -> None:
    gate = SignalGate(replace(TIMES, evaluation_window_s=0), lambda: 0)
    assert not list(gate.take(packet(0), 0))
    assert not list(gate.take(frame(0, CAR), 1))
    assert not list(gate.take(packet(0), 1))


def test_a_clip_goes_on_until_its_media_end() -> None:
    """Nothing closes it while the camera is away; the end of the media does."""
    [going_on] = clips([Event(0)], packets=map(packet, range(100)))
    assert going_on.end is None
    [ended] = clips([Event(0)], packets=map(packet, range(100)), ends=True)
    assert ended.span_s == [0, 10]
    assert ended.end
    assert ended.end.at_s == BEGIN_S + 9.9


def test_the_end_of_the_media_does_not_wait_for_late_events() -> None:
    [clip] = clips([Event(0)], replace(TIMES, evaluation_window_s=10), map(packet, range(50)), ends=True)
    assert clip.span_s == [0, 5]
    assert clip.end


def test_after_the_end_of_the_media_it_opens_again() -> None:
    clock = [0.0]
    gate = SignalGate(TIMES, lambda: clock[0])
    items = [*ran(gate, clock, [Event(1)], map(packet, range(100))), *gate.finish()]
    items += ran(gate, clock, [Event(31)], map(packet, range(300, 600)))
    assert [clip.span_s for clip in grouped(items)] == [[0, 10], [30, 51]]


@pytest.mark.parametrize(
    ("signal_s", "back_s", "expected"),
    [
        pytest.param(60, 120, [], id="all of it"),
        pytest.param(60, 70, [[70, 80]], id="its beginning"),
        pytest.param(12, 20, [[7, 32]], id="its middle"),
    ],
)
def test_a_clip_of_the_time_when_the_camera_was_away(signal_s: float, back_s: int, expected: list[list[float]]) -> None:
    clock = [0.0]
    gate = SignalGate(TIMES, lambda: clock[0])
    items = list(ran(gate, clock, [], map(packet, range(105)))) + list(gate.finish())
    items += gate.take(Signal(BEGIN_S + signal_s), 0)
    after = [replace(packet(number), session=1) for number in range(10 * back_s, 10 * back_s + 400)]
    items += ran(gate, clock, [], after)
    assert [clip.span_s for clip in grouped(items)] == expected


def test_pictures_that_are_shown_before_their_order() -> None:
    """In I B B P order, the clip ends before the first picture that is to be shown at its end."""
    shown = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
    packets = [
        packet(10 * group + number, at_s=group + shown[number] / FPS)
        for group in range(-10, 40)
        for number in range(10)
    ]
    [clip] = clips([Event(0.55)], packets=packets)
    assert [one.content for one in clip.packets] == list(range(-50, 204))
    assert max(one.at_s for one in clip.packets) == BEGIN_S + 20.3


def test_sound_goes_with_pictures() -> None:
    """A clip begins with a picture, and ends with one; sound alone makes clips, too."""
    both = [packet(number, kind) for number in range(-100, 500) for kind in ("audio", "video")]
    [clip] = clips([Event(0)], packets=both)
    assert clip.span_s == [-5, 20]
    assert clip.packets[0].media_type == "video"
    assert sum(one.media_type == "audio" for one in clip.packets) == 250
    [sound] = clips([Event(0)], packets=[packet(number, "audio") for number in range(-100, 500)])
    assert [one.content for one in sound.packets] == list(range(-50, 200))


def test_a_stream_that_begins_between_keyframes() -> None:
    packets = [packet(number, kind) for number in range(-7, 300) for kind in ("audio", "video")]
    [clip] = clips([Event(0)], packets=packets)
    assert clip.packets[0].is_keyframe
    assert clip.span_s == [0, 20]


def test_a_keyframe_that_comes_late_begins_the_clip() -> None:
    [clip] = clips([Event(0)], packets=[packet(number, gop=90) for number in range(1, 300)])
    assert clip.span_s == [9, 20]


def test_without_a_keyframe_there_is_no_clip() -> None:
    assert not clips([Event(0)], packets=[packet(number, gop=1000) for number in range(1, 600)], ends=True)


def test_one_clip_may_last_longer_than_what_is_held() -> None:
    times = replace(TIMES, minimum_s=600, maximum_s=600)
    [clip] = clips([Event(0)], times, [packet(number, gop=10_000) for number in range(7000)])
    assert clip.span_s == [0, 600]


TEXT: Inference = {"type": "text", "text": {"value": "B 1"}}
CROSSING: Inference = {"type": "event", "event": {"name": "door", "properties": {}}}
MOTION: Inference = {"type": "motion", "motion": {}}


@pytest.mark.parametrize(
    ("trigger", "inference", "opens"),
    [
        pytest.param(Trigger(), MOTION, True, id="anything"),
        pytest.param(Trigger(labels=["car"]), CAR.inferences[0], True, id="label"),
        pytest.param(Trigger(labels=["truck"]), CAR.inferences[0], False, id="another label"),
        pytest.param(Trigger(labels=["car"]), TEXT, False, id="no label"),
        pytest.param(Trigger(labels=["car"], minimum_confidence=0.9), CAR.inferences[0], True, id="certain enough"),
        pytest.param(Trigger(minimum_confidence=0.91), CAR.inferences[0], False, id="less certain"),
        pytest.param(Trigger(minimum_confidence=0.1), MOTION, False, id="no confidence"),
        pytest.param(Trigger(events=["door"]), CROSSING, True, id="event"),
        pytest.param(Trigger(events=["gate"]), CROSSING, False, id="another event"),
        pytest.param(Trigger(events=["door"]), CAR.inferences[0], False, id="no event"),
        pytest.param(Trigger(labels=["car"]), CROSSING, False, id="an event has no label"),
        pytest.param(Trigger(labels=["car"], events=["door"], minimum_confidence=0.5), CROSSING, True, id="either"),
        pytest.param(Trigger(labels=["car"], events=["door"]), CAR.inferences[0], True, id="or"),
        pytest.param(Trigger(node="detector"), MOTION, True, id="node"),
        pytest.param(Trigger(node="motion"), MOTION, False, id="another node"),
    ],
)
def test_what_opens_it(trigger: Trigger, inference: Inference, *, opens: bool) -> None:
    assert trigger.is_met_by(Frame(BEGIN_S, None, (Finding("detector", (inference,)),))) is opens


@given(
    st.lists(st.builds(Event, st.floats(0, 100), st.floats(0, 3)), max_size=12),
    st.builds(GateTimes, st.floats(0, 3), st.floats(-20, 10), st.floats(1, 30), st.floats(1, 60)),
    st.sampled_from([1, 7, 25]),
)
def test_whatever_happens(events: list[Event], times: GateTimes, gop: int) -> None:
    """No packet twice, all in order, each clip from a keyframe on, and within the time that the table says."""
    found = clips(events, times, [packet(number, gop=gop) for number in range(1500)])
    written = [one.content for clip in found for one in clip.packets]
    assert written == sorted(set(written))
    for clip in found:
        numbers = [one.content for one in clip.packets]
        assert clip.packets[0].is_keyframe
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert clip.begin.at_s == clip.packets[0].at_s
        start_s, end_s = clip.span_s
        group_s = (gop + 1) / FPS
        firsts_s = [event.at_s for event in events if event.at_s + times.offset_s <= start_s + group_s]
        assert firsts_s or start_s == 0
        assert end_s - start_s <= times.maximum_s - times.offset_s + group_s
        assert any(abs(min(event.at_s + times.minimum_s, end_s) - end_s) <= 2 / FPS for event in events)
    if found and len(events) == 1:
        [event], [clip] = events, found
        start_s, end_s = event.at_s + times.offset_s, event.at_s + min(times.minimum_s, times.maximum_s)
        assert max(0, start_s) - gop / FPS <= clip.span_s[0] <= max(0, start_s) + 0.001
        assert end_s - 0.001 <= clip.span_s[1] < end_s + 2 / FPS


def expected_numbers(events: Sequence[int], times: GateTimes) -> list[list[int]]:
    """Return the packets of each clip by the formula, where each packet is a keyframe and no event is late."""
    spans: list[list[float]] = []
    for at_s in sorted(number / FPS + 0.05 for number in events):
        if spans and at_s < spans[-1][1]:
            spans[-1][1] = min(at_s + times.minimum_s, spans[-1][2])
        else:
            longest_s = at_s + times.maximum_s
            spans.append([at_s + times.offset_s, min(at_s + times.minimum_s, longest_s), longest_s])
    written, first = [], 0
    for start_s, end_s, _ in spans:
        numbers = list(range(max(first, math.floor(start_s * FPS + 1e-6)), math.ceil(end_s * FPS - 1e-6)))
        if numbers:
            written.append(numbers)
            first = numbers[-1] + 1
    return written


LENGTHS_S = st.integers(1, 40).map(lambda seconds: seconds + 0.02)
"""So that no event is exactly at the end of a clip, where rounding would decide."""


@given(
    st.lists(st.integers(0, 1000), max_size=12, unique=True),
    st.builds(GateTimes, st.floats(0, 10), st.integers(-20, 10), LENGTHS_S, LENGTHS_S),
)
def test_the_formula(events: list[int], times: GateTimes) -> None:
    found = clips([Event(number / FPS + 0.05) for number in events], times, [packet(n, gop=1) for n in range(1600)])
    assert [[one.content for one in clip.packets] for clip in found] == expected_numbers(events, times)


def test_memory_is_bounded_by_bytes() -> None:
    """The oldest packets are dropped, up to a keyframe."""
    dropped: list[int] = []
    clock = [0.0]
    gate = SignalGate(replace(TIMES, offset_s=-60), lambda: clock[0], dropped=dropped.append, max_bytes=100_000)
    [clip] = grouped(ran(gate, clock, [Event(0)], map(packet, range(-600, 210))))
    assert clip.span_s == [-8, 20]
    assert clip.packets[0].is_keyframe
    assert sum(dropped) >= 500_000


@pytest.mark.parametrize(
    ("max_bytes", "max_s"), [pytest.param(50_000, 1e9, id="bytes"), pytest.param(10**9, 5.0, id="seconds")]
)
def test_a_group_that_is_too_long_is_dropped_up_to_the_next_keyframe(max_bytes: int, max_s: float) -> None:
    dropped: list[int] = []
    held = HeldPackets(max_bytes, dropped.append, max_s)
    for number in range(80):
        held.append(packet(number, gop=100))
    assert held.size_bytes == 0
    assert len(dropped) == 1
    for number in range(100, 103):
        held.append(packet(number, gop=100))
    assert [one.content for one in held.taken_before(BEGIN_S + 1000)] == [100, 101, 102]


def test_what_is_held_does_not_grow() -> None:
    """Without events, a gate holds the time before events, and that by which they may be late."""
    clock = [0.0]
    gate = SignalGate(TIMES, lambda: clock[0])
    sizes = []
    for number in range(3000):
        clock[0] = number / FPS
        assert not list(gate.take(packet(number), 1))
        sizes.append(gate._held.size_bytes)  # noqa: SLF001, what it costs is its promise
    assert max(sizes) <= (5 + 1 + 10 + 1) * FPS * 1000
