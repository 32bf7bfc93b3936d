"""Packets that a signal gate may still need, each from a keyframe on."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from player.flow import Packet

MAX_BYTES, MAX_S = 256 << 20, 180.0
"""Of what is held."""


@dataclass(slots=True)
class _Group:
    """Packets from a keyframe to the next, or what is left of them. `start_s`: of its first packet."""

    start_s: float
    is_whole: bool
    packets: deque[Packet] = field(default_factory=deque)
    size_bytes: int = 0


class HeldPackets:
    """Packets in the order in which they came, from a keyframe on, as much as memory allows.

    Where there is video, only its keyframes count: what comes before the first one is not held. `dropped`: is called
    with the bytes that were dropped for want of memory.
    """

    def __init__(self, max_bytes: int, dropped: Callable[[int], None], max_s: float = MAX_S) -> None:
        self._max_bytes, self._max_s, self._dropped = max_bytes, max_s, dropped
        self._groups: deque[_Group] = deque()
        self._has_video = self._is_open = False  # open: a packet that is no keyframe goes on with the last group
        self.size_bytes = 0
        self.latest_s = float("-inf")
        """Of all packets so far; of video alone, where there is some."""

    def append(self, packet: Packet) -> None:
        """Hold a packet, if it can be decoded."""
        if packet.media_type == "video" and not self._has_video:
            self._has_video = True
            self._clear()
        counts = packet.media_type == "video" or not self._has_video
        if counts:
            self.latest_s = max(self.latest_s, packet.at_s)
        if counts and packet.is_keyframe:
            self._groups.append(_Group(packet.at_s, is_whole=True))
            self._is_open = True
        if self._is_open:
            self._groups[-1].packets.append(packet)
            self._groups[-1].size_bytes += packet.size_bytes
            self.size_bytes += packet.size_bytes
            self._limit()

    def starting_at(self, start_s: float) -> Packet | None:
        """Drop what is before the last keyframe that is not after a start, and return it; else the first keyframe."""
        self.drop_before(start_s)
        return self._groups[0].packets[0] if self._groups else None

    def taken_before(self, end_s: float) -> Iterator[Packet]:
        """Yield the packets before the first picture that is to be shown at the end, and hold them no longer."""
        while self._groups:
            group = self._groups[0]
            while group.packets:
                packet = group.packets[0]
                if packet.at_s >= end_s and (packet.media_type == "video" or not self._has_video):
                    return
                group.packets.popleft()
                group.is_whole = False
                group.size_bytes -= packet.size_bytes
                self.size_bytes -= packet.size_bytes
                yield packet
            if len(self._groups) == 1:
                return
            self._groups.popleft()

    def drop_rest(self) -> None:
        """Drop what was left of a group: without its keyframe it cannot begin a clip."""
        if self._groups and not self._groups[0].is_whole:
            self._drop_first()

    def drop_before(self, needed_s: float) -> None:
        """Drop all before the last keyframe that is not after a time, and what a connection sent that ended before."""
        while len(self._groups) > 1 and self._is_first_before(needed_s):
            self._drop_first()

    def _is_first_before(self, needed_s: float) -> bool:
        first, second = self._groups[0].packets, self._groups[1]
        if second.start_s <= needed_s:
            return True
        return bool(first) and first[-1].session != second.packets[0].session and first[-1].at_s < needed_s

    def _limit(self) -> None:
        before = self.size_bytes
        while self._groups and (self.size_bytes > self._max_bytes or self._is_too_long()):
            self._drop_first()
        if self.size_bytes < before:
            self._dropped(before - self.size_bytes)

    def _is_too_long(self) -> bool:
        packets = self._groups[0].packets
        return bool(packets) and self.latest_s - packets[0].at_s > self._max_s

    def _clear(self) -> None:
        while self._groups:
            self._drop_first()

    def _drop_first(self) -> None:
        self.size_bytes -= self._groups.popleft().size_bytes
        self._is_open = bool(self._groups)
