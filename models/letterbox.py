"""How a picture of any shape is fitted to a model's canvas, and how boxes are converted back. Pure geometry."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from models.boxes import BoxXyxy, Floats

ResizeMode: TypeAlias = Literal["stretch", "letterbox", "letterbox_top_left", "centre_crop", "stretch_crop", "within"]
"""stretch: to the canvas, ignoring the picture's shape. letterbox: as large as fits, in the middle; letterbox_top_left:
at the top left corner. centre_crop: the middle of the picture fills the canvas. stretch_crop: the
picture is stretched to the canvas's shape, and the middle of that fills the canvas. within: the canvas takes the
picture's shape, scaled down until it fits, never up."""

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""

WHOLE: BoxXyxy = (0.0, 0.0, 1.0, 1.0)
"""The region of a picture that is all of it."""


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a picture lies on a canvas.

    `canvas_wh`: the canvas, in pixels. `size_wh` and `offset_xy`: the rectangle on it that shows the picture, in pixels
    too. `region_xyxy`: the part of the picture shown there, each edge as a share, 0..1, of its size.
    """

    canvas_wh: Size
    size_wh: Size
    offset_xy: tuple[int, int] = (0, 0)
    region_xyxy: BoxXyxy = WHOLE

    @property
    def fills_the_canvas(self) -> bool:
        """Return whether the picture covers all of the canvas."""
        return self.size_wh == self.canvas_wh

    @property
    def whole_wh(self) -> Size:
        """Return the size in pixels of the whole picture at the scale of the canvas."""
        left, top, right, bottom = self.region_xyxy
        return round(self.size_wh[0] / (right - left)), round(self.size_wh[1] / (bottom - top))

    def to_picture(self, boxes_xyxy: Floats) -> Floats:
        """Convert boxes [N, 4] from pixels of the canvas to shares of the picture, float32; unclipped; N may be 0."""
        left, top, right, bottom = self.region_xyxy
        step_xy = ((right - left) / self.size_wh[0], (bottom - top) / self.size_wh[1])
        start_xy = (left - self.offset_xy[0] * step_xy[0], top - self.offset_xy[1] * step_xy[1])
        return np.asarray(boxes_xyxy * np.array(step_xy * 2) + np.array(start_xy * 2), np.float32)

    def to_canvas(self, points_xy: Floats) -> Floats:
        """Convert points [..., 2] from shares of the picture to pixels of the canvas, float32."""
        left, top, right, bottom = self.region_xyxy
        scale_xy = np.array((self.size_wh[0] / (right - left), self.size_wh[1] / (bottom - top)))
        return np.asarray((points_xy - np.array((left, top))) * scale_xy + np.array(self.offset_xy), np.float32)

    def points_to_picture(self, points_xy: Floats) -> Floats:
        """Convert points [..., 2] from pixels of the canvas to shares of the picture, float32; unclipped."""
        return self.to_picture(np.tile(points_xy, 2).reshape(-1, 4))[:, :2].reshape(points_xy.shape)

    def shares_to_picture(self, boxes_xyxy: Floats) -> Floats:
        """Convert boxes [N, 4] from shares of the canvas to shares of the picture, float32; unclipped; N may be 0."""
        if self.fills_the_canvas and self.region_xyxy == WHOLE:
            return boxes_xyxy
        return self.to_picture(np.asarray(boxes_xyxy * np.array(self.canvas_wh * 2), np.float32))


def fit_letterbox(source_wh: Size, canvas_wh: Size, mode: ResizeMode, crop_share: float = 1) -> Letterbox:
    """Return where a picture of `source_wh` pixels lies on the canvas.

    `crop_share`: the side of the region shown; for centre_crop as a share of the largest centred region of the canvas's
    shape, for stretch_crop as a share of the picture's sides. Sizes are rounded to the nearest pixel and offsets down,
    as the YOLO exporters do.
    """
    match mode:
        case "stretch":
            return Letterbox(canvas_wh, canvas_wh)
        case "centre_crop":
            return Letterbox(canvas_wh, canvas_wh, region_xyxy=_centre(source_wh, canvas_wh, crop_share))
        case "stretch_crop":
            edge = 0.5 - crop_share / 2
            return Letterbox(canvas_wh, canvas_wh, region_xyxy=(edge, edge, 1 - edge, 1 - edge))
        case "within":
            size_wh = _scaled(source_wh, min(1.0, _fit(source_wh, canvas_wh)))
            return Letterbox(size_wh, size_wh)
        case _:
            size_wh = _scaled(source_wh, _fit(source_wh, canvas_wh))
            centred_xy = ((canvas_wh[0] - size_wh[0]) // 2, (canvas_wh[1] - size_wh[1]) // 2)
            return Letterbox(canvas_wh, size_wh, centred_xy if mode == "letterbox" else (0, 0))


def _fit(source_wh: Size, canvas_wh: Size) -> float:
    """Return the largest scale at which the picture fits."""
    return min(canvas_wh[0] / source_wh[0], canvas_wh[1] / source_wh[1])


def _scaled(source_wh: Size, scale: float) -> Size:
    return max(1, round(source_wh[0] * scale)), max(1, round(source_wh[1] * scale))


def _centre(source_wh: Size, canvas_wh: Size, crop_share: float) -> BoxXyxy:
    """Return the centred region that has the canvas's shape, in shares of the picture."""
    least = min(source_wh[0] / canvas_wh[0], source_wh[1] / canvas_wh[1]) * crop_share
    half_width, half_height = (
        min(canvas * least / source / 2, 0.5)  # not by rounding outside the picture
        for canvas, source in zip(canvas_wh, source_wh, strict=True)
    )
    return 0.5 - half_width, 0.5 - half_height, 0.5 + half_width, 0.5 + half_height
