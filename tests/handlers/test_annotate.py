"""The posted picture with boxes, over HTTP."""

import io

import numpy as np
import pytest
from PIL import Image

from handlers.annotate import preferred
from handlers.encoding.drawing import MAX_LONG_SIDE_PX
from lab.graphs import board
from lab.pictures import PHOTOS, blank, encode, street_as
from tests.support.models.matching import flat
from tests.support.server import LiveServer


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "image/jpeg"),
        ("*/*", "image/jpeg"),
        ("image/png", "image/png"),
        ("IMAGE/PNG;Q=0.9, image/*;q=0.8", "image/png"),
        ("image/*", "image/jpeg"),
        ("image/png;q=0.5, image/jpeg;q=0.4", "image/png"),
        ("image/png;q=0.5, */*;q=0.6", "image/jpeg"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/jpeg"),
        ("application/json", "image/jpeg"),
        (";q=,,image/png;q=x", "image/jpeg"),
    ],
)
def test_the_caller_chooses_the_format(accept: str, media_type: str) -> None:
    assert preferred(accept) == media_type


def test_boxes_are_drawn_where_they_are_told(server: LiveServer) -> None:
    """Every box that /inference reports is on the picture, and with a higher threshold the others are not."""
    body = street_as("PNG")
    reported = flat(server.client.post("/inference", content=body, params={"confidence": 0.7}).json())
    accept = {"Accept": "image/png"}
    answer = server.client.post("/annotate", content=body, params={"confidence": 0.7}, headers=accept)
    assert answer.headers["content-type"] == "image/png"
    drawn, plain = opened(answer.content), opened(body).convert("RGB")
    assert drawn.size == plain.size
    changed = (np.asarray(drawn) != np.asarray(plain)).any(axis=2)
    assert reported
    for detection in reported:
        left, top, width, height = (detection[side] for side in ("l", "t", "w", "h"))
        x, y = round(left * plain.width) + 1, round((top + height / 2) * plain.height)
        assert changed[y, max(0, x - 2) : x + 3].any()
        assert width > 0
    most = server.client.post("/annotate", content=body, params={"confidence": 1}, headers=accept)
    np.testing.assert_array_equal(np.asarray(opened(most.content)), np.asarray(plain))


@pytest.mark.parametrize("path", ["/annotate", "/annotate/efficientnet-lite0", "/annotate/blazeface-back"])
def test_every_model_is_drawn(server: LiveServer, path: str) -> None:
    photo = (PHOTOS / "astronaut.jpg").read_bytes()
    drawn, plain = (
        server.client.post(path, content=photo, headers={"Accept": "image/png"}, params={"confidence": confidence})
        for confidence in (0.1, 1)
    )
    assert (np.asarray(opened(drawn.content)) != np.asarray(opened(plain.content))).any()


def test_a_picture_with_nothing_in_it_comes_back(server: LiveServer) -> None:
    answer = server.client.post("/annotate", content=blank((800, 600)))
    assert (answer.status_code, opened(answer.content).size) == (200, (800, 600))


def test_small_pictures_come_enlarged(server: LiveServer) -> None:
    answer = server.client.post("/annotate", content=blank((64, 32)))
    assert opened(answer.content).size == (640, 320)


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png"])
@pytest.mark.parametrize(
    ("size_wh", "drawn_wh"),
    [
        ((2560, 1920), (2560, 1920)),
        ((5120, 1000), (2560, 500)),
        ((1000, 5120), (500, 2560)),
        ((65_535, 2), (2560, 1)),
        ((1, 65_501), (1, 2560)),
    ],
)
def test_large_pictures_come_reduced(
    identity: LiveServer, size_wh: tuple[int, int], drawn_wh: tuple[int, int], media_type: str
) -> None:
    """What is written costs by its pixels; and JPEG holds no side of more than 65 500."""
    query = f"width={size_wh[0]}&height={size_wh[1]}&pixelFormat=rgb24"
    headers = {"Content-Type": "image/x-raw", "Accept": media_type}
    raw = bytes(3 * size_wh[0] * size_wh[1])
    answer = identity.client.post(f"/annotate?{query}", content=raw, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert opened(answer.content).size == drawn_wh


LONG = Image.new("RGB", (65_500, 1), (90, 90, 90))
"""As long as libjpeg lets a JPEG be."""
LONGEST = {
    "jpeg": encode(LONG, "JPEG"),
    "png": encode(LONG.resize((1, 65_535)), "PNG"),
    "bmp": encode(LONG.resize((65_535, 1)), "BMP"),
    "bmp with a palette": encode(LONG.convert("L").resize((65_501, 1)), "BMP"),
}


@pytest.mark.parametrize("path", ["/annotate", "/inference", "/v1/vision/detection"])
@pytest.mark.parametrize("body", LONGEST.values(), ids=list(LONGEST))
def test_the_longest_sides_are_served_in_every_format(identity: LiveServer, body: bytes, path: str) -> None:
    sent = {"files": {"image": ("x", body)}} if path.startswith("/v1/") else {"content": body}
    assert identity.client.post(path, params={"confidence": 1}, **sent).status_code in {200, 204}


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png"])
def test_the_dearest_picture_to_draw_costs_a_bounded_time(identity: LiveServer, media_type: str) -> None:
    """36 million pixels of noise, as PNG: 10 s, and an answer of 56 MB, if all of them are written."""
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 100, (1500, 1500, 3), np.uint8))
    body = encode(noise.resize((6000, 6000), Image.Resampling.NEAREST), "JPEG", quality=30)
    answer = identity.client.post("/annotate", content=body, headers={"Accept": media_type})
    assert max(opened(answer.content).size) == MAX_LONG_SIDE_PX
    assert len(answer.content) < 4 * MAX_LONG_SIDE_PX**2


def test_raw_frames_are_drawn_in_their_colours(identity: LiveServer) -> None:
    picture = board(7).resize((800, 600), Image.Resampling.NEAREST)
    raw = picture.tobytes("raw", "BGR")
    query = "width=800&height=600&pixelFormat=bgr24&confidence=1"
    headers = {"Content-Type": "image/x-raw", "Accept": "image/png"}
    answer = identity.client.post(f"/annotate?{query}", content=raw, headers=headers)
    alike = identity.client.post(
        "/annotate", content=encode(picture, "PNG"), params={"confidence": 1}, headers={"Accept": "image/png"}
    )
    np.testing.assert_array_equal(np.asarray(opened(answer.content)), np.asarray(opened(alike.content)))


def test_what_is_no_picture_is_refused_alike(identity: LiveServer) -> None:
    drawn, reported = (identity.client.post(path, content=b"rubbish") for path in ("/annotate", "/inference"))
    assert (drawn.status_code, drawn.json()) == (reported.status_code, reported.json())
