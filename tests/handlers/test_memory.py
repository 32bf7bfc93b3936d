"""Decoding takes no more memory than docs/maintainers/decoding.md promises: 8 bytes per pixel, for any file."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handlers.decoding.raw import layout_bytes, tight
from lab.pictures import bmp_words, encode, lying, png
from models.frame import PIXEL_FORMAT_NAMES, PixelFormat
from tests.support.client import ROOT
from tools.hostile.webp_lossless import lossless_webp

SIDE_PX = 3000
BYTES_A_PIXEL = 8
SLACK = 1.1
FLAT = Image.new("RGB", (SIDE_PX, SIDE_PX), (30, 120, 200))
WEBP_FLAT = FLAT.resize((2449, 2449))
"""Two thirds of the pixels, which is the limit of WebP."""
LONG = Image.new("RGB", (60_000, 150))
DECODE = f"""
import sys
from contextlib import suppress
from functools import partial
from handlers.decoding.decoder import Decoder
from handlers.errors import UndecodableFrameError
from handlers.decoding.raw import layout_bytes, tight
from models.frame import DecodeTarget

def peak_bytes():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

decoder, target, body = Decoder({SIDE_PX**2}), DecodeTarget((300, 300)), open(sys.argv[1], "rb").read()
decode = partial(decoder.encoded, upright=True)
if len(sys.argv) > 2:
    decode = lambda body, target: decoder.raw(body, tight(sys.argv[2], ({SIDE_PX}, {SIDE_PX})), target)
decoder.encoded(open("examples/street.jpg", "rb").read(), target)
before = peak_bytes()
with suppress(UndecodableFrameError):
    decode(body, target)
print(peak_bytes() - before)
"""


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: encode(FLAT, "JPEG"), id="jpeg"),
        pytest.param(lambda: encode(FLAT, "JPEG", progressive=True, subsampling=0), id="progressive jpeg"),
        pytest.param(lambda: encode(FLAT.convert("CMYK"), "JPEG", progressive=True), id="progressive cmyk jpeg"),
        pytest.param(lambda: encode(FLAT.convert("RGBA"), "PNG", compress_level=1), id="rgba png"),
        pytest.param(lambda: encode(FLAT.convert("P"), "PNG", transparency=bytes(256)), id="palette png"),
        pytest.param(lambda: png(FLAT.size, 16, 6, np.zeros((SIDE_PX, SIDE_PX, 4), ">u2")), id="16-bit png"),
        pytest.param(lambda: encode(WEBP_FLAT, "WEBP"), id="webp"),
        pytest.param(lambda: encode(WEBP_FLAT.convert("RGBA"), "WEBP"), id="webp with alpha"),
        pytest.param(lambda: encode(WEBP_FLAT, "WEBP", lossless=True), id="lossless webp"),
        pytest.param(lambda: lossless_webp((1024, 1024), 2600), id="lossless webp of many codes"),
        pytest.param(lambda: lossless_webp((1024, 1024), 65_536), id="lossless webp of too many codes"),
        pytest.param(lambda: lying(FLAT, 6), id="jpeg on its side"),
        pytest.param(lambda: encode(FLAT, "BMP"), id="bmp"),
        pytest.param(lambda: encode(FLAT.convert("P"), "BMP"), id="palette bmp"),
        pytest.param(lambda: bmp_words(FLAT, 16, (0xF800, 0x7E0, 0x1F)), id="16-bit bmp"),
        pytest.param(lambda: bmp_words(FLAT, 32, (0x3FF00000, 0xFFC00, 0x3FF)), id="10-bit bmp"),
    ],
)
def test_memory_of_one_encoded_frame(make: Callable[[], bytes], tmp_path: Path) -> None:
    """Only the worker that runs a test makes its picture, which takes a while."""
    assert growth(make(), tmp_path) <= SLACK * BYTES_A_PIXEL * SIDE_PX**2


@pytest.mark.parametrize("pixel_format", PIXEL_FORMAT_NAMES)
def test_memory_of_one_raw_frame(pixel_format: PixelFormat, tmp_path: Path) -> None:
    body = bytes(layout_bytes(tight(pixel_format, (SIDE_PX, SIDE_PX))))
    assert growth(body, tmp_path, pixel_format) <= SLACK * BYTES_A_PIXEL * SIDE_PX**2


def test_a_long_low_picture_takes_what_its_pixels_take(tmp_path: Path) -> None:
    """Its columns become few before its rows become many."""
    assert growth(encode(Image.new("RGB", (65_000, 20)), "PNG"), tmp_path) <= 24 << 20


SHORT = f"""
import resource, sys
from handlers.decoding.decoder import Decoder
from models.frame import DecodeTarget

def used_bytes():
    return 4096 * int(open("/proc/self/statm").read().split()[0])

decoder, target, body = Decoder({SIDE_PX**2}), DecodeTarget((300, 300)), open(sys.argv[1], "rb").read()
outcomes = []
for more in [mib << 20 for mib in range(0, 120, 4)]:
    resource.setrlimit(resource.RLIMIT_AS, (used_bytes() + more, resource.RLIM_INFINITY))
    try:
        decoder.encoded(body, target)
        outcomes.append("decoded")
    except Exception as error:
        outcomes.append(type(error).__name__)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(*sorted(set(outcomes)))
"""


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: encode(FLAT, "JPEG", progressive=True, subsampling=0), id="progressive jpeg"),
        pytest.param(lambda: encode(FLAT.convert("CMYK"), "JPEG"), id="cmyk jpeg"),
        pytest.param(lambda: encode(FLAT.convert("RGBA"), "PNG", compress_level=1), id="rgba png"),
        pytest.param(lambda: png(FLAT.size, 16, 6, np.zeros((SIDE_PX, SIDE_PX, 4), ">u2")), id="16-bit png"),
        pytest.param(lambda: encode(FLAT.convert("P"), "PNG"), id="palette png"),
        pytest.param(lambda: encode(WEBP_FLAT, "WEBP"), id="webp"),
        pytest.param(lambda: encode(WEBP_FLAT, "WEBP", lossless=True), id="lossless webp"),
        pytest.param(lambda: encode(LONG, "PNG"), id="long png"),
        pytest.param(lambda: bmp_words(LONG, 16, (0xF800, 0x7E0, 0x1F)), id="long bmp"),
    ],
)
def test_a_picture_for_which_memory_does_not_suffice_is_not_called_damaged(
    make: Callable[[], bytes], tmp_path: Path
) -> None:
    (tmp_path / "body").write_bytes(make())
    command = [sys.executable, "-c", SHORT, str(tmp_path / "body")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["MemoryError", "decoded"]


def growth(body: bytes, folder: Path, *arguments: str) -> int:
    """Return how many bytes a process grows at most while it decodes this body, already in its memory."""
    (folder / "body").write_bytes(body)
    command = [sys.executable, "-c", DECODE, str(folder / "body"), *arguments]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
