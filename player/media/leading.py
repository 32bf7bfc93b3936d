"""The first packets of a camera: FFmpeg does not know yet when to decode them, nor when to show the very first one."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

MAX_HELD = 64
"""So many packets, at most, are held back until one has all its times: pictures are shown up to 16 after decoding."""


def completed(packets: "Iterator[Packet[Stream]]", video_index: int) -> "Iterator[Packet[Stream]]":
    """Yield packets; give those of the video, at the beginning, the times that follow from the first known ones.

    With B-frames, the times of the order in which pictures are shown are not those of the order of their decoding:
    without the latter, they could not be told from a clock that steps back.
    """
    held: list[Packet[Stream]] = []
    for packet in packets:
        held.append(packet)
        is_known = packet.stream_index == video_index and packet.dts is not None
        if is_known or len(held) >= MAX_HELD:
            _complete([each for each in held if each.stream_index == video_index])
            break
    yield from held
    yield from packets


def _complete(videos: "Sequence[Packet[Stream]]") -> None:
    """Count back from the last packet, by its duration."""
    dts, step = (videos[-1].dts, videos[-1].duration) if videos else (None, None)
    if dts is None or not step:
        return
    first_shown = min((packet.pts for packet in videos if packet.pts is not None), default=dts)
    for number, packet in enumerate(reversed(videos)):
        packet.dts = dts - number * step
        if packet.pts is None:
            packet.pts = max(packet.dts, first_shown - step)
