"""Results → boxes, labels and confidences drawn on the picture."""

import colorsys
import io
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from PIL import Image, ImageColor, ImageDraw

from handlers.encoding.captions import Caption, CaptionWriter, PixelBox, place
from models.frame import Frame
from models.letterbox import Size
from models.order import Outcome, Seen
from models.results import Detection, Results
from scene.events import Scene
from scene.settings import StreamSettings

FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}
JPEG_QUALITY = 90
MIN_LONG_SIDE_PX = 640
"""Smaller pictures are enlarged to this, so that their captions can be read."""
MAX_LONG_SIDE_PX = 2560
"""Larger pictures are reduced to this: what is written costs by its pixels, and JPEG ends at 65500."""
PNG_OPTIONS = {"compress_level": 1, "compress_type": zlib.Z_RLE}
"""As fast as PNG gets: by default noise and photos take two to four times as long, for hardly fewer bytes."""
LETTER_SHARE = 1 / 55
"""Height of a caption's letters, as a share of the picture's longer side."""
LETTERS_PER_LINE_WIDTH = 6
"""The lines of a box are a sixth as wide as letters are high."""
DARK = 0.179
"""Relative luminance, 0..1, below which white letters have more contrast to a background than black ones (WCAG 2.1)."""
LINEAR_BELOW = 0.04045
"""Share of a channel below which sRGB is linear."""
REGION_COLOUR, MOTION_COLOUR, SCENE_COLOUR = "#ffffff", "#ffe000", "#00e5ff"
OUTCOMES: dict[Outcome, str] = {
    "run": "run on the whole picture",
    "regions": "run on regions",
    "repeated": "not run: nothing had moved",
}
GOLDEN_RATIO = 0.618034
"""Steps of this round the colour circle keep neighbouring class ids far apart."""


def encode(picture: Image.Image, media_type: str, quality: int = JPEG_QUALITY) -> bytes:
    """Return the bytes of a picture, in one of FORMATS; `quality` is JPEG's, 1..95."""
    encoded = io.BytesIO()
    picture.save(encoded, FORMATS[media_type], quality=quality, **PNG_OPTIONS)
    return encoded.getvalue()


class _Label(NamedTuple):
    """A caption in its place, on a background of its class's colour."""

    caption: Caption
    colour: str
    background: PixelBox


