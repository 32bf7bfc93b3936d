"""Captions: their letters, and their places on a picture. Boxes are xyxy in pixels of the picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple, TypeAlias

from PIL import ImageFont

from models.letterbox import Size

LINE_HEIGHT = 1.4
"""Height of a caption, as a multiple of its letters."""
FIRST_EAST_ASIAN = "\u2e80"
"""Where Unicode's blocks of Chinese, Japanese and Korean letters begin: these need a font of their own."""
EAST_ASIAN_PACKAGE, EAST_ASIAN_FILE = "noto_cjk_sans_otc", "NotoSansCJK-Regular.ttc"
"""Of the extra `ocr`: only models that read text have captions in these letters."""
SIMPLIFIED_CHINESE = 2
"""The face in its file, which has one for each region; all of them have the letters of all regions."""

PixelBox: TypeAlias = tuple[float, float, float, float]


class FontFile(NamedTuple):
    """A font in a file that may hold several. `face`: the index of this one."""

    path: Path
    face: int = 0

    def load(self, letter_px: int) -> ImageFont.FreeTypeFont:
        """Return the font with letters of that height."""
        return ImageFont.truetype(self.path, letter_px, self.face)


MAIN_FONT = FontFile(Path(__file__).parent / "fonts" / "DejaVuSans.ttf")


@cache
def east_asian_font() -> FontFile:
    """Return the font of Chinese, Japanese and Korean letters.

    Without the extra `ocr` it is the main font, which draws an empty box for each letter that it lacks.
    """
    try:
        package = resources.files(EAST_ASIAN_PACKAGE)
    except ModuleNotFoundError:
        return MAIN_FONT
    return FontFile(Path(str(package / EAST_ASIAN_FILE)), SIMPLIFIED_CHINESE)


@dataclass(frozen=True, slots=True)
class Caption:
    """One line of text in its font. `size_wh`: in pixels."""

    text: str
    font: ImageFont.FreeTypeFont
    size_wh: tuple[float, float]


class CaptionWriter:
    """Writes the captions of one picture, with letters of one height, none wider than the picture.

    Opens each font once, when it is needed. Not for several threads at once.
    """

    def __init__(self, letter_px: int, max_width_px: int) -> None:
        self._letter_px = letter_px
        self._max_width_px = max_width_px
        self._fonts: dict[FontFile, ImageFont.FreeTypeFont] = {}

    def write(self, label: str, confidence: float | None = None) -> Caption:
        """Return the caption of a detection or class; one that is too long is cut in its middle."""
        font = self._font(label)
        text = label if confidence is None else f"{label} {confidence:.2f}"
        text = _cut(f" {text} ", font, self._max_width_px)
        return Caption(text, font, (font.getlength(text), self._letter_px * LINE_HEIGHT))

    def _font(self, label: str) -> ImageFont.FreeTypeFont:
        east_asian = any(letter >= FIRST_EAST_ASIAN for letter in label)
        file = east_asian_font() if east_asian else MAIN_FONT
        if file not in self._fonts:
            self._fonts[file] = file.load(self._letter_px)
        return self._fonts[file]


def _cut(text: str, font: ImageFont.FreeTypeFont, max_width_px: int) -> str:
    """Return the text, without its middle when it is too wide."""
    kept, fitting = len(text), text
    while font.getlength(fitting) > max_width_px and kept > 0:
        kept -= 1
        fitting = text[: (kept + 1) // 2] + "…" + text[len(text) - kept // 2 :]
    return fitting


def place(box: PixelBox, size_wh: tuple[float, float], canvas_wh: Size, taken: Sequence[PixelBox]) -> PixelBox:
    """Return where the caption of a box goes: the first place that overlaps none of `taken`, else the first place."""
    places = list(_places(box, size_wh, canvas_wh))
    return next((free for free in places if not any(_overlap(free, other) for other in taken)), places[0])


def _places(box: PixelBox, size_wh: tuple[float, float], canvas_wh: Size) -> Iterator[PixelBox]:
    """Yield above, below, inside the top and inside the bottom of the box, each moved into the picture."""
    (width, height), (canvas_width, canvas_height) = size_wh, canvas_wh
    left = min(max(box[0], 0), max(canvas_width - width, 0))
    for wanted_top in (box[1] - height, box[3], box[1], box[3] - height):
        top = min(max(wanted_top, 0), max(canvas_height - height, 0))
        yield left, top, left + width, top + height


def _overlap(box: PixelBox, other: PixelBox) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
