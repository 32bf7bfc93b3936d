"""Videos and cameras that the tests of this folder share."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from lab.videos import Coding, write_video
from tests.support.http_camera import http_camera

STREET = Path(__file__).parents[2] / "examples/street.jpg"


@pytest.fixture(scope="session")
def pictures() -> list[Image.Image]:
    """Return 20 pictures, each with its number as its brightness at the left, and a detail of a street at the right."""
    street = Image.open(STREET).convert("RGB").resize((320, 240))
    found = []
    for number in range(20):
        picture = Image.new("RGB", (160, 96), (10 * number + 20,) * 3)
        picture.paste(street.crop((number, 60, number + 80, 156)), (80, 0))
        found.append(picture)
    return found


@pytest.fixture(scope="session")
def jpegs(pictures: list[Image.Image]) -> list[bytes]:
    """Return the first 5 of them as JPEG files."""
    files = []
    for picture in pictures[:5]:
        file = BytesIO()
        picture.save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return files


@pytest.fixture(scope="session")
def video(pictures: list[Image.Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video of 20 pictures, 10 a second, with B-frames and a keyframe each half second."""
    options = {"g": "5", "bf": "2", "x264-params": "b-adapt=0:scenecut=0:keyint=5:min-keyint=5"}
    return write_video(tmp_path_factory.mktemp("video") / "street.mp4", pictures, Coding(options=options))


@pytest.fixture
def camera(jpegs: list[bytes]) -> Iterator[str]:
    """Run a camera that speaks HTTP; yield the beginning of its addresses."""
    with http_camera(jpegs) as url:
        yield url