def annotate(frame: Frame, results: Results, canvas_wh: Size | None = None) -> Image.Image:
    """Return the picture with a box and a caption for every detection and line of text, as RGB.

    `canvas_wh`: its size in pixels; by default the frame's own, and small pictures are enlarged. Captions lie within
    the picture, and do not overlap where there is room. Classes of the whole picture are listed at its top left. The
    caption of an object also has the classes and texts that chained models gave it; objects within it have boxes.
    """
    picture = Image.fromarray(frame.rgb(canvas_wh or canvas_size(frame.source_size_wh)))
    letter_px = round(max(picture.size) * LETTER_SHARE)
    writer = CaptionWriter(letter_px, picture.width)
    canvas = ImageDraw.Draw(picture)
    labels: list[_Label] = []
    for classification in results.classifications:
        caption = writer.write(classification.label, classification.confidence)
        top = labels[-1].background[3] if labels else 0.0
        background = (0.0, top, caption.size_wh[0], top + caption.size_wh[1])
        labels.append(_Label(caption, _colour(classification.class_id), background))
    lines = [replace(line.place, label=line.value) for line in results.lines]
    within = [each for detection in results.detections for each in _objects_within(detection)]
    for detection in (*results.detections, *within, *lines):  # the most confident one chooses its place first
        box = _pixel_box(detection.box_xyxy, picture.size)
        colour = _colour(detection.class_id)
        canvas.rectangle(box, outline=colour, width=max(2, letter_px // LETTERS_PER_LINE_WIDTH))
        caption = writer.write(", ".join(_words(detection)), detection.confidence)
        background = place(box, caption.size_wh, picture.size, [label.background for label in labels])
        labels.append(_Label(caption, colour, background))
    for label in reversed(labels):
        _draw(canvas, label)
    return picture


def _objects_within(detection: Detection) -> Iterator[Detection]:
    for chained in detection.chained:
        yield from chained.results.detections


def _words(detection: Detection) -> Iterator[str]:
    """Yield the label of an object, and the classes and texts that chained models gave it."""
    yield detection.label
    for chained in detection.chained:
        yield from (classification.label for classification in chained.results.classifications)
        yield from (line.value for line in chained.results.lines)


def draw_seen(picture: Image.Image, seen: Seen) -> None:
    """Draw the regions that were run and what had moved into a picture, and write at its bottom how it was answered."""
    letter_px = round(max(picture.size) * LETTER_SHARE)
    canvas = ImageDraw.Draw(picture)
    width = max(2, letter_px // LETTERS_PER_LINE_WIDTH)
    for boxes_xyxy, colour in ((seen.regions_xyxy, REGION_COLOUR), (seen.moving_xyxy, MOTION_COLOUR)):
        for box_xyxy in boxes_xyxy:
            canvas.rectangle(_pixel_box(box_xyxy, picture.size), outline=colour, width=width)
    caption = CaptionWriter(letter_px, picture.width).write(OUTCOMES[seen.outcome])
    top = picture.height - caption.size_wh[1]
    _draw(canvas, _Label(caption, REGION_COLOUR, (0.0, top, caption.size_wh[0], float(picture.height))))


def draw_scene(picture: Image.Image, settings: StreamSettings, scene: Scene) -> None:
    """Draw the lines and zones of a stream's settings into a picture, with what has been counted there."""
    letter_px = round(max(picture.size) * LETTER_SHARE)
    canvas, writer = ImageDraw.Draw(picture), CaptionWriter(letter_px, picture.width)
    width = max(2, letter_px // LETTERS_PER_LINE_WIDTH)
    shapes = [
        *(
            (section.line, f"{line.name}: {line.clockwise} clockwise, {line.counterclockwise} counterclockwise")
            for section, line in zip(settings.lines, scene.lines, strict=True)
        ),
        *(
            ((*section.polygon, section.polygon[0]), f"{zone.name}: {zone.count}")
            for section, zone in zip(settings.zones, scene.zones, strict=True)
        ),
    ]
    taken: list[PixelBox] = []
    for points, text in shapes:
        at_px = [(x * picture.width, y * picture.height) for x, y in points]
        canvas.line(at_px, fill=SCENE_COLOUR, width=width, joint="curve")
        caption = writer.write(text)
        taken.append(place((*at_px[0], *at_px[0]), caption.size_wh, picture.size, taken))
        _draw(canvas, _Label(caption, SCENE_COLOUR, taken[-1]))


def _draw(canvas: ImageDraw.ImageDraw, label: _Label) -> None:
    left, top, _, bottom = label.background
    canvas.rectangle(label.background, fill=label.colour)
    ink = _ink(label.colour)
    canvas.text((left, (top + bottom) / 2), label.caption.text, fill=ink, font=label.caption.font, anchor="lm")


def canvas_size(size_wh: Size, max_long_side_px: int = MAX_LONG_SIDE_PX) -> Size:
    """Return the size to draw at, in pixels: the picture's own, its longer side within MIN_LONG_SIDE_PX and a limit."""
    factor = min(max(1.0, MIN_LONG_SIDE_PX / max(size_wh)), max_long_side_px / max(size_wh))
    return max(1, round(size_wh[0] * factor)), max(1, round(size_wh[1] * factor))


def _pixel_box(box_xyxy: tuple[float, float, float, float], size_wh: Size) -> PixelBox:
    """Return the first and the last column and row of a box given in shares of the picture."""
    left, top = box_xyxy[0] * size_wh[0], box_xyxy[1] * size_wh[1]
    return left, top, max(left, box_xyxy[2] * size_wh[0] - 1), max(top, box_xyxy[3] * size_wh[1] - 1)


def _colour(class_id: int) -> str:
    red, green, blue = colorsys.hsv_to_rgb(class_id * GOLDEN_RATIO % 1, 0.85, 1)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _ink(colour: str) -> str:
    """Return the colour of letters that can be read on this background."""
    return "black" if _luminance(colour) > DARK else "white"


def _luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.1, 0..1."""
    parts = (value / 255 for value in ImageColor.getrgb(colour)[:3])
    red, green, blue = (share / 12.92 if share <= LINEAR_BELOW else ((share + 0.055) / 1.055) ** 2.4 for share in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
