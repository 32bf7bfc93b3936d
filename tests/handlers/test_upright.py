"""EXIF orientation over HTTP: applied where people post photos, and on the protocol's paths if so requested."""

import io
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from handlers.decoding.decoder import Decoder
from handlers.encoding.encoders import ENCODERS
from handlers.encoding.lane_codec import LaneCodec
from lab.graphs import board, number_in
from lab.pictures import STORED, encode, lying, street
from models.frame import DecodeTarget
from models.order import FrameOrder
from tests.support.live import parts_in
from tests.support.models.matching import flat
from tests.support.server import LiveServer
from tests.support.waiting import PATIENCE_S, wait_for

NUMBER = 0x12345
REQUESTS = [("/inference", "PNG", "apply"), ("/score", "WebP", "apply"), ("/inference/identity", "PNG", "Apply")]
FRAME = encode(board(NUMBER), "PNG")


def numbers(document: dict[str, object]) -> list[int]:
    return [number_in(found) for found in flat(document)]


def listed(server: LiveServer, stream: str) -> dict[str, Any]:
    """Return the record of a stream."""
    return next(each for each in server.client.get("/streams").json()["streams"] if each["id"] == stream)


@pytest.mark.parametrize(("path", "name", "written"), REQUESTS)
@pytest.mark.parametrize("orientation", STORED)
def test_a_frame_is_turned_on_request(
    identity: LiveServer, path: str, name: str, written: str, orientation: int
) -> None:
    body = lying(board(NUMBER), orientation, name)
    assert numbers(identity.client.post(path, content=body, params={"exif": written}).json()) == [NUMBER]


@pytest.mark.parametrize("params", [{}, {"exif": "ignore"}], ids=str)
def test_the_protocols_paths_take_the_frame_as_it_is(server: LiveServer, params: dict[str, str]) -> None:
    body = lying(street(), 6)
    answer = server.client.post("/inference", content=body, params=params)
    exif_at = body.index(b"Exif")
    without = body[:exif_at] + b"exif" + body[exif_at + 4 :]
    assert flat(answer.json()) == flat(server.client.post("/inference", content=without).json())
    applied = server.client.post("/inference", content=body, params={"exif": "apply"})
    assert flat(applied.json()) != flat(answer.json())


def test_other_words_are_refused(identity: LiveServer) -> None:
    answer = identity.client.post("/inference", content=FRAME, params={"exif": "sideways"})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "The query parameter 'exif' is wrong: expected one of ignore, apply."


def test_a_raw_frame_has_no_orientation(identity: LiveServer) -> None:
    picture = board(NUMBER)
    query: dict[str, str | int] = {
        "width": picture.width,
        "height": picture.height,
        "pixelFormat": "rgb24",
        "exif": "apply",
    }
    headers = {"Content-Type": "image/x-raw"}
    answer = identity.client.post("/inference", content=picture.tobytes(), params=query, headers=headers)
    assert numbers(answer.json()) == [NUMBER]


@pytest.mark.parametrize("path", ["/annotate", "/annotate/identity"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_drawn_picture_is_upright(identity: LiveServer, path: str, orientation: int) -> None:
    """With the box where it belongs, and without EXIF, which would turn it again."""
    picture = board(NUMBER).resize((800, 700), Image.Resampling.NEAREST)
    for media_type in ("image/png", "image/jpeg"):
        drawn, expected = (
            identity.client.post(path, content=body, headers={"Accept": media_type}).content
            for body in (lying(picture, orientation, "PNG"), encode(picture, "PNG"))
        )
        opened = Image.open(io.BytesIO(drawn))
        assert (opened.size, dict(opened.getexif())) == (picture.size, {})
        assert drawn == expected


@pytest.mark.parametrize("path", ["/v1/vision/detection", "/v1/vision/custom/identity"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_photo_in_a_form_is_turned(identity: LiveServer, path: str, orientation: int) -> None:
    upright, turned = (
        identity.client.post(path, files={"image": ("a.png", body)}).json()["predictions"]
        for body in (FRAME, lying(board(NUMBER), orientation, "PNG"))
    )
    assert upright == turned != []


@pytest.mark.parametrize(
    ("path", "size_wh"),
    [("/inference?exif=apply", (768, 576)), ("/annotate?", (768, 576)), ("/inference?exif=ignore", (576, 768))],
)
def test_viewers_of_a_stream_see_what_boxes_relate_to(
    identity: LiveServer, path: str, size_wh: tuple[int, int]
) -> None:
    stream = "turned" + "".join(filter(str.isalpha, path))
    body = lying(street(), 6)
    posted = f"{path}&stream={stream}"
    assert identity.client.post(posted, content=body).status_code == 200
    viewer = httpx.Client(base_url=identity.url, timeout=PATIENCE_S)
    with viewer, viewer.stream("GET", f"/mjpeg/{stream}?frames=1") as answer:
        wait_for(lambda: listed(identity, stream)["viewers"] == 1)
        assert identity.client.post(posted, content=body).status_code == 200
        [picture] = parts_in(answer.read())
    assert picture.size == size_wh
    assert listed(identity, stream)["size"] == dict(zip(("width", "height"), size_wh, strict=True))


def test_a_lane_turns_whatever_it_decodes() -> None:
    """Parts of the picture, pictures for chained models and luma, too."""
    codec = LaneCodec(Decoder(1_000_000), ENCODERS)
    stored, upright = FrameOrder(lying(street(), 8, "PNG"), upright=True), FrameOrder(encode(street(), "PNG"))
    target = DecodeTarget((300, 200))
    for decode in (codec.whole, lambda order: codec.decode(order, target)):
        turned, expected = decode(stored), decode(upright)
        assert turned.source_size_wh == expected.source_size_wh == street().size
        assert np.abs(turned.rgb((300, 200)).astype(int) - expected.rgb((300, 200))).max() <= 1
    (turned_luma, size_wh), (expected_luma, expected_wh) = codec.luma(stored), codec.luma(upright)
    assert (size_wh, turned_luma.shape) == (expected_wh, expected_luma.shape)
