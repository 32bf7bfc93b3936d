"""Makes docs/street-boxes.jpg, the README's picture: the service's answer for examples/street.jpg, drawn on it.

Run by hand from the repository's root: framehook infer examples/street.jpg | python tools/street_boxes.py
"""

import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parent.parent
COLOURS = {"person": "#ffd400", "car": "#00e5ff"}
LINE_PX, TEXT_PX, CAPTION_PX = 2, 13, 16

Box = tuple[float, float, float, float]


def draw(photo: Image.Image, inferences: list[dict[str, dict[str, dict[str, float]]]]) -> None:
    """Draw the box, the label and the confidence of each entity on the photo, no caption over another."""
    canvas, font = ImageDraw.Draw(photo), ImageFont.load_default(TEXT_PX)
    taken: list[Box] = []
    for inference in inferences:
        tag, box = inference["entity"]["tag"], inference["entity"]["box"]
        colour = COLOURS[str(tag["value"])]
        left, top = box["l"] * photo.width, box["t"] * photo.height
        right, bottom = left + box["w"] * photo.width, top + box["h"] * photo.height
        canvas.rectangle((left, top, right, bottom), outline=colour, width=LINE_PX)
        caption = f" {tag['value']} {tag['confidence']:.2f} "
        width = font.getlength(caption)
        left = min(left, photo.width - width)
        above = (left, top - CAPTION_PX, left + width, top)
        below = (left, bottom, left + width, bottom + CAPTION_PX)
        ground = below if any(_overlap(above, other) for other in taken) else above
        taken.append(ground)
        canvas.rectangle(ground, fill=colour)
        canvas.text((left, ground[3] - 1), caption, fill="black", font=font, anchor="ld")


def _overlap(box: Box, other: Box) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


if __name__ == "__main__":
    street = Image.open(ROOT / "examples" / "street.jpg")
    draw(street, json.load(sys.stdin)["inferences"])
    street.save(ROOT / "docs" / "street-boxes.jpg", quality=88)
