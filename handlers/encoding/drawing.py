"""Results → boxes, labels and confidences drawn on the picture."""

import colorsys
import io
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeAlias

from PIL import Image, ImageColor, ImageDraw, ImageFont

from models.frame import Frame
from models.results import Results

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}
JPEG_QUALITY = 90
FONTS = Path(__file__).parent / "fonts"
FIRST_EAST_ASIAN = "\u2e80"
"""Where Unicode's blocks of Chinese, Japanese and Korean writing begin, which need a font of their own."""
MIN_LONG_SIDE_PX = 640
"""Smaller pictures are enlarged to this, so that their captions can be read."""
CAPTION_SHARE = 1 / 55
"""Height of a caption's letters, of the picture's longer side; the line is a sixth of that."""
CAPTION_HEIGHT = 1.4
"""Of its letters."""
DARK = 110
"""Luminance, 0..255, below which a ground needs white letters."""
GOLDEN_RATIO = 0.618034
"""Steps of this round the colour circle keep neighbouring class ids far apart."""

PixelBox: TypeAlias = tuple[float, float, float, float]


def encode(picture: Image.Image, media_type: str, quality: int = JPEG_QUALITY) -> bytes:
    """Return the bytes of a picture, in one of FORMATS; `quality` is JPEG's, 1..95."""
    encoded = io.BytesIO()
    picture.save(encoded, FORMATS[media_type], quality=quality)
    return encoded.getvalue()


class _Caption(NamedTuple):
    text: str
    font: ImageFont.FreeTypeFont
    colour: str
    ground: PixelBox


def annotate(frame: Frame, results: Results, canvas_wh: tuple[int, int] | None = None) -> Image.Image:
    """Return the picture with a box and a caption for every detection, as RGB, at the size `canvas_wh`.

    Without a size it comes at its own, small pictures enlarged.
    Captions stand on a ground of their class's colour, within the picture and off each other where there is room. What
    the whole picture shows is written at its top left.
    """
    picture = Image.fromarray(frame.rgb(canvas_wh or canvas_size(frame.source_size_wh)))
    letter_px = round(max(picture.size) * CAPTION_SHARE)
    canvas = ImageDraw.Draw(picture)
    captions: list[_Caption] = []
    for whole in results.classifications:
        caption, font, width = _written(whole.label, whole.confidence, letter_px, picture.width)
        top = captions[-1].ground[3] if captions else 0.0
        ground = (0.0, top, width, top + letter_px * CAPTION_HEIGHT)
        captions.append(_Caption(caption, font, _colour(whole.class_id), ground))
    lines = [replace(line.place, label=line.value) for line in results.lines]
    for detection in (*results.detections, *lines):  # the most confident one chooses its place first
        box = _pixel_box(detection.box_xyxy, picture.size)
        colour = _colour(detection.class_id)
        canvas.rectangle(box, outline=colour, width=max(2, letter_px // 6))
        caption, font, width = _written(detection.label, detection.confidence, letter_px, picture.width)
        size_wh = (width, letter_px * CAPTION_HEIGHT)
        ground = _place(box, size_wh, picture.size, [other.ground for other in captions])
        captions.append(_Caption(caption, font, colour, ground))
    for text, font, colour, ground in reversed(captions):
        canvas.rectangle(ground, fill=colour)
        canvas.text((ground[0], (ground[1] + ground[3]) / 2), text, fill=_ink(colour), font=font, anchor="lm")
    return picture


def _written(label: str, confidence: float, letter_px: int, width_px: int) -> tuple[str, ImageFont.FreeTypeFont, float]:
    """Return a caption no wider than the picture, its font, and how wide it is."""
    font = _font(label, letter_px)
    caption = _fit(f" {label} {confidence:.2f} ", font, width_px)
    return caption, font, font.getlength(caption)


def _font(label: str, letter_px: int) -> ImageFont.FreeTypeFont:
    """Return a font that has the label's letters."""
    east_asian = any(letter >= FIRST_EAST_ASIAN for letter in label)
    return ImageFont.truetype(FONTS / ("wqy-microhei.ttc" if east_asian else "DejaVuSans.ttf"), letter_px)


def canvas_size(size_wh: tuple[int, int], max_long_side_px: float = math.inf) -> tuple[int, int]:
    """Return the size to draw at: the picture's own, or a multiple that can be read, or what it is limited to."""
    factor = min(max(1.0, MIN_LONG_SIDE_PX / max(size_wh)), max_long_side_px / max(size_wh))
    return max(1, round(size_wh[0] * factor)), max(1, round(size_wh[1] * factor))


def _pixel_box(box_xyxy: tuple[float, float, float, float], size_wh: tuple[int, int]) -> PixelBox:
    """Return the first and the last column and row of a box given in shares of the picture."""
    left, top = box_xyxy[0] * size_wh[0], box_xyxy[1] * size_wh[1]
    return left, top, max(left, box_xyxy[2] * size_wh[0] - 1), max(top, box_xyxy[3] * size_wh[1] - 1)


def _fit(caption: str, font: ImageFont.FreeTypeFont, width_px: int) -> str:
    """Return the caption, cut in its middle when it is longer than the picture is wide."""
    kept, fitting = len(caption), caption
    while font.getlength(fitting) > width_px and kept > 0:
        kept -= 1
        fitting = caption[: (kept + 1) // 2] + "…" + caption[len(caption) - kept // 2 :]
    return fitting


def _place(box: PixelBox, size_wh: tuple[float, float], canvas_wh: tuple[int, int], taken: list[PixelBox]) -> PixelBox:
    """Return where a caption of this size goes: the first place that is free, else the first."""
    places = list(_places(box, size_wh, canvas_wh))
    return next((place for place in places if not any(_overlap(place, other) for other in taken)), places[0])


def _places(box: PixelBox, size_wh: tuple[float, float], canvas_wh: tuple[int, int]) -> Iterator[PixelBox]:
    """Yield above, below, inside the top and inside the bottom of the box, each moved into the picture."""
    (width, height), (canvas_width, canvas_height) = size_wh, canvas_wh
    left = min(max(box[0], 0), max(canvas_width - width, 0))
    for wanted in (box[1] - height, box[3], box[1], box[3] - height):
        top = min(max(wanted, 0), max(canvas_height - height, 0))
        yield left, top, left + width, top + height


def _overlap(box: PixelBox, other: PixelBox) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


def _colour(class_id: int) -> str:
    red, green, blue = colorsys.hsv_to_rgb(class_id * GOLDEN_RATIO % 1, 0.85, 1)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _ink(colour: str) -> str:
    """Return the colour of letters that can be read on this ground: by its luminance, ITU-R BT.601."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > DARK else "white"
