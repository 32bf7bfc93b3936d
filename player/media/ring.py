"""The packets of the last seconds, so that clips can begin before what they show was noticed."""

from collections import deque

from player.flow import Packet

MAX_BYTES = 256 << 20


class Ring:
    """Keeps packets, from the last keyframe of `keep_s` ago on. Pure: the time is that of the packets.

    `max_bytes`: if there are more, it keeps less, and begins with a later keyframe; none at all between two keyframes
    that are so far apart.
    """

    def __init__(self, keep_s: float, max_bytes: int = MAX_BYTES) -> None:
        self._keep_s, self._max_bytes = keep_s, max_bytes
        self._packets: deque[Packet] = deque()
        self._keyframes: deque[Packet] = deque()
        self.size_bytes = 0

    def __len__(self) -> int:
        """Return how many packets it keeps."""
        return len(self._packets)

    def add(self, packet: Packet) -> None:
        """Keep a packet, and drop those that are too old."""
        is_keyframe = packet.media_type == "video" and packet.is_keyframe
        if not self._keyframes and not is_keyframe:
            return
        if is_keyframe:
            self._keyframes.append(packet)
        self._packets.append(packet)
        self.size_bytes += packet.size_bytes
        while len(self._keyframes) > 1 and self._keyframes[1].at_s <= packet.at_s - self._keep_s:
            self._drop_first()
        while self.size_bytes > self._max_bytes:
            self._drop_first()

    def _drop_first(self) -> None:
        """Drop all packets before the second keyframe."""
        self._keyframes.popleft()
        following = self._keyframes[0] if self._keyframes else None
        while self._packets and self._packets[0] is not following:
            self.size_bytes -= self._packets.popleft().size_bytes

    def since(self, at_s: float) -> list[Packet]:
        """Return the packets from the last keyframe at or before `at_s` on, or all there are; sound from its time on.

        In the order in which they came.
        """
        start = next((frame for frame in reversed(self._keyframes) if frame.at_s <= at_s), None)
        if start is None and self._keyframes:
            start = self._keyframes[0]
        if start is None:
            return []
        return [packet for packet in self._packets if _belongs(packet, start)]


def _belongs(packet: Packet, start: Packet) -> bool:
    """Return whether a packet follows a keyframe."""
    return packet.order_s >= start.order_s if packet.media_type == "video" else packet.at_s >= start.at_s
