"""Fuzzes the decoder, guided by code coverage.

Run from the repository's root: python -m tools.hostile.fuzz_decoder SEEDS_FOLDER [libFuzzer options]. Needs the package
atheris; tools/hostile/fuzz_seeds.py makes seeds. libFuzzer keeps inputs that reach new code in the folder. It stops and
writes the input to a file when the decoder raises anything but its own two errors, crashes, or takes too long:
-timeout=SECONDS, -max_total_time=SECONDS, -rss_limit_mb=MB.
"""

import sys
from contextlib import suppress

import atheris  # type: ignore[import-untyped]  # installed only where the fuzzing runs

with atheris.instrument_imports(include=["handlers.decoding", "PIL"]):
    from handlers.decoding import encoded
    from handlers.decoding.scaling import Convolution
    from handlers.errors import TooManyPixelsError, UndecodableFrameError
    from models.frame import DecodeTarget

MAX_PIXELS = 1_000_000
SCALER = Convolution(DecodeTarget((300, 300)))


def decode(body: bytes) -> None:
    """Decode one body; let unexpected errors of the decoder through."""
    with suppress(UndecodableFrameError, TooManyPixelsError):
        encoded.decode(body, MAX_PIXELS, SCALER)


if __name__ == "__main__":
    atheris.Setup(sys.argv, decode)
    atheris.Fuzz()
