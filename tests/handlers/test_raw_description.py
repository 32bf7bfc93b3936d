"""What a request says of its raw frame: where it may say it, what wins, what follows from what, and what is refused."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from handlers.decoding.raw import padded, tight
from models.frame import PIXEL_FORMAT_NAMES, PixelFormat
from tests.support.graphs import write_identity_model
from tests.support.matching import assert_matches, flat
from tests.support.pictures import STREET, street
from tests.support.raw import raw
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
    "width alone": {"params": {"width": 768, "pixelFormat": "bgr24"}},
    "height alone": {"params": {"height": 576, "pixelFormat": "bgr24"}},
    "width and stride": {"params": {"width": 768, "stride": "2304", "pixelFormat": "bgr24"}},
}


@pytest.mark.parametrize("said", SAID.values(), ids=list(SAID))
def test_a_frame_can_be_described_in_many_ways(server: LiveServer, said: dict[str, Any]) -> None:
    expected = flat(server.client.post("/inference", content=STREET.read_bytes()).json())
    assert_matches(post(server, BGR, **said).json(), expected)


def test_rows_padded_by_gstreamer_are_told_by_the_length(server: LiveServer) -> None:
    picture = np.asarray(street().crop((0, 0, 767, 575)))
    body, _ = raw(picture, padded("bgr24", (767, 575)))
    expected = flat(post(server, body, params={"width": 767, "height": 575, "pixelFormat": "bgr24"}).json())
    told = post(server, body, params={"width": 767, "height": 575, "pixelFormat": "bgr24", "stride": "2304"})
    assert flat(told.json()) == expected
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
        (BGR, {}, "pixel format cannot be told"),
        (BGR, {"params": {"pixelFormat": "bgr24"}}, "width and height cannot be told"),
        (BGR, {"params": {"pixelFormat": "yuv420p", "width": 768}}, "width and height cannot be told"),
        (BGR, {"params": {"pixelFormat": "bgr24", "width": 1000}}, "width and height cannot be told"),
        (b"", {"params": {"pixelFormat": "bgr24", "width": 768}}, "width and height cannot be told"),
        (BGR, {"params": QUERY | {"stride": "2303"}}, "at least 2304 bytes."),
        (BGR, {"params": QUERY | {"stride": "0"}}, "at least 2304 bytes."),
        (BGR, {"params": QUERY | {"stride": "2304,1,1"}}, "expected one number of at least 2304 bytes."),
        (BGR, {"params": QUERY | {"pixelFormat": "yuv420p", "stride": "768,384"}}, "or 3 of at least 768, 384, 384."),
        (BGR, {"params": QUERY | {"stride": "999999999"}}, "takes 575999999424 bytes"),
        (BGR, {"params": QUERY | {"stride": "9999999999"}}, "The query parameter 'stride' is wrong"),
        (BGR, {"params": QUERY | {"stride": "-1"}}, "'stride' is wrong: expected text like 1920."),
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
        (BGR, {"headers": {"x-frame-width": "65536"}}, "The header 'x-frame-width' is wrong"),
        (BGR, {"headers": {"x-frame-height": "-1"}}, "The header 'x-frame-height' is wrong: expected text like 480."),
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


def test_the_model_says_what_the_request_leaves_out(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path / "identity")
    with (folder / "model.yaml").open("a") as config:
        config.write("raw_frame: {width: 64, height: 48, pixel_format: bgr24, strides_bytes: [196]}\n")
    with serving(folder) as server:
        assert post(server, bytes(196 * 48)).status_code in {200, 204}
        assert "rows of 196 bytes takes 9408 bytes" in post(server, bytes(9000)).json()["detail"]
        assert "A frame of 32 x 48" in post(server, bytes(9000), params={"width": 32}).json()["detail"]
