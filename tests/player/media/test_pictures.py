"""Pictures have the right colours, sizes and byte orders, whatever the video's own format."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lab.videos import Coding, turn, write_video
from player.flow import Picture, PixelFormat
from player.media.address import address_of
from player.media.clock import CaptureClock
from player.media.pictures import MAX_SCALERS, AvPicture, Decoder
from player.media.sources import Source, open_session

COLOURS = (
    (255, 255, 255),
    (0, 0, 0),
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (128, 128, 128),
    (255, 128, 0),
    (16, 16, 16),
)
BAR_PX = 32
SIZE_WH = (BAR_PX * len(COLOURS), 64)
FORMATS: tuple[PixelFormat, ...] = ("rgb24", "bgr24", "argb", "rgba", "abgr", "bgra")
SHORT_FORMATS: tuple[PixelFormat, ...] = ("rgb565be", "rgb565le", "rgb555be", "rgb555le")
BEST = {"crf": "1"}
X264 = {"ITU601": "smpte170m", "ITU709": "bt709"}


def bars() -> Image.Image:
    """Return a picture of bars in all colours."""
    pixels = np.repeat(np.array([COLOURS], np.uint8), BAR_PX, 1)
    return Image.fromarray(np.repeat(pixels, SIZE_WH[1], 0))


def decoded(path: Path) -> Picture:
    """Return the first picture of a video."""
    decoder = Decoder()
    with open_session(Source(address_of(str(path)))) as session:
        clock = CaptureClock(is_live=False)
        clock.begin(session.began_s)
        pictures = [picture for packet in session.packets(clock) for picture in decoder.decode(packet)]
    return (pictures + decoder.flush())[0][1]


def middles(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.int64]:
    """Return the pixels in the middle of each bar."""
    row = pixels[len(pixels) // 2]
    width = len(row) // len(COLOURS)
    return np.asarray(row[width // 2 :: width], np.int64)


def rgb(picture: Picture, size_wh: tuple[int, int] = SIZE_WH) -> NDArray[np.uint8]:
    return np.frombuffer(picture.pixels("rgb24", size_wh), np.uint8).reshape(size_wh[1], size_wh[0], 3)


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Picture:
    return decoded(write_video(tmp_path_factory.mktemp("bars") / "bars.mp4", [bars()], Coding(options=BEST)))


CODINGS = {
    "BT.601": Coding(options={**BEST, "x264-params": "colormatrix=smpte170m"}),
    "BT.709": Coding(matrix="ITU709", options={**BEST, "x264-params": "colormatrix=bt709"}),
    "unspecified": Coding(options=BEST),
    "full range": Coding(pixel_format="yuvj420p", options=BEST),
    "4:4:4": Coding(pixel_format="yuv444p", options=BEST),
}


@pytest.mark.parametrize("coding", CODINGS.values(), ids=CODINGS)
def test_colours_are_right(coding: Coding, tmp_path: Path) -> None:
    found = decoded(write_video(tmp_path / "bars.mp4", [bars()], coding))
    assert found.size_wh == SIZE_WH
    assert np.abs(middles(rgb(found)) - COLOURS).max() <= 4


def test_colours_of_jpeg_are_not_washed_out(tmp_path: Path) -> None:
    coding = Coding("mjpeg", "yuvj420p", container_options={}, options={"qmin": "1", "q": "1"})
    found = decoded(write_video(tmp_path / "bars.avi", [bars()], coding))
    assert np.abs(middles(rgb(found)) - COLOURS).max() <= 6


def test_jpeg_is_decoded_as_pillow_does(tmp_path: Path, jpegs: Sequence[bytes]) -> None:
    path = tmp_path / "street.avi"
    street = Image.open(BytesIO(jpegs[0]))
    write_video(path, [street.copy()], Coding("mjpeg", "yuvj420p", container_options={}, options={"qmin": "1"}))
    file = path.read_bytes()
    begin = file.index(b"\xff\xd8\xff")
    by_pillow = np.asarray(Image.open(BytesIO(file[begin:])).convert("RGB"), np.int64)
    by_ffmpeg = rgb(decoded(path), street.size).astype(np.int64)
    assert np.abs(by_ffmpeg - by_pillow).mean() < 2
    assert abs(by_ffmpeg.mean() - by_pillow.mean()) < 0.7


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_bytes_are_in_the_order_of_their_name(picture: Picture, pixel_format: PixelFormat) -> None:
    letters = pixel_format.removesuffix("24")
    pixels = np.frombuffer(picture.pixels(pixel_format, SIZE_WH), np.uint8)
    found = middles(pixels.reshape(SIZE_WH[1], SIZE_WH[0], len(letters)))
    expected = np.array([[*colour, 255] for colour in COLOURS])[:, ["rgba".index(letter) for letter in letters]]
    assert np.abs(found - expected).max() <= 4


@pytest.mark.parametrize("pixel_format", SHORT_FORMATS)
def test_short_pixels_are_in_the_order_of_their_name(picture: Picture, pixel_format: PixelFormat) -> None:
    body = picture.pixels(pixel_format, SIZE_WH)
    words = middles(np.frombuffer(body, ">u2" if pixel_format.endswith("be") else "<u2").reshape(SIZE_WH[::-1]))
    green_bits = 6 if "565" in pixel_format else 5
    red, green, blue = words >> (5 + green_bits) & 31, words >> 5 & (2**green_bits - 1), words & 31
    found = np.stack([red * 255 / 31, green * 255 / (2**green_bits - 1), blue * 255 / 31], 1)
    assert np.abs(found - COLOURS).max() <= 12


@pytest.mark.parametrize("size_wh", [SIZE_WH, (64, 32), (63, 31), (1, 1)])
def test_yuv_has_three_tight_planes_of_bt_601_in_limited_range(picture: Picture, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    body = np.frombuffer(picture.pixels("yuv420p", size_wh), np.uint8)
    half = ((width + 1) // 2) * ((height + 1) // 2)
    assert len(body) == width * height + 2 * half
    if size_wh == SIZE_WH:
        red, green, blue = np.array(COLOURS).T / 255
        luma = 16 + 65.481 * red + 128.553 * green + 24.966 * blue
        assert np.abs(middles(body[: width * height].reshape(height, width)) - luma).max() <= 2
        chroma = 128 + 112 * (blue - (0.299 * red + 0.587 * green + 0.114 * blue)) / (1 - 0.114)
        found = middles(body[width * height :][:half].reshape(height // 2, width // 2))
        assert np.abs(found - chroma).max() <= 3


@pytest.mark.parametrize("coding", [CODINGS["full range"], CODINGS["BT.709"]], ids=["full range", "BT.709"])
def test_yuv_of_other_videos_is_of_bt_601_in_limited_range_too(
    coding: Coding, tmp_path: Path, picture: Picture
) -> None:
    other = decoded(write_video(tmp_path / "bars.mp4", [bars()], coding))
    planes = [np.frombuffer(each.pixels("yuv420p", SIZE_WH), np.uint8).astype(int) for each in (other, picture)]
    assert np.abs(planes[0] - planes[1]).mean() < 1.5


@pytest.mark.parametrize("coding", CODINGS.values(), ids=CODINGS)
def test_luma_has_the_whole_range(coding: Coding, tmp_path: Path) -> None:
    found = decoded(write_video(tmp_path / "bars.mp4", [bars()], coding))
    luma = found.luma(SIZE_WH)
    assert luma.shape == (64, 256)
    assert luma.dtype == np.uint8
    greys = middles(luma)[[0, 1, 5, 7]]
    assert np.abs(greys - [255, 0, 128, 16]).max() <= 2


def test_luma_is_the_mean_of_areas(picture: Picture) -> None:
    small = picture.luma((16, 4)).astype(int)
    large = picture.luma(SIZE_WH)
    means = large.reshape(4, 16, 16, 16).mean((1, 3))
    assert np.abs(small - means).max() <= 4


def test_pictures_are_turned_as_the_file_says(tmp_path: Path) -> None:
    upright = Image.new("RGB", (96, 64), (255, 0, 0))
    upright.paste((0, 0, 255), (48, 0, 96, 64))
    upright.paste((0, 255, 0), (0, 0, 48, 32))
    path = write_video(tmp_path / "turned.mp4", [upright], Coding(options=BEST))
    turn(path, 64)
    found = decoded(path)
    expected = np.rot90(np.asarray(upright), -1)
    assert found.size_wh == (64, 96)
    assert np.abs(rgb(found, (64, 96)).astype(int) - expected).mean() < 6
    assert found.luma((32, 48)).shape == (48, 32)
    assert len(found.pixels("yuv420p", (32, 48))) == 32 * 48 * 3 // 2


def test_many_sizes_may_be_asked_for(picture: Picture) -> None:
    for side in range(2, 2 * MAX_SCALERS + 4):
        assert len(picture.pixels("bgr24", (side, side))) == 3 * side * side


def test_a_matrix_that_nobody_knows_is_taken_for_bt_601() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((48, 32), 128, np.uint8), "yuv420p")
    frame.colorspace = 65
    found = np.frombuffer(AvPicture(frame).pixels("rgb24", (32, 32)), np.uint8)
    assert np.abs(found.astype(int) - 130).max() <= 1


def test_all_formats_have_the_same_colours() -> None:
    """Also where FFmpeg has quick ways for some of them: the same picture gets the same answers."""
    noise = np.random.default_rng(1).integers(16, 235, (480 * 3 // 2, 640), np.uint8)
    picture = AvPicture(av.VideoFrame.from_ndarray(noise, "yuv420p"))
    size_wh = 416, 312
    rgb, bgr, rgba = (np.frombuffer(picture.pixels(name, size_wh), np.uint8) for name in ("rgb24", "bgr24", "rgba"))
    np.testing.assert_array_equal(rgb.reshape(-1, 3), bgr.reshape(-1, 3)[:, ::-1])
    np.testing.assert_array_equal(rgb.reshape(-1, 3), rgba.reshape(-1, 4)[:, :3])
    big, little = picture.pixels("rgb565be", size_wh), picture.pixels("rgb565le", size_wh)
    np.testing.assert_array_equal(np.frombuffer(big, ">u2"), np.frombuffer(little, "<u2"))
