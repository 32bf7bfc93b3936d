"""The streams of a session, as far as decoders and clips need them after the session has ended.

PyAV's streams point into their container: they must not be touched once it is closed. A track keeps a copy of the
stream's parameters in a container that is never written.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from typing import TypeAlias

import av

from player.media.clock import Sort

TICKS_PER_S = 90_000
"""The unit of times in packets: capture time, as in the timestamps of events."""
TICK_S = Fraction(1, TICKS_PER_S)
PAYLOADS = {
    "h264": ("96", "H264/90000"),
    "hevc": ("96", "H265/90000"),
    "mpeg4": ("96", "MP4V-ES/90000"),
    "mjpeg": ("26", "JPEG/90000"),
    "aac": ("97", "MPEG4-GENERIC/{rate}"),
    "pcm_alaw": ("8", "PCMA/8000"),
    "pcm_mulaw": ("0", "PCMU/8000"),
    "opus": ("97", "opus/48000/2"),
}
"""FFmpeg's name of a codec → the payload type of RTP, and the encoding's registered name and clock rate."""
AnyStream: TypeAlias = av.VideoStream | av.AudioStream


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """The video or the sound of a session. `rate`: frames, or samples, a second; 0 if not known.

    `fits_mp4`: whether MP4 files may have such a stream. `template`: a stream with the same parameters.
    """

    media_type: Sort
    codec: str
    rate: float
    size_wh: tuple[int, int]
    fits_mp4: bool
    template: AnyStream = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What flow.Packet.content is here: shared by all nodes, so never to be changed.

    `packet`: its pts and dts are capture time in ticks of 1/90000 second. `tracks`: all
    of its session.
    """

    packet: "av.Packet[av.stream.Stream]"
    track: Track
    tracks: tuple[Track, ...]

    def copy(self) -> "av.Packet[av.stream.Stream]":
        """Return a packet of the same bytes, not copied, whose times and stream may be changed."""
        twin: av.Packet[av.stream.Stream] = av.Packet(self.packet)  # type: ignore[arg-type]  # any buffer will do
        twin.pts, twin.dts, twin.time_base = self.packet.pts, self.packet.dts, TICK_S
        twin.duration = self.packet.duration
        twin.is_keyframe = self.packet.is_keyframe
        return twin


def track_of(stream: AnyStream) -> Track:
    """Return the track of an open input stream, which has a decoder."""
    fits_mp4 = True
    try:
        _detached(stream, "mp4")
    except ValueError:
        fits_mp4 = False
    template = _detached(stream, "null")
    if isinstance(stream, av.VideoStream):
        rate = float(stream.average_rate or 0)
        size_wh = (stream.codec_context.width, stream.codec_context.height)
        return Track("video", stream.codec_context.name, rate, size_wh, fits_mp4, template)
    return Track("audio", stream.codec_context.name, stream.codec_context.sample_rate or 0, (0, 0), fits_mp4, template)


def _detached(stream: AnyStream, container_format: str) -> AnyStream:
    """Return a copy of a stream that lives on without its container. Raises ValueError if the format refuses it."""
    container = av.open(BytesIO(), "w", format=container_format)
    copy: AnyStream = container.add_stream_from_template(stream, opaque=True)
    container.close()  # it and its streams would else wait for the collector of circular garbage
    return copy


def decoder_of(track: Track) -> "av.VideoCodecContext":
    """Return a new decoder for a video track."""
    copy = _detached(track.template, "null")
    if not isinstance(copy, av.VideoStream):
        raise TypeError("expected a video track")
    return copy.codec_context


def describe(tracks: Iterable[Track]) -> str:
    """Return a description of tracks (RFC 8866); ports and addresses are 0, since they are not known."""
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=-", "c=IN IP4 0.0.0.0", "t=0 0"]
    for track in tracks:
        payload, encoding = PAYLOADS.get(track.codec, ("98", f"X-{track.codec}/90000"))
        lines.append(f"m={track.media_type} 0 RTP/AVP {payload}")
        lines.append(f"a=rtpmap:{payload} {encoding.format(rate=int(track.rate))}")
        if track.media_type == "video":
            lines.append(f"a=framesize:{payload} {track.size_wh[0]}-{track.size_wh[1]}")
            if track.rate:
                lines.append(f"a=framerate:{track.rate:g}")
    return "\r\n".join(lines) + "\r\n"
