"""Sessions with sources: a connection to a camera, or an open file, from which packets are read."""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from player.errors import SourceError, UnsupportedMediaError
from player.flow import Packet
from player.media.address import Address
from player.media.clock import CaptureClock, Times
from player.media.failures import translated
from player.media.leading import completed
from player.media.tracks import TICK_S, TICKS_PER_S, AnyStream, Content, Track, describe, track_of

if TYPE_CHECKING:
    from av.stream import Stream

LOG = logging.getLogger(__name__)
CONTAINERS = "avi,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts"
"""FFmpeg's names of the file formats that are read, whatever a file is called. Others, such as playlists, name further
files and addresses, which FFmpeg would open."""
FORMATS = {"rtsp": "rtsp", "http": "mpjpeg", "file": None, "device": "video4linux2"}
OPTIONS = {
    "rtsp": {"rtsp_transport": "tcp", "allowed_media_types": "video+audio", "fpsprobesize": "0"},
    "http": {"max_redirects": "3", "fpsprobesize": "0"},
    "file": {"format_whitelist": CONTAINERS},
    "device": {},
}
"""The kind of source → FFmpeg's options. Without fpsprobesize, it reads 20 frames before it passes on the first one."""
PROTOCOLS = {
    ("rtsp", False): "tcp",
    ("rtsp", True): "tcp,tls",
    ("http", False): "http,tcp",
    ("http", True): "https,tls,tcp",
    ("file", False): "file",
    ("device", False): "file",
}
"""The kind of source, and whether it is encrypted → the protocols that it may make FFmpeg use."""
SLICES = {
    "h264": re.compile(rb"\x00\x00\x01[\x01-\x05\x21-\x25\x41-\x45\x61-\x65]"),
    "hevc": re.compile(rb"\x00\x00\x01[\x00-\x3f]"),
}
"""Codec → how a part of a picture begins in a stream with start codes (H.264 and H.265, table 7-1)."""
START_CODE = b"\0\0\0\1"
MAX_PROBED = "50000000"
"""How many bytes FFmpeg may read until it knows the size of the pictures: for that, it needs a keyframe."""
DEFAULT_RATE = 25.0
"""Frames a second, where a source does not say."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source, and how it is to be read.

    `is_paced`: whether a file is read at the pace of its pictures, not as fast as possible; `is_looped`: whether it is
    read again and again. `open_timeout_s`: how long a source may take to connect; half of it, to send a keyframe.
    `read_timeout_s`: to send the next picture. `max_pixels`: of a picture; `max_packet_bytes`: of an encoded one.
    `ca_file`: the certificates of those who may vouch for an encrypted source; without it, its own is not checked: most
    cameras signed theirs.
    """

    address: Address
    is_paced: bool = True
    is_looped: bool = False
    open_timeout_s: float = 10.0
    read_timeout_s: float = 10.0
    max_pixels: int = 100_000_000
    max_packet_bytes: int = 32 << 20
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """A session. All but `packets` may be used after its end. `number`: counted from 0 by the reader.

    `began_s`: in seconds of Unix time. `sdp`: a description of its streams; FFmpeg does not pass on the camera's own.
    """

    number: int
    source: Source
    began_s: float
    tracks: tuple[Track, ...]
    _container: "av.container.InputContainer" = field(repr=False)
    _streams: dict[int, Track] = field(repr=False)

    @property
    def video(self) -> Track:
        """Return the track of the video."""
        return self.tracks[0]

    @property
    def sdp(self) -> str:
        """Return a description of the streams (RFC 8866)."""
        return describe(self.tracks)

    @property
    def _video_index(self) -> int:
        return next(index for index, track in self._streams.items() if track is self.video)

    def packets(self, clock: CaptureClock) -> Iterator[Packet]:
        """Yield the packets of the video and the sound, stamped by the clock, in the order in which they come.

        Ends with a file that is not looped; raises SourceError if there is nothing more to read from another source.
        """
        address = self.source.address
        while True:
            count = 0
            with translated(address, f"has sent nothing for {self.source.read_timeout_s:g} s"):
                for packet in completed(self._demuxed(), self._video_index):
                    count += 1
                    yield self._stamped(packet, clock)
            if address.is_live:
                raise SourceError(f"{address} ended the stream.")
            if not count:
                raise UnsupportedMediaError(f"{address} has no video that can be read.")
            if not self.source.is_looped:
                return
            with translated(address, "cannot be read again"):
                self._rewind()
            clock.begin_again()

    def _rewind(self) -> None:
        """Go back to the first packet: MPEG-TS finds it only if asked for an earlier one, which AVI does not allow."""
        begin = self._container.start_time or 0
        try:
            self._container.seek(begin - 10 * av.time_base)
        except av.FFmpegError:
            self._container.seek(begin)

    def _demuxed(self) -> Iterator["av.Packet[Stream]"]:
        """Yield what FFmpeg reads. Raises TimeoutError if other streams go on, but not the video."""
        limit = self.source.max_packet_bytes
        video_s = time.monotonic()
        for packet in self._container.demux():
            track = self._streams.get(packet.stream_index)
            if track is self.video:
                video_s = time.monotonic()
            elif self.source.address.is_live and time.monotonic() - video_s > self.source.read_timeout_s:
                raise TimeoutError
            if packet.size > limit:
                raise SourceError(f"{self.source.address} sends pictures of more than {limit} bytes.")
            if track is not None and _has_picture(packet, track):
                yield packet

    def _stamped(self, packet: "av.Packet[Stream]", clock: CaptureClock) -> Packet:
        track = self._streams[packet.stream_index]
        unit = packet.time_base
        duration_s = float((packet.duration or 0) * unit)
        if not duration_s and track.media_type == "video":
            duration_s = 1 / (track.rate or DEFAULT_RATE)
        times = Times(_seconds(packet.pts, unit), _seconds(packet.dts, unit), duration_s)
        if self.source.address.kind == "http":
            times = Times(None, None)  # FFmpeg's own: 25 pictures a second, however many there are
        stamp = clock.stamp(track.media_type, times, time.time())
        packet.pts, packet.dts = round(stamp.at_s * TICKS_PER_S), round(stamp.order_s * TICKS_PER_S)
        packet.duration, packet.time_base = round(duration_s * TICKS_PER_S), TICK_S
        packet.stream = track.template  # its own points into the container, which is closed before the packet is used
        return Packet(
            media_type=track.media_type,
            at_s=packet.pts / TICKS_PER_S,
            order_s=packet.dts / TICKS_PER_S,
            is_keyframe=packet.is_keyframe,
            size_bytes=packet.size,
            session=self.number,
            content=Content(packet, track, self.tracks),
        )


