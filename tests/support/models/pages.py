"""Pages with lines of text at known positions, drawn in the caption fonts of the service."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from handlers.encoding.captions import MAIN_FONT, FontFile, east_asian_font

LATIN, CHINESE = MAIN_FONT, east_asian_font()
PAPER, INK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Line:
    """One line to draw: its text, its left and top edge, and its font size, in pixels."""

    value: str
    left_top: tuple[int, int]
    size_px: int = 28
    font: FontFile = LATIN

    @property
    def ink_xyxy(self) -> tuple[float, float, float, float]:
        """Return the box around the drawn letters, in pixels."""
        return ImageDraw.Draw(Image.new("RGB", (1, 1))).textbbox(self.left_top, self.value, self._type())

    def draw(self, page: Image.Image) -> None:
        """Draw it on the page."""
        ImageDraw.Draw(page).text(self.left_top, self.value, INK, self._type())

    def _type(self) -> ImageFont.FreeTypeFont:
        return self.font.load(self.size_px)


TIMETABLE = (
    Line("Platform 9 departs 10:47", (30, 20), 36),
    Line("Gate B12 closes soon", (30, 100), 28),
    Line("INVOICE 2026-0042", (30, 170), 20),
    Line("Total: 1,284.50 EUR", (340, 170), 20),
    Line("Mind the step", (200, 260), 14),
)
"""Lines in reading order, two of them side by side; a page of 640 x 320 pixels holds them."""
TIMETABLE_WH = (640, 320)


def page(*lines: Line, size_wh: tuple[int, int] = TIMETABLE_WH) -> Image.Image:
    """Return a white page with these lines."""
    drawn = Image.new("RGB", size_wh, PAPER)
    for line in lines:
        line.draw(drawn)
    return drawn


def write_reader(repository: Path, **keys: str) -> Path:
    """Write the folder of a model that reads text and return it; `keys`: further keys of its `family` section."""
    folder = repository / "reader"
    folder.mkdir(parents=True)
    family = "".join(f", {key}: {value}" for key, value in keys.items())
    (folder / "model.yaml").write_text(
        "weights: {package: rapidocr}\nlicence: Apache-2.0\nsource: PP-OCRv6, as rapidocr brings it\n"
        f"family: {{name: ppocr{family}}}\n"
    )
    return folder
