"""Pictures and frames for the nodes of a pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from player.flow import Finding, Frame, Inference, Item, PixelFormat, SizeWh

BEGIN_S = 1_700_000_000.0
"""A time as cameras have it: with it, sums of fractions of a second are no longer exact."""


@dataclass(frozen=True)
class DrawnPicture:
    """A picture of RGB pixels [rows, columns, 3], scaled and converted by FFmpeg."""

    rgb: NDArray[np.uint8]

    @property
    def size_wh(self) -> SizeWh:
        rows, columns, _ = self.rgb.shape
        return columns, rows

    def luma(self, size_wh: SizeWh) -> NDArray[np.uint8]:
        width, height = size_wh
        return np.frombuffer(self._plane(self._scaled("gray", size_wh).planes[0], 1), np.uint8).reshape(height, width)

    def pixels(self, pixel_format: PixelFormat, size_wh: SizeWh) -> bytes:
        planes = self._scaled(pixel_format, size_wh).planes
        bits = {"yuv420p": 8, "argb": 32, "rgba": 32, "abgr": 32, "bgra": 32, "rgb24": 24, "bgr24": 24}
        return b"".join(self._plane(plane, bits.get(pixel_format, 16) // 8) for plane in planes)

    def _scaled(self, pixel_format: str, size_wh: SizeWh) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(self.rgb), format="rgb24")
        width, height = size_wh
        return frame.reformat(width=width, height=height, format=pixel_format, dst_color_range="MPEG")

    @staticmethod
    def _plane(plane: Any, pixel_bytes: int) -> bytes:
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        return rows[:, : plane.width * pixel_bytes].tobytes()


GREY = DrawnPicture(np.full((90, 160, 3), 128, np.uint8))


def frame(at_s: float, *findings: Finding, picture: DrawnPicture | None = GREY, is_sampled: bool = False) -> Frame:
    """Return a frame. `at_s`: counted from BEGIN_S."""
    return Frame(BEGIN_S + at_s, picture, findings, is_sampled)


def entity(label: str, *ltwh: float, confidence: float = 0.9, **members: Any) -> Inference:
    box = dict(zip("ltwh", ltwh, strict=True))
    return {"type": "entity", "entity": {"tag": {"value": label, "confidence": confidence}, "box": box}, **members}


def times_s(items: Sequence[Item]) -> list[float]:
    """Return the times of items, counted from BEGIN_S."""
    return [round(item.at_s - BEGIN_S, 3) for item in items]
