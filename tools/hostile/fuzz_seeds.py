"""Makes the seeds for fuzzing the decoder, one tiny picture per kind: python -m tools.hostile.fuzz_seeds FOLDER."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.hostile.pictures import WRITERS, photo

SIZE_WH = (9, 7)
"""Odd, so that rows need padding and blocks are not full."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the seeds into a folder."""
    parser = argparse.ArgumentParser(description="Makes one tiny picture of each kind.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder: Path = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for kind, write in WRITERS.items():
        (folder / kind).write_bytes(write(photo(SIZE_WH)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
