"""Videos, read and written frame by frame, by FFmpeg. The only module that imports PyAV; needs the extra video."""

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, cast

import av
import numpy as np
from PIL import Image

from handlers.decoding.limits import refuse_too_many_pixels
from handlers.decoding.raw import tight
from handlers.errors import UndecodableFrameError
from models.frame import RawLayout
from models.letterbox import Size

CONTAINERS = "avi,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts"
"""FFmpeg's names of the formats that are read, whatever a file is called. Others, such as playlists, name further files
and addresses, which FFmpeg would open."""
DAMAGES = (av.FFmpegError, ValueError, LookupError)
"""What PyAV raises for files that contradict themselves: it has no base for its own errors."""
MARGIN_PX = 1024
"""More than decoders need, all sides of a frame together, unless it is very long and thin."""
ENCODERS = {
    "libx264": {"preset": "veryfast", "crf": "20"},
    "mpeg4": {"b": "8M"},
}
"""FFmpeg's name → its options; the first one that this build of FFmpeg has is used."""
TICK_S = Fraction(1, 60_000)
"""The unit of times. It measures the time between frames exactly at all usual rates, 30000/1001 a second included;
MPEG-4 cannot have much shorter ones."""
GUESSED_FRAMES_PER_S = 25
"""Where neither a frame nor its video says when it is shown."""


class VideoFrame(NamedTuple):
    """One frame, as raw pixels. `number`: counted from 0. `time_s`: seconds since the first frame."""

    body: bytes
    layout: RawLayout
    number: int
    time_s: float


class Video:
    """An open video. `frame_count`: as many frames as it says that it has, or None."""

    def __init__(self, container: "av.container.InputContainer", max_pixels: int) -> None:
        if not container.streams.video:
            raise UndecodableFrameError("The file has no video stream.")
        self._container, self._max_pixels = container, max_pixels
        self._stream = container.streams.video[0]
        if self._stream.codec_context is None:
            raise UndecodableFrameError("FFmpeg knows no decoder for this video.")
        self._stream.codec_context.options = _limit(max_pixels)
        self.frame_count = self._count()
        self._refuse_large(self._stream.codec_context)

    def _refuse_large(self, picture: "av.VideoCodecContext | av.VideoFrame") -> None:
        refuse_too_many_pixels((picture.width, picture.height), self._max_pixels)

    def _count(self) -> int | None:
        seconds = (self._container.duration or 0) / av.time_base
        count = self._stream.frames or round(seconds * float(self._stream.average_rate or 0))
        return count if count > 0 else None

    def frames(self, rate: float | None = None) -> Iterator[VideoFrame]:
        """Yield the frames in order of their display; with a rate, the first one of each `1 / rate` seconds.

        What cannot be decoded is left out. Raises UndecodableFrameError at the end if anything was, and
        TooManyPixelsError for a frame with too many pixels, before they are allocated.
        """
        first_s: float | None = None
        slot: int | None = None
        for number, frame in enumerate(self._decoded()):
            self._refuse_large(frame)
            at_s = self._seconds(frame, number)
            first_s = at_s if first_s is None else first_s
            time_s = at_s - first_s
            if rate is not None:
                last_slot, slot = slot, int(time_s * rate + 1e-6)
                if slot == last_slot:
                    continue
            yield VideoFrame(*_pixels(frame), number, time_s)

    def _seconds(self, frame: av.VideoFrame, number: int) -> float:
        if frame.time is not None:
            return frame.time
        return number / float(self._stream.average_rate or GUESSED_FRAMES_PER_S)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Yield what can be decoded; at the end, raise UndecodableFrameError if that was not all, or nothing."""
        damaged = decoded = 0
        last, gap = -1, 1
        for packet in self._container.demux(self._stream):
            if packet.dts is not None:
                last, gap = packet.dts, max(gap, packet.dts - last)
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._refuse_large(self._stream.codec_context)
                damaged += 1
            else:
                decoded += len(frames)
                yield from frames
        damaged += self._cut_off(last, gap)
        if damaged:
            raise UndecodableFrameError(
                f"{damaged} of the frames are damaged, or have more pixels than the limit of {self._max_pixels}."
            )
        if not decoded:
            raise UndecodableFrameError("The video has no frames.")

    def _cut_off(self, last: int, gap: int) -> int:
        """Return how many frames are missing behind the last packet of an AVI file; FFmpeg notices that elsewhere only.

        `last`: the number of that packet, by its time. `gap`: the largest difference of two numbers: frames that show
        nothing new may be left out.
        """
        missing = self._stream.frames - 1 - last
        return missing if self._container.format.name == "avi" and missing >= gap else 0


@contextmanager
def open_video(path: Path, max_pixels: int) -> Iterator[Video]:
    """Yield an open video; raises OSError, UndecodableFrameError and TooManyPixelsError, while it is read, too."""
    try:
        with av.open(f"file:{path}", options={"format_whitelist": CONTAINERS, **_limit(max_pixels)}) as container:
            yield Video(container, max_pixels)
    except OSError:
        raise
    except DAMAGES as error:
        raise UndecodableFrameError("The file is no video that can be read, or a damaged one.") from error


def _limit(max_pixels: int) -> dict[str, str]:
    """Return FFmpeg's option for the most pixels of a frame. Decoders count the margin that they need around it."""
    return {"max_pixels": str(max_pixels + MARGIN_PX * math.isqrt(max_pixels))}


def _pixels(frame: av.VideoFrame) -> tuple[bytes, RawLayout]:
    """Return the pixels of a frame, turned as players turn it."""
    pixels_hwc = frame.to_ndarray(format="bgr24")
    quarter_turns, rest = divmod(frame.rotation, 90)
    if quarter_turns % 4 and not rest:
        pixels_hwc = np.rot90(pixels_hwc, quarter_turns)
    height, width = pixels_hwc.shape[:2]
    return pixels_hwc.tobytes(), tight("bgr24", (width, height))


@contextmanager
def _writing() -> Iterator[None]:
    """Raise OSError for every error of FFmpeg."""
    try:
        yield
    except OSError:
        raise
    except av.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error
    except OverflowError as error:
        raise OSError(errno.ERANGE, "a time is out of range") from error


class VideoWriter:
    """Writes an MP4 file: H.264 where this build of FFmpeg can, else MPEG-4 part 2.

    `size_wh`: in pixels, both even. Raises OSError, as its methods do.
    """

    def __init__(self, path: Path, size_wh: Size) -> None:
        encoder = next(name for name in ENCODERS if name in av.codec.codecs_available)
        with _writing():
            self._container = av.open(f"file:{path}", "w", format="mp4")
        stream = self._container.add_stream(encoder, rate=GUESSED_FRAMES_PER_S, options=ENCODERS[encoder])
        self._stream = cast("av.VideoStream", stream)
        self._stream.width, self._stream.height = size_wh
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = TICK_S
        self._last_tick = -1

    def write(self, picture: Image.Image, time_s: float) -> None:
        """Add a frame, to be shown so many seconds after the first one."""
        frame = av.VideoFrame.from_ndarray(np.asarray(picture), "rgb24")
        self._last_tick = max(self._last_tick + 1, round(time_s / TICK_S))  # MP4 has no two frames of one time
        with _writing():
            frame.pts, frame.time_base = self._last_tick, TICK_S
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is still in the encoder, and end the file."""
        with _writing(), self._container:
            self._container.mux(self._stream.encode())
