"""Videos, written by FFmpeg in every way that a camera may use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from PIL import Image


@dataclass(frozen=True, slots=True)
class Coding:
    """How a video is written: FFmpeg's names, and the unit of its times. The container is that of the file's suffix."""

    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    matrix: str = "ITU601"
    rate: int = 10
    ticks_per_s: int = 1000
    options: Mapping[str, str] = field(default_factory=dict)
    container_options: Mapping[str, str] = field(default_factory=lambda: {"movflags": "faststart"})


def write_video(
    path: Path, pictures: Sequence[Image.Image], coding: Coding | None = None, times_s: Sequence[float] = ()
) -> Path:
    """Write a video and return its path. `times_s`: when each picture is shown; by default ten a second."""
    coding = coding or Coding()
    tick_s = Fraction(1, coding.ticks_per_s)
    with av.open(str(path), "w", options=dict(coding.container_options)) as container:
        stream = cast(
            "av.VideoStream", container.add_stream(coding.codec, rate=coding.rate, options=dict(coding.options))
        )
        stream.width, stream.height = pictures[0].size
        stream.pix_fmt = coding.pixel_format
        stream.codec_context.time_base = tick_s
        for number, picture in enumerate(pictures):
            rgb = av.VideoFrame.from_ndarray(np.asarray(picture), "rgb24")
            frame = rgb.reformat(format=coding.pixel_format, dst_colorspace=coding.matrix)
            frame.pts, frame.time_base = round((times_s[number] if times_s else number / 10) / tick_s), tick_s
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """Write a file with half a second of silence and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read_video(path: Path) -> list[tuple[float, Image.Image]]:
    """Return the frames of a video, each with its time in seconds."""
    with av.open(str(path)) as container:
        return [
            (frame.time or 0, Image.fromarray(frame.to_ndarray(format="rgb24"))) for frame in container.decode(video=0)
        ]


def turn(path: Path, height_px: int) -> None:
    """Let players turn an MP4 clockwise by a quarter: ISO/IEC 14496-12, the matrix of the track's header."""
    file = bytearray(path.read_bytes())
    matrix_at = file.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    matrix = (0, 1 << 16, 0, -1 << 16, 0, 0, height_px << 16, 0, 1 << 30)
    file[matrix_at : matrix_at + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in matrix)
    path.write_bytes(file)
