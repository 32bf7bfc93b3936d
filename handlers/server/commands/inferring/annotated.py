"""Pictures and videos with boxes drawn on them. Nothing is overwritten."""

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from handlers.decoding.decoder import Decoder
from handlers.encoding.drawing import JPEG_QUALITY, canvas_size, draw_scene, draw_seen
from handlers.encoding.encoders import draw
from handlers.server.commands.inferring.sources import Source
from models.letterbox import Size
from models.order import Answered, FrameOrder

if TYPE_CHECKING:  # pictures do without the extra video
    from handlers.server.commands.inferring.video import VideoWriter


class Annotated:
    """What is written for one source: a JPEG for a picture, an MP4 for a video.

    The video has the size of the first frame, less a pixel where a side is odd, and the times of the frames. With
    settings of a stream, regions, motion, lines and zones are drawn, too.
    """

    def __init__(self, folder: Path, source: Source, decoder: Decoder) -> None:
        self._folder, self._source, self._decoder = folder, source, decoder
        self._path = folder
        self._size_wh = (0, 0)
        self._writer: VideoWriter | None = None
        self._has_failed = False

    def add(self, order: FrameOrder, answered: Answered, time_s: float | None) -> str | None:
        """Draw one frame, of a video with its time; return the path of the file. Raises OSError.

        After that, the other frames of a video are not drawn, and the path is None.
        """
        if self._has_failed:
            return None
        try:
            self._draw(order, answered, time_s)
        except OSError:
            self._has_failed, self._writer = True, None
            raise
        return str(self._path)

    def _draw(self, order: FrameOrder, answered: Answered, time_s: float | None) -> None:
        if time_s is None:
            picture = self._drawn(order, answered, canvas_size(answered.size_wh))
            self._path = self._free_path(".jpg")
            picture.save(self._path, quality=JPEG_QUALITY)
        else:
            writer = self._writer or self._open_writer(answered.size_wh)
            writer.write(self._drawn(order, answered, self._size_wh), time_s)

    def _drawn(self, order: FrameOrder, answered: Answered, size_wh: Size) -> Image.Image:
        picture = draw(self._decoder, order, answered.results, size_wh)
        if order.settings:
            draw_seen(picture, answered.seen)
            if answered.scene:
                draw_scene(picture, order.settings, answered.scene)
        return picture

    def close(self) -> None:
        """End the file of a video; raises OSError."""
        if self._writer:
            self._writer.close()

    def _open_writer(self, size_wh: Size) -> "VideoWriter":
        from handlers.server.commands.inferring.video import VideoWriter  # noqa: PLC0415  # an extra

        self._path = self._free_path(".mp4")
        self._size_wh = _even(size_wh[0]), _even(size_wh[1])
        self._writer = VideoWriter(self._path, self._size_wh)
        return self._writer

    def _free_path(self, suffix: str) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self._source.path.stem}-boxes"
        names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        paths = (self._folder / f"{name}{suffix}" for name in names)
        return next(path for path in paths if not path.exists())


def _even(side_px: int) -> int:
    """Return the side of a video, whose colours are those of 2 x 2 pixels."""
    return max(2, side_px // 2 * 2)
