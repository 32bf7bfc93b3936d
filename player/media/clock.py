"""Capture time: the times in a stream, anchored to the wall clock.

The clock is pure: time comes in. For live sources it follows the wall clock: packets that come early (cameras often
send a second of video at once) are not put into the future for long, and a stream that lags for long is moved up.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Sort: TypeAlias = Literal["video", "audio"]
STEP_S = 0.001
"""The least time between two packets of a media type: 90 ticks of an event's timestamp."""
TOLERANCE_S = 2.0
"""How far the times in a live stream may be off the wall clock."""
BACKWARDS_S = 1.0
"""How far times may step back without being taken for a new start: those of B-frames do, if only their times of being
shown are known."""
LAG_S = 10.0
"""How long a live stream may lag by more than the tolerance: a connection that stalls catches up within that time."""
GAP_S = 60.0
"""The longest gap in a file that is kept."""
DELAY_S = 10.0
"""The longest time between decoding and showing a packet that is believed."""
LAG_WINDOW_S = 2.0
"""So long, the least lag of all packets is observed."""
PACE_LATE, PACE_EARLY, PACE_FAR_AHEAD = 1.1, 0.9, 0.5
"""The pace of a live stream that lags, that is ahead of the wall clock, that is ahead by more than the tolerance."""


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a packet in its stream, in seconds; None: not known. `duration_s`: 0 if not known."""

    pts_s: float | None
    dts_s: float | None
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Stamp:
    """Capture times in seconds of Unix time. `at_s`: when it is to be shown; `order_s`: decoded."""

    at_s: float
    order_s: float


@dataclass(slots=True)
class _Last:
    """The last packet of a media type: its time in the stream, when it came, its stamp."""

    time_s: float | None
    now_s: float
    order_s: float
    duration_s: float


@dataclass(slots=True)
class _Lag:
    """How late packets come. Some always come late; the anchor is wrong if all do."""

    least_s: float = 0.0
    _begin_s: float | None = None
    _seen_s: float = 0.0
    _large_since_s: float | None = None

    def forget(self) -> None:
        """Begin anew: a packet came early."""
        self.least_s, self._begin_s, self._large_since_s = 0.0, None, None

    def is_long(self, lag_s: float, now_s: float) -> bool:
        """Take note of a packet that was late by `lag_s`; return whether all were far too late for long.

        `least_s` is then how late the least late one of the last seconds was.
        """
        if self._begin_s is None or now_s - self._begin_s >= LAG_WINDOW_S:
            self.least_s = self._seen_s if self._begin_s is not None else 0.0
            self._begin_s, self._seen_s = now_s, lag_s
        self._seen_s = min(self._seen_s, lag_s)
        self.least_s = min(self.least_s, lag_s)
        if lag_s <= TOLERANCE_S:
            self._large_since_s = None
        elif self._large_since_s is None:
            self._large_since_s = now_s
        return self._large_since_s is not None and now_s - self._large_since_s >= LAG_S


@dataclass(slots=True)
class CaptureClock:
    """Stamps the packets of a source, session after session.

    `order_s` is strictly increasing within a media type. So is `at_s`, in the order in which packets are shown, as
    long as the stream's own times are; the decoder sees to it for pictures.
    """

    is_live: bool
    _offset_s: float | None = None
    _floor_s: float = 0.0
    _ended_s: float = 0.0
    _last: dict[Sort, _Last] = field(default_factory=dict)
    _lag: _Lag = field(default_factory=_Lag)

    def begin(self, began_s: float) -> None:
        """Begin a session: its first packet gets the time `began_s`, or the one after all that was stamped before."""
        self._offset_s = None
        self._lag.forget()
        self._ended_s = self._floor_s
        self._floor_s = max(self._floor_s, began_s)
        self._last.clear()

    def begin_again(self) -> None:
        """Note that a file is read once more: its first packet follows the last ones of video and sound."""
        if self._last:
            ends_s = [last.order_s + max(last.duration_s, STEP_S) for last in self._last.values()]
            self._ended_s = self._floor_s = max(ends_s)
        self._offset_s = None
        self._last.clear()

    def stamp(self, sort: Sort, times: Times, now_s: float) -> Stamp:
        """Return the stamp of a packet that came at `now_s`, in seconds of Unix time."""
        time_s = times.dts_s if times.dts_s is not None else times.pts_s
        backwards_s = BACKWARDS_S if times.dts_s is None else 0.0
        order_s = self._order(sort, time_s, now_s, backwards_s)
        last = self._last.get(sort)
        if last is None:
            order_s = max(order_s, self._ended_s)
        else:
            order_s = max(order_s, last.order_s + STEP_S)
            if time_s is None or (last.time_s is not None and last.time_s - backwards_s <= time_s < last.time_s):
                time_s = last.time_s
        self._last[sort] = _Last(time_s, now_s, order_s, times.duration_s)
        at_s = order_s
        if times.pts_s is not None and self._offset_s is not None:
            delayed_s = self._offset_s + times.pts_s
            at_s = delayed_s if order_s < delayed_s <= order_s + DELAY_S else order_s
        self._floor_s = max(self._floor_s, at_s + STEP_S)
        return Stamp(at_s, order_s)

    def _order(self, sort: Sort, time_s: float | None, now_s: float, backwards_s: float) -> float:
        """Return when a packet is to be decoded; it may have to be moved behind the one before."""
        last = self._last.get(sort)
        if time_s is None and self.is_live and self._offset_s is None:
            return now_s
        if time_s is None:
            return self._floor_s if last is None else last.order_s + self._step(last, now_s)
        if self._offset_s is None:
            self._offset_s = self._first(last) - time_s
        elif last is not None and self._jumps(last, time_s, now_s, backwards_s):
            self._offset_s = last.order_s + self._step(last, now_s) - time_s
        if self.is_live:
            self._follow(last, time_s, now_s)
        return self._offset_s + time_s

    def _first(self, last: _Last | None) -> float:
        return self._floor_s if last is None else last.order_s + max(last.duration_s, STEP_S)

    def _step(self, last: _Last, now_s: float) -> float:
        """Return the time since the last packet, where the stream does not tell."""
        passed_s = now_s - last.now_s if self.is_live else last.duration_s
        return max(passed_s, STEP_S)

    def _jumps(self, last: _Last, time_s: float, now_s: float, backwards_s: float) -> bool:
        """Return whether the stream's times are not those that go on from the last packet."""
        if last.time_s is None:
            return False
        passed_s = time_s - last.time_s
        longest_s = max(now_s - last.now_s, 0.0) + TOLERANCE_S if self.is_live else GAP_S
        return not -backwards_s <= passed_s <= longest_s

    def _follow(self, last: _Last | None, time_s: float, now_s: float) -> None:
        """Move the anchor of a live stream towards the wall clock: by a jump if they are far apart for long."""
        if self._offset_s is None or last is None:
            return
        ahead_s = self._offset_s + time_s - now_s
        passed_s = max(self._offset_s + time_s - last.order_s, 0.0)
        if ahead_s > 0:
            self._lag.forget()
            pace = PACE_EARLY if ahead_s <= TOLERANCE_S else PACE_FAR_AHEAD
            self._offset_s -= min(ahead_s, (1 - pace) * passed_s)
        elif self._lag.is_long(-ahead_s, now_s):
            self._offset_s = now_s - time_s
            self._lag.forget()
        else:
            self._offset_s += min(self._lag.least_s, (PACE_LATE - 1) * passed_s)