def _seconds(ticks: int | None, unit: Fraction) -> float | None:
    return None if ticks is None else float(ticks * unit)


def _has_picture(packet: "av.Packet[Stream]", track: Track) -> bool:
    """Return whether a packet holds a picture, or sound.

    At the end, FFmpeg adds empty packets. If a camera goes away, the last packet may hold no more than what announces
    a picture: then decoders and players would find it damaged.
    """
    slices = SLICES.get(track.codec)
    if slices is None or bytes(memoryview(packet)[:4]) != START_CODE:
        return packet.size > 0
    return slices.search(memoryview(packet)) is not None


@contextmanager
def open_session(source: Source, number: int = 0) -> Iterator[Session]:
    """Yield a session, and end it. Raises SourceError: see its subclasses."""
    address = source.address
    began_s = time.time()
    with translated(address, f"did not answer within {source.open_timeout_s:g} s", source.open_timeout_s):
        path = Path(address.for_ffmpeg.removeprefix("file:"))
        if address.kind == "file" and not path.is_file():  # FFmpeg would wait for a named pipe
            raise SourceError(f"{address} does not exist, or is no file; the address of a camera begins with rtsp://.")
        container = av.open(
            address.for_ffmpeg,
            format=FORMATS[address.kind],
            options=_options(source),
            timeout=(source.open_timeout_s, source.read_timeout_s),
        )
    with container:
        streams = _tracks(container, source)
        yield Session(number, source, began_s, tuple(streams.values()), container, streams)


def _options(source: Source) -> dict[str, str]:
    """Return FFmpeg's options for a source."""
    address = source.address
    options = {
        **OPTIONS[address.kind],
        "protocol_whitelist": PROTOCOLS[address.kind, address.is_encrypted],
        "max_pixels": str(source.max_pixels),
        "threads": "1",
    }
    if address.is_live:
        options |= {"analyzeduration": str(round(source.open_timeout_s / 2 * av.time_base)), "probesize": MAX_PROBED}
    if address.is_encrypted and source.ca_file is not None:
        options |= {"tls_verify": "1", "ca_file": str(source.ca_file)}
    return options


def _tracks(container: "av.container.InputContainer", source: Source) -> dict[int, Track]:
    """Return the number of a stream → its track: the first video that is no cover picture, and the first sound."""
    address = source.address
    videos = [stream for stream in container.streams.video if not stream.disposition & 0x400]
    if not videos or not _is_known(videos[0]):
        raise UnsupportedMediaError(f"{address} sends no video that FFmpeg can decode.")
    context = videos[0].codec_context
    if not context.width:
        raise SourceError(f"{address} sent no keyframe in time: let it have more than {source.open_timeout_s:g} s.")
    if context.width * context.height > source.max_pixels:
        raise UnsupportedMediaError(
            f"{address} sends pictures of {context.width} x {context.height} pixels; the limit is {source.max_pixels}."
        )
    chosen: list[AnyStream] = [videos[0], *[stream for stream in container.streams.audio if _is_known(stream)][:1]]
    with translated(address, "cannot be read"):
        tracks = {stream.index: track_of(stream) for stream in chosen}
    for track in tracks.values():
        if not track.fits_mp4:
            LOG.info("%s: MP4 clips cannot hold its %s, which is %s.", address, track.media_type, track.codec)
    return tracks


def _is_known(stream: "Stream") -> bool:
    """Return whether FFmpeg has a decoder for a stream. PyAV's types do not tell that it may have none."""
    return getattr(stream, "codec_context", None) is not None
