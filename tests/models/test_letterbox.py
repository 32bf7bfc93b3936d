"""Letterboxes: the position of a picture on a canvas, and the mapping of boxes back."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from handlers.decoding.decoder import ROUTES, Decoder, RouteName
from lab.pictures import encode
from models.errors import ModelConfigError
from models.families import InputConfig, Signature, Tensor
from models.families.preprocessing import PictureInput
from models.frame import DecodeTarget, Frame
from models.letterbox import Letterbox, ResizeMode, fit_letterbox
from tests.support.models.drawn import DRAWN, frame_with_box

MODES: tuple[ResizeMode, ...] = ("stretch", "letterbox", "letterbox_top_left", "centre_crop", "stretch_crop", "within")
SIDES = st.integers(1, 4096)


@pytest.mark.parametrize(
    ("mode", "size_wh", "offset_xy", "region"),
    [
        ("stretch", (640, 640), (0, 0), (0, 0, 1, 1)),
        ("letterbox", (640, 360), (0, 140), (0, 0, 1, 1)),
        ("letterbox_top_left", (640, 360), (0, 0), (0, 0, 1, 1)),
        ("centre_crop", (640, 640), (0, 0), (0.21875, 0, 0.78125, 1)),
        ("within", (640, 360), (0, 0), (0, 0, 1, 1)),
    ],
)
def test_full_hd_on_a_square(
    mode: ResizeMode, size_wh: tuple[int, int], offset_xy: tuple[int, int], region: tuple[float, ...]
) -> None:
    letterbox = fit_letterbox((1920, 1080), (640, 640), mode)
    assert (letterbox.size_wh, letterbox.offset_xy) == (size_wh, offset_xy)
    assert letterbox.region_xyxy == pytest.approx(region)


@pytest.mark.parametrize(
    ("mode", "size_wh", "offset_xy", "region"),
    [
        ("stretch", (640, 320), (0, 0), (0, 0, 1, 1)),
        ("letterbox", (180, 320), (230, 0), (0, 0, 1, 1)),
        ("letterbox_top_left", (180, 320), (0, 0), (0, 0, 1, 1)),
        ("centre_crop", (640, 320), (0, 0), (0, 0.359375, 1, 0.640625)),
        ("within", (180, 320), (0, 0), (0, 0, 1, 1)),
    ],
)
def test_a_portrait_on_a_wide_canvas(
    mode: ResizeMode, size_wh: tuple[int, int], offset_xy: tuple[int, int], region: tuple[float, ...]
) -> None:
    placed = fit_letterbox((1080, 1920), (640, 320), mode)
    assert (placed.size_wh, placed.offset_xy) == (size_wh, offset_xy)
    assert placed.region_xyxy == pytest.approx(region)


def test_a_thin_picture_keeps_one_pixel() -> None:
    assert fit_letterbox((4096, 1), (64, 64), "letterbox").size_wh == (64, 1)
    assert fit_letterbox((1, 4096), (64, 64), "letterbox").size_wh == (1, 64)


def test_boxes_stay_float32() -> None:
    placed = fit_letterbox((1920, 1080), (640, 640), "letterbox")
    assert placed.to_picture(np.zeros((1, 4), np.float32)).dtype == np.float32
    assert placed.shares_to_picture(np.zeros((1, 4), np.float32)).dtype == np.float32


def test_offsets_are_rounded_down_as_by_the_exporters() -> None:
    assert fit_letterbox((639, 360), (640, 640), "letterbox").offset_xy == (0, 139)


def test_within_never_enlarges() -> None:
    assert fit_letterbox((320, 200), (640, 640), "within") == Letterbox((320, 200), (320, 200))


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.sampled_from(MODES), st.floats(0.05, 1))
def test_the_way_back(source_wh: tuple[int, int], canvas_wh: tuple[int, int], mode: ResizeMode, share: float) -> None:
    letterbox = fit_letterbox(source_wh, canvas_wh, mode, share)
    (left, top), (width, height) = letterbox.offset_xy, letterbox.size_wh
    assert 0 <= left <= left + width <= letterbox.canvas_wh[0]
    assert 0 <= top <= top + height <= letterbox.canvas_wh[1]
    shown = np.array([[left, top, left + width, top + height]], np.float32)
    np.testing.assert_allclose(letterbox.to_picture(shown), np.array([letterbox.region_xyxy]), atol=1e-5)
    shares = np.asarray(shown / np.array(letterbox.canvas_wh * 2), np.float32)
    pixels = np.array(letterbox.size_wh * 2)  # of a canvas with thousands of them, float32 keeps a thousandth of one
    np.testing.assert_allclose(
        letterbox.shares_to_picture(shares) * pixels, np.array([letterbox.region_xyxy]) * pixels, atol=1e-3
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("route", list(ROUTES))
@pytest.mark.parametrize(("size_wh", "box_xyxy"), DRAWN)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_a_block_is_found_where_it_was_drawn(
    mode: ResizeMode, route: RouteName, size_wh: tuple[int, int], box_xyxy: tuple[int, int, int, int], kind: str
) -> None:
    """Through decoder, canvas and back; the detector is the white pixels of the canvas."""
    picture = PictureInput(InputConfig(size_wh=(160, 160), resize=mode, padding=0), Signature(INPUTS[mode], {}))
    body = encode(Image.fromarray(frame_with_box(size_wh, box_xyxy).pixels_hwc), kind)
    frame = Decoder(10_000_000, route).encoded(body, picture.target)
    feeds, letterbox = picture.preprocess(frame)
    [tensor] = feeds.values()
    rows, columns = np.nonzero(np.asarray(tensor, np.uint8)[0, ..., 0] > 127)
    found = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    expected = np.array(box_xyxy) / (size_wh * 2)
    pixel = np.array([1 / letterbox.size_wh[0], 1 / letterbox.size_wh[1]] * 2)
    assert (np.abs(letterbox.to_picture(found)[0] - expected) <= 1.5 * pixel).all()


FIXED, FREE = Tensor("uint8", (1, 160, 160, 3)), Tensor("uint8", (1, "height", "width", 3))
INPUTS = {mode: {"images": FREE if mode == "within" else FIXED} for mode in MODES}


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((1, 160, 160, 3), id="both fixed"),
        pytest.param((1, "height", 160, 3), id="the width fixed"),
        pytest.param((1, 3, 160, 160), id="channels first"),
        pytest.param((1, 3, 160, "width"), id="channels first, the height fixed"),
    ],
)
def test_a_canvas_of_each_pictures_own_needs_a_file_that_takes_any_size(shape: tuple[int | str, ...]) -> None:
    config = InputConfig(size_wh=(160, 160), resize="within")
    with pytest.raises(ModelConfigError, match="expected input x with free height and width, got"):
        PictureInput(config, Signature({"x": Tensor("float32", shape)}, {}))
    free = tuple("free" if side == 160 else side for side in shape)
    assert PictureInput(config, Signature({"x": Tensor("float32", free)}, {})).target.resize == "within"


def test_extreme_shapes_cost_no_more_than_the_canvas() -> None:
    for size_wh in ((60_000, 1), (1, 60_000)):
        pixels = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
        for mode in MODES:
            letterbox = DecodeTarget((224, 224), mode, 0.875).letterbox(size_wh)
            assert Frame(pixels, "rgb", size_wh).rgb_in(letterbox).size <= 224 * 224 * 3


def test_pixels_of_another_part_are_not_taken_for_the_whole() -> None:
    cropped = Frame(np.zeros((4, 4, 3), np.uint8), "rgb", (8, 4), (0.25, 0, 0.75, 1))
    with pytest.raises(ValueError, match="expected pixels of"):
        cropped.rgb((4, 4))


def test_normalisation_colours_and_layout() -> None:
    pixels = np.array([[[10, 20, 30]]], np.uint8)
    config = InputConfig(size_wh=(1, 1), colour_order="bgr", scale=0.1, mean=(1, 2, 3), std=(1, 2, 4))
    picture = PictureInput(config, Signature({"x": Tensor("float32", ("N", 3, 1, 1))}, {}))
    [tensor] = picture.preprocess(Frame(pixels, "rgb", (1, 1)))[0].values()
    np.testing.assert_allclose(tensor, np.array([3 - 1, (2 - 2) / 2, (1 - 3) / 4]).reshape(1, 3, 1, 1), atol=1e-6)
    assert tensor.flags.c_contiguous


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 4, 4, 3)], ids=["nchw", "nhwc"])
def test_bytes_are_fed_in_the_layout_of_the_file_and_stay_bytes(shape: tuple[int, ...]) -> None:
    """A picture twice as wide as high: a row of padding above it and one below."""
    config = InputConfig(size_wh=(4, 4), resize="letterbox", padding=7)
    picture = PictureInput(config, Signature({"x": Tensor("uint8", shape)}, {}))
    pixels = np.full((2, 4, 3), (1, 2, 3), np.uint8)
    feeds, _ = picture.preprocess(Frame(pixels, "rgb", (4, 2)))
    expected = np.full((4, 4, 3), 7, np.uint8)
    expected[1:3] = (1, 2, 3)
    assert feeds["x"].dtype == np.uint8
    np.testing.assert_array_equal(feeds["x"][0], expected if shape[-1] == 3 else expected.transpose(2, 0, 1))


def test_a_target_crops_what_it_says() -> None:
    left, top, right, bottom = DecodeTarget((4, 4), "centre_crop", 0.5).letterbox((8, 8)).region_xyxy
    assert (left, top, right, bottom) == (0.25, 0.25, 0.75, 0.75)


def test_a_centre_crop_never_leaves_the_picture() -> None:
    for width, height, canvas in product(range(1, 60), range(1, 60), [(60, 1), (7, 3), (224, 224)]):
        region_xyxy = fit_letterbox((width, height), canvas, "centre_crop").region_xyxy
        assert min(region_xyxy) >= 0
        assert max(region_xyxy) <= 1
