"""The frames to measure with: from a video, or the street photos of this repository."""

from collections.abc import Iterator
from pathlib import Path

import av
from PIL import Image

from lab import ROOT

PHOTOS = [ROOT / "examples" / "street.jpg", *sorted((ROOT / "tests" / "data").glob("vtest-*.jpg"))]


def read_frames(video: Path | None, step: int = 1) -> list[Image.Image]:
    """Return every `step`-th frame of a video as RGB; without one, the street photos."""
    if video is None:
        return [Image.open(path).convert("RGB") for path in PHOTOS]
    return list(video_frames(video, step))


def video_frames(video: Path, step: int = 1) -> Iterator[Image.Image]:
    """Yield every `step`-th frame of a video as RGB."""
    with av.open(str(video)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % step == 0:
                yield Image.fromarray(frame.to_ndarray(format="rgb24"))
