"""Decoding takes no more memory than docs/decoding.md promises: 8 bytes a pixel, whatever the file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.client import ROOT
from tests.support.pictures import encode, png

SIDE_PX = 3000
BYTES_A_PIXEL = 8
SLACK = 1.1
FLAT = Image.new("RGB", (SIDE_PX, SIDE_PX), (30, 120, 200))
DECODE = f"""
import sys
from handlers.decoding.decoder import Decoder
from models.frame import DecodeTarget

def peak_bytes():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

decoder, target, body = Decoder({SIDE_PX**2}), DecodeTarget((300, 300)), open(sys.argv[1], "rb").read()
decoder.encoded(open("examples/street.jpg", "rb").read(), target)
before = peak_bytes()
decoder.encoded(body, target)
print(peak_bytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(encode(FLAT, "JPEG"), id="jpeg"),
        pytest.param(encode(FLAT, "JPEG", progressive=True, subsampling=0), id="progressive jpeg"),
        pytest.param(encode(FLAT.convert("CMYK"), "JPEG", progressive=True), id="progressive cmyk jpeg"),
        pytest.param(encode(FLAT.convert("RGBA"), "PNG", compress_level=1), id="rgba png"),
        pytest.param(encode(FLAT.convert("P"), "PNG", transparency=bytes(256)), id="palette png"),
        pytest.param(png(FLAT.size, 16, 6, np.zeros((SIDE_PX, SIDE_PX, 4), ">u2")), id="16-bit png"),
        pytest.param(encode(FLAT, "BMP"), id="bmp"),
        pytest.param(encode(FLAT.convert("P"), "BMP"), id="palette bmp"),
    ],
)
def test_memory_of_one_frame(body: bytes, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(body)
    command: list[str | Path] = [sys.executable, "-c", DECODE, tmp_path / "body"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(run.stdout) <= SLACK * BYTES_A_PIXEL * SIDE_PX**2
