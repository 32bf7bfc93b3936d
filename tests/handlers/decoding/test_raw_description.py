"""The description of a raw frame in a request: where it may be, what wins, what is derived, and what is refused."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from handlers.decoding.description import describe
from handlers.decoding.raw import layout_bytes, padded, tight
from lab.graphs import write_identity_model
from lab.pictures import STREET, street
from models.errors import ModelConfigError
from models.frame import PIXEL_FORMAT_NAMES, PixelFormat, RawLayout
from models.repository.config import RawFrameConfig
from models.repository.folder import read_folder
from tests.support.models.matching import assert_matches, flat
from tests.support.models.raw import raw
from tests.support.server import LiveServer, serving

SIZE_WH = (768, 576)
RAW = "image/x-raw"


def street_frame(pixel_format: PixelFormat) -> bytes:
    """Return the street photo as a raw frame without padding; of yuv420p only its grey."""
    return raw(np.asarray(street()), tight(pixel_format, SIZE_WH))[0]


def post(server: LiveServer, body: bytes, content_type: str = RAW, **options: Any) -> httpx.Response:
    headers = {"Content-Type": content_type, **options.pop("headers", {})}
    return server.client.post("/inference", content=body, headers=headers, **options)


@pytest.mark.parametrize("pixel_format", [name for name in PIXEL_FORMAT_NAMES if name != "yuv420p"])
def test_each_format_finds_what_the_jpeg_finds(server: LiveServer, pixel_format: PixelFormat) -> None:
    expected = flat(server.client.post("/inference", content=STREET.read_bytes()).json())
    params = {"width": SIZE_WH[0], "height": SIZE_WH[1], "pixelFormat": pixel_format}
    assert_matches(post(server, street_frame(pixel_format), params=params).json(), expected)


BGR = street_frame("bgr24")
SAID: dict[str, dict[str, Any]] = {
    "query": {"params": {"width": 768, "height": 576, "pixelFormat": "bgr24", "stride": "2304"}},
    "query in capitals": {"params": {"width": 768, "height": 576, "pixelFormat": "BGR24"}},
    "content type": {"content_type": "image/x-raw; format=bgr24; width=768; height=576"},
    "gstreamer's caps": {"content_type": "image/x-raw;format=(string)BGR;width=(int)768;height=(int)576"},
    "quoted": {"content_type": 'IMAGE/X-RAW ; Format="BGR"; Width="768"; Height="576"'},
    "headers": {
        "headers": {
            "x-frame-width": "768",
            "x-frame-height": "576",
            "x-frame-pixel-format": "bgr24",
            "x-frame-stride": "2304",
        }
    },
    "one value in each place": {
        "content_type": "image/x-raw; width=768",
        "params": {"pixelFormat": "bgr24"},
        "headers": {"x-frame-height": "576"},
    },
    "the query wins": {
        "content_type": "image/x-raw; width=1; format=rgb24",
        "params": {"width": 768, "height": 576, "pixelFormat": "bgr24"},
        "headers": {"x-frame-width": "2", "x-frame-height": "3"},
    },
    "the content type wins over headers": {
        "content_type": "image/x-raw; width=768; format=bgr24; height=576",
        "headers": {"x-frame-width": "2", "x-frame-height": "3", "x-frame-pixel-format": "argb"},
    },
    "gstreamer's caps, quoted": {"content_type": 'image/x-raw;format=(string)"BGR";width=(int)768;height=(int)576'},
    "a semicolon in quotes": {
        "content_type": 'image/x-raw;x="a;width=1";format=bgr24;width=768;height=576',
    },
    "leading zeros": {"params": {"width": "0768", "height": "+576", "pixelFormat": "bgr24"}},
    "width alone": {"params": {"width": 768, "pixelFormat": "bgr24"}},
    "height alone": {"params": {"height": 576, "pixelFormat": "bgr24"}},
    "width and stride": {"params": {"width": 768, "stride": "2304", "pixelFormat": "bgr24"}},
}


@pytest.mark.parametrize("said", SAID.values(), ids=list(SAID))
def test_a_frame_can_be_described_in_many_ways(server: LiveServer, said: dict[str, Any]) -> None:
    expected = flat(server.client.post("/inference", content=STREET.read_bytes()).json())
    assert_matches(post(server, BGR, **said).json(), expected)


def test_rows_padded_by_gstreamer_are_recognised_by_the_length(server: LiveServer) -> None:
    picture = np.asarray(street().crop((0, 0, 767, 575)))
    body, _ = raw(picture, padded("bgr24", (767, 575)))
    expected = flat(post(server, body, params={"width": 767, "height": 575, "pixelFormat": "bgr24"}).json())
    described = post(server, body, params={"width": 767, "height": 575, "pixelFormat": "bgr24", "stride": "2304"})
    assert flat(described.json()) == expected
    assert len(expected) > 1


QUERY = {"width": 768, "height": 576, "pixelFormat": "bgr24"}


@pytest.mark.parametrize(
    ("body", "said", "detail"),
    [
        (BGR[:-1], {"params": QUERY}, "takes 1327104 bytes; received 1327103."),
        (BGR + b"\0", {"params": QUERY}, "takes 1327104 bytes; received 1327105."),
        (b"", {"params": QUERY}, "takes 1327104 bytes; received 0."),
        (BGR, {"params": QUERY | {"width": 700}}, "rows of 2100 bytes takes 1209600 bytes"),
        (BGR, {"params": QUERY | {"pixelFormat": "yuv420p"}}, "rows of 768, 384, 384 bytes takes 663552 bytes"),
        (BGR, {}, "pixel format is not known"),
        (BGR, {"params": {"pixelFormat": "bgr24"}}, "width and height are not known"),
        (BGR, {"params": {"pixelFormat": "yuv420p", "width": 768}}, "width and height are not known"),
        (BGR, {"params": {"pixelFormat": "bgr24", "width": 1000}}, "whole rows or columns of 3000 bytes; give both"),
        (bytes(240), {"params": {"pixelFormat": "bgr24", "width": 5}}, "whole rows or columns of 15 or 16 bytes"),
        (BGR, {"params": {"pixelFormat": "bgr24", "height": 576, "stride": "2304"}}, "does not follow from a stride"),
        (BGR, {"params": {"pixelFormat": "bgr24", "width": 768, "stride": "0"}}, "columns of 0 bytes"),
        (b"", {"params": {"pixelFormat": "bgr24", "width": 768}}, "does not follow from its 0 bytes"),
        (BGR, {"params": QUERY | {"stride": "2303"}}, "at least 2304 bytes."),
        (BGR, {"params": QUERY | {"stride": "0"}}, "at least 2304 bytes."),
        (BGR, {"params": QUERY | {"stride": "2304,1,1"}}, "expected one number of at least 2304 bytes."),
        (BGR, {"params": QUERY | {"pixelFormat": "yuv420p", "stride": "768,384"}}, "or 3 of at least 768, 384, 384."),
        (BGR, {"params": QUERY | {"stride": "999999999"}}, "takes 575999999424 bytes"),
        (BGR, {"params": QUERY | {"stride": "9999999999"}}, "The query parameter 'stride' is wrong"),
        (
            BGR,
            {"params": QUERY | {"stride": "-1"}},
            "'stride' is wrong: expected the bytes from one row to the next, one number or one",
        ),
        (BGR, {"params": QUERY | {"width": 0}}, "'width' is out of range: expected a whole number from 1 to 65535."),
        (BGR, {"params": QUERY | {"width": -768}}, "'width' is out of range"),
        (BGR, {"params": QUERY | {"width": 2**63}}, "'width' is out of range"),
        (BGR, {"params": QUERY | {"width": "7e2"}}, "'width' is not a whole number"),
        (BGR, {"params": QUERY | {"pixelFormat": "nv12"}}, "expected one of yuv420p, rgb565be, rgb565le,"),
        (BGR, {"content_type": "image/x-raw; width=0"}, "The Content-Type's parameter 'width' is wrong"),
        (BGR, {"content_type": "image/x-raw; width=99999999999999999999"}, "from 1 to 65535."),
        (BGR, {"content_type": "image/x-raw; width=(int)x"}, "The Content-Type's parameter 'width' is wrong"),
        (BGR, {"content_type": "image/x-raw; format=NV12"}, "The Content-Type's parameter 'format' is wrong"),
        (BGR, {"content_type": "image/x-raw; stride=1,x"}, "The Content-Type's parameter 'stride' is wrong"),
        (
            BGR,
            {"headers": {"x-frame-width": "65536"}},
            "The header 'x-frame-width' is wrong: expected a whole number from 1 to 65535.",
        ),
        (BGR, {"headers": {"x-frame-height": "-1"}}, "The header 'x-frame-height' is wrong"),
        (BGR, {"content_type": "image/x-raw; width=768; width=1"}, "a parameter twice"),
        (BGR, {"content_type": "image/x-raw; width=7(int)68"}, "parameter 'width' is wrong"),
        (BGR, {"headers": {"x-frame-pixel-format": "x"}}, "The header 'x-frame-pixel-format' is wrong"),
    ],
)
def test_what_does_not_fit_is_refused(server: LiveServer, body: bytes, said: dict[str, Any], detail: str) -> None:
    answer = post(server, body, **said)
    assert answer.status_code == 400
    assert detail in answer.json()["detail"]


def test_a_frame_of_too_many_pixels_is_refused_by_its_description(server: LiveServer) -> None:
    answer = post(server, b"", params={"width": 65535, "height": 65535, "pixelFormat": "bgra"})
    assert answer.status_code == 413
    assert "65535 x 65535 pixels" in answer.json()["detail"]


def test_an_encoded_picture_under_the_label_is_taken_at_its_word(server: LiveServer) -> None:
    answer = post(server, STREET.read_bytes(), params=QUERY)
    assert answer.status_code == 400


def test_a_description_does_no_harm_to_an_encoded_picture(server: LiveServer) -> None:
    answer = post(server, STREET.read_bytes(), "image/jpeg", params=QUERY)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("name", "pixel_format"),
    [
        ("I420", "yuv420p"),
        ("RGB", "rgb24"),
        ("BGR", "bgr24"),
        ("RGBx", "rgba"),
        ("BGRx", "bgra"),
        ("xRGB", "argb"),
        ("xBGR", "abgr"),
        ("RGB16", "rgb565le"),
        ("RGB15", "rgb555le"),
    ],
)
def test_gstreamers_names(name: str, pixel_format: PixelFormat) -> None:
    """As its documentation describes them (video/x-raw); RGB15 and RGB16 in the byte order of x86 and ARM."""
    described = describe({"width": "4", "height": "2"}, f"image/x-raw;format={name}", {}, RawFrameConfig())
    assert described.pixel_format == pixel_format


YUV = {"width": "6", "height": "4", "pixelFormat": "yuv420p"}


@pytest.mark.parametrize(
    ("stride", "strides"),
    [("7", (7, 4, 4)), ("6", (6, 3, 3)), ("9,4,5", (9, 4, 5))],
    ids=["odd, halved upwards", "even", "one a plane"],
)
def test_strides_of_planes(stride: str, strides: tuple[int, ...]) -> None:
    described = describe(YUV | {"stride": stride}, "image/x-raw", {}, RawFrameConfig())
    length = strides[0] * 4 + (strides[1] + strides[2]) * 2
    assert described.layout(length).strides_bytes == strides
    assert layout_bytes(described.layout(length)) == length


@pytest.mark.parametrize("stride", ["8,4,4", "8", None], ids=["one a plane", "luma's", "not given"])
def test_gstreamers_own_frame_is_read_whatever_is_said_of_its_stride(stride: str | None) -> None:
    """I420 of 5 x 3: rows of 8 and 4 bytes, four rows of luma."""
    said = {"width": "5", "height": "3", "pixelFormat": "yuv420p"} | ({"stride": stride} if stride else {})
    layout = describe(said, "image/x-raw", {}, RawFrameConfig()).layout(48)
    assert layout == padded("yuv420p", (5, 3))


def test_width_alone_finds_padded_rows() -> None:
    described = describe({"width": "767", "pixelFormat": "bgr24"}, "image/x-raw", {}, RawFrameConfig())
    assert described.layout(2304 * 575) == padded("bgr24", (767, 575))
    assert described.layout(2301 * 575) == tight("bgr24", (767, 575))


def test_width_and_stride_give_the_height() -> None:
    said = {"width": "10", "stride": "40", "pixelFormat": "bgr24"}
    layout = describe(said, "image/x-raw", {}, RawFrameConfig()).layout(400)
    assert (layout.size_wh, layout.strides_bytes) == ((10, 10), (40,))


CONFIGURED = RawFrameConfig(width=64, height=48, pixel_format="bgr24", strides_bytes=(196,))


@pytest.mark.parametrize(
    ("said", "layout"),
    [
        ({}, RawLayout("bgr24", (64, 48), (196,), 48)),
        ({"height": "2"}, RawLayout("bgr24", (64, 2), (196,), 2)),
        ({"width": "32"}, tight("bgr24", (32, 48))),
        ({"pixelFormat": "rgba"}, tight("rgba", (64, 48))),
        ({"stride": "200"}, RawLayout("bgr24", (64, 48), (200,), 48)),
    ],
    ids=["nothing", "height", "width", "format", "stride"],
)
def test_what_is_said_beats_what_is_configured(said: dict[str, str], layout: RawLayout) -> None:
    assert describe(said, "image/x-raw", {}, CONFIGURED).layout(layout_bytes(layout)) == layout


def test_the_model_says_what_the_request_leaves_out(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path / "identity")
    with (folder / "model.yaml").open("a") as config:
        config.write("raw_frame: {width: 64, height: 48, pixel_format: bgr24, strides_bytes: [196]}\n")
    with serving(folder) as server:
        assert post(server, bytes(196 * 48)).status_code in {200, 204}
        assert "rows of 196 bytes takes 9408 bytes" in post(server, bytes(9000)).json()["detail"]
        assert "A frame of 32 x 48" in post(server, bytes(9000), params={"width": 32}).json()["detail"]


@pytest.mark.parametrize(
    "raw_frame",
    [
        "{width: 0}",
        "{pixel_format: nv12}",
        "{strides_bytes: [], width: 6, pixel_format: bgr24}",
        "{strides_bytes: [9]}",
    ],
)
def test_a_wrong_configuration_stops_the_start(tmp_path: Path, raw_frame: str) -> None:
    folder = write_identity_model(tmp_path / "identity")
    with (folder / "model.yaml").open("a") as config:
        config.write(f"raw_frame: {raw_frame}\n")
    with pytest.raises(ModelConfigError, match="raw_frame"):
        read_folder(folder)
