"""Decoded pictures, converted by FFmpeg's swscale when a node asks for them."""

import threading

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from player.flow import PixelFormat, SizeWh

BYTES_PER_PIXEL: dict[PixelFormat, int] = {
    "rgb565be": 2, "rgb565le": 2, "rgb555be": 2, "rgb555le": 2, "rgb24": 3, "bgr24": 3,
    "argb": 4, "rgba": 4, "abgr": 4, "bgra": 4,
}  # fmt: skip
"""The formats with all bytes of a pixel in one place; yuv420p has three planes."""
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
        frame = self._converted(pixel_format, size_wh, Interpolation.BILINEAR)
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
