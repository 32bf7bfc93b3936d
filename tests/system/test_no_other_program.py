"""No bytes make the decoder start another program: with plain Pillow, EPS would reach Ghostscript."""

import subprocess
from pathlib import Path

import pytest

from lab.pictures import encode, street
from tests.support.process import FRAMEHOOK

pytestmark = pytest.mark.system

FORMATS = ("EPS", "GIF", "TIFF", "PDF", "PPM", "TGA", "ICO", "JPEG2000", "SGI", "PCX")


def test_files_of_other_formats_start_nothing(tmp_path: Path) -> None:
    files = []
    for name in FORMATS:
        files.append(tmp_path / f"{name}.jpg")
        files[-1].write_bytes(encode(street().resize((64, 48)), name))
    trace = tmp_path / "trace"
    command: list[str | Path] = ["strace", "-f", "-e", "trace=execve", "-o", trace, FRAMEHOOK, "infer", *files]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.stderr.count("is not a JPEG, PNG, WebP or BMP picture") == len(FORMATS)
    started = [line for line in trace.read_text().splitlines() if "execve(" in line and " = 0" in line]
    assert len(started) == 1, started
