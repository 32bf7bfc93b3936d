"""Packets of video in, pictures out; FFmpeg's swscale converts pictures when a node asks for them."""

import logging
import threading

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from player.flow import Packet, PixelFormat, SizeWh
from player.media.failures import DAMAGES
from player.media.tracks import TICKS_PER_S, Content, decoder_of

LOG = logging.getLogger(__name__)
STEP_S = 1 / TICKS_PER_S
"""The least time between two pictures."""
BYTES_PER_PIXEL: dict[PixelFormat, int] = {
    "rgb565be": 2, "rgb565le": 2, "rgb555be": 2, "rgb555le": 2, "rgb24": 3, "bgr24": 3,
    "argb": 4, "rgba": 4, "abgr": 4, "bgra": 4,
}  # fmt: skip
"""The formats with all bytes of a pixel in one place; yuv420p has three planes."""
EXACT = Interpolation.BILINEAR | Interpolation.BITEXACT
"""Without the quick ways that FFmpeg has for some formats: their colours are up to five levels off."""
MAX_SCALERS = 8
"""So many conversions are kept ready."""


class Scalers:
    """The conversions that one decoder's pictures have in common: to set one up costs more than to use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready: dict[tuple[str, SizeWh], VideoReformatter] = {}

    def convert(self, frame: av.VideoFrame, pixel_format: str, size_wh: SizeWh, way: Interpolation) -> av.VideoFrame:
        """Return a frame in another format and size. YUV is BT.601 with a limited range, as receivers expect."""
        with self._lock:
            scaler = self._ready.get((pixel_format, size_wh))
            if scaler is None:
                if len(self._ready) >= MAX_SCALERS:
                    self._ready.clear()
                scaler = self._ready[pixel_format, size_wh] = VideoReformatter()
            try:
                return _scaled(scaler, frame, pixel_format, size_wh, way)
            except av.FFmpegError:  # a matrix that swscale does not know: a damaged file may name any
                frame.colorspace = Colorspace.ITU601
                return _scaled(scaler, frame, pixel_format, size_wh, way)


def _scaled(
    scaler: VideoReformatter, frame: av.VideoFrame, pixel_format: str, size_wh: SizeWh, way: Interpolation
) -> av.VideoFrame:
    is_yuv = pixel_format == "yuv420p"
    return scaler.reformat(
        frame,
        *size_wh,
        pixel_format,
        dst_colorspace=Colorspace.ITU601 if is_yuv else None,
        dst_color_range=ColorRange.MPEG if is_yuv else None,
        interpolation=way,
        threads=1,  # by default, it would start a thread for each processor
    )


class AvPicture:
    """A picture of FFmpeg's; fulfils flow.Picture. It is turned as the file says, and its pixels count as square."""

    def __init__(self, frame: av.VideoFrame, scalers: Scalers | None = None) -> None:
        self._frame = frame
        self._scalers = scalers or Scalers()
        turns, rest = divmod(frame.rotation, 90)
        self._turns = 0 if rest else turns % 4
        """Quarter turns, counterclockwise."""

    @property
    def size_wh(self) -> SizeWh:
        """Return its width and height in pixels, after it was turned."""
        return self._turned((self._frame.width, self._frame.height))

    def luma(self, size_wh: SizeWh) -> NDArray[np.uint8]:
        """Return brightness [height, width], 0..255, scaled to a size by the mean of areas."""
        frame = self._converted("gray", size_wh, Interpolation.AREA)
        return np.ascontiguousarray(np.rot90(_rows(frame, 0, 1), self._turns))

    def pixels(self, pixel_format: PixelFormat, size_wh: SizeWh) -> bytes:
        """Return the pixels, scaled to a size: rows from the top, without padding between them."""
        frame = self._converted(pixel_format, size_wh, EXACT)
        if pixel_format == "yuv420p":
            planes = [np.rot90(_rows(frame, number, 1), self._turns) for number in range(3)]
            return b"".join(plane.tobytes() for plane in planes)
        return np.rot90(_rows(frame, 0, BYTES_PER_PIXEL[pixel_format]), self._turns).tobytes()

    def _converted(self, pixel_format: str, size_wh: SizeWh, way: Interpolation) -> av.VideoFrame:
        return self._scalers.convert(self._frame, pixel_format, self._turned(size_wh), way)

    def _turned(self, size_wh: SizeWh) -> SizeWh:
        width, height = size_wh
        return (height, width) if self._turns % 2 else (width, height)


def _rows(frame: av.VideoFrame, number: int, pixel_bytes: int) -> NDArray[np.uint8]:
    """Return a plane [height, width], or [height, width, bytes of a pixel], as a view without its padding."""
    plane = frame.planes[number]
    padded = np.frombuffer(memoryview(plane), np.uint8, plane.height * plane.line_size)
    rows = padded.reshape(plane.height, plane.line_size)[:, : plane.width * pixel_bytes]
    return rows if pixel_bytes == 1 else rows.reshape(plane.height, plane.width, pixel_bytes)


class Decoder:
    """Decodes the video of a source, session after session. Used by one thread at a time.

    It begins with a keyframe, and again after each session and each damaged packet; pictures that FFmpeg had to patch
    up are left out. `threads`: how many FFmpeg may use. `max_pixels`: of a picture; larger ones count as damaged.
    `damaged`: how many packets could not be decoded, or not wholly.
    """

    def __init__(self, threads: int = 1, max_pixels: int = 100_000_000) -> None:
        self._threads, self._max_pixels = threads, max_pixels
        self._context: av.VideoCodecContext | None = None
        self._session: int | None = None
        self._waits = True
        self._last_s = 0.0
        self._scalers = Scalers()
        self.damaged = 0

    def decode(self, packet: Packet) -> list[tuple[float, AvPicture]]:
        """Return the pictures that a packet completes, each with its capture time, in the order of their display.

        None of them need be the packet's own: pictures may refer to later ones. Packets of sound give nothing.
        """
        content = packet.content
        if packet.media_type != "video" or not isinstance(content, Content):
            return []
        done = [] if packet.session == self._session else self._begin(packet.session, content)
        if self._context is None or (self._waits and not packet.is_keyframe):
            return done
        self._waits = False
        return done + self._decoded(self._context, content)

    def flush(self) -> list[tuple[float, AvPicture]]:
        """Return the pictures that are still in the decoder, at the end of a session or a file."""
        done = [] if self._context is None else self._decoded(self._context, None)
        self._context = self._session = None
        return done

    def _begin(self, session: int, content: Content) -> list[tuple[float, AvPicture]]:
        done = self.flush()
        self._context, self._session, self._waits = decoder_of(content.track), session, True
        self._context.thread_count = self._threads
        self._context.thread_type = "SLICE"  # threads for whole frames would delay each picture by so many frames
        self._context.options = {"max_pixels": str(self._max_pixels)}
        return done

    def _decoded(self, context: "av.VideoCodecContext", content: Content | None) -> list[tuple[float, AvPicture]]:
        try:
            frames = context.decode(content.packet if content is not None else None)
        except DAMAGES as error:
            self.damaged += 1
            self._waits = True
            LOG.debug("A packet of video cannot be decoded: %s.", type(error).__name__)
            context.flush_buffers()
            return []
        whole = [frame for frame in frames if not frame.is_corrupt]
        self.damaged += len(frames) - len(whole)
        return [self._picture(frame) for frame in whole]

    def _picture(self, frame: av.VideoFrame) -> tuple[float, AvPicture]:
        self._last_s = max((frame.pts or 0) / TICKS_PER_S, self._last_s + STEP_S)
        return self._last_s, AvPicture(frame, self._scalers)
