"""Pictures that users give."""

import os
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from conformance.errors import ConformanceError
from conformance.pictures.photos import SIDE_PX, own_photos
from conformance.pictures.traps import png_bomb

FILES = {"bomb.png": "has more than 64,000,000 pixels", "text.png": "is no picture", "broken.png": "cannot be read"}


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "CMYK", "I;16", "F", "P"])
def test_pictures_of_all_modes_are_read(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.tiff"
    Image.new(mode, (30, 20)).save(path)
    (photo,) = own_photos([path])
    assert (photo.image.mode, photo.image.size) == ("RGB", (SIDE_PX, SIDE_PX))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("name", "reason"), FILES.items())
def test_what_is_no_picture_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_bomb())
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "broken.png").write_bytes(_broken_png())
    with pytest.raises(ConformanceError, match=f"{name} {reason}"):
        own_photos([tmp_path / name])


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/zero"), Path("x" * 300)):
        with pytest.raises(ConformanceError, match="cannot be read"):
            own_photos([path])


def _broken_png() -> bytes:
    """Return a PNG whose data do not match their checksum, for which Pillow raises SyntaxError."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    parts = (struct.pack(">I", 13), header, struct.pack(">I", zlib.crc32(header)), b"\0\0\0\x04IDATxxxxxxxx")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
