"""What cameras post: a size and a format each, made from any picture."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import av
import numpy as np
from PIL import Image

from handlers.decoding.decoder import ROUTES, Decoder, RouteName
from handlers.decoding.raw import tight
from models.frame import DecodeTarget, Frame, PixelFormat, Pixels

QUALITY = 85
TARGET = DecodeTarget((300, 300))


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of frame.

    `encode`: picture of `size_wh` → body; `decode`: with the service's decoder; `open_by_hand`: as users do it.
    """

    size_wh: tuple[int, int]
    encode: Callable[[Image.Image], bytes]
    decode: Callable[[Decoder, bytes], Frame]
    open_by_hand: Callable[[bytes], Image.Image]

    def bodies(self, frames: list[Image.Image]) -> list[bytes]:
        """Return the frames as this workload posts them, enlarged or reduced to its size."""
        return [self.encode(frame.resize(self.size_wh, Image.Resampling.BICUBIC)) for frame in frames]


def _file(name: str, size_wh: tuple[int, int]) -> Workload:
    def encode(picture: Image.Image) -> bytes:
        body = io.BytesIO()
        picture.save(body, name, quality=QUALITY)
        return body.getvalue()

    def open_by_hand(body: bytes) -> Image.Image:
        return Image.open(io.BytesIO(body)).convert("RGB")

    return Workload(size_wh, encode, lambda decoder, body: decoder.encoded(body, TARGET), open_by_hand)


def _raw(pixel_format: PixelFormat, size_wh: tuple[int, int]) -> Workload:
    layout = tight(pixel_format, size_wh)

    def encode(picture: Image.Image) -> bytes:
        frame = av.VideoFrame.from_ndarray(np.asarray(picture), "rgb24").reformat(format=pixel_format)
        rows = [np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size) for plane in frame.planes]
        return b"".join(plane[:, :stride].tobytes() for plane, stride in zip(rows, layout.strides_bytes, strict=True))

    def open_by_hand(body: bytes) -> Image.Image:
        rgb = Decoder(size_wh[0] * size_wh[1], "plain").raw(body, layout, TARGET).rgb(size_wh)
        return Image.fromarray(rgb).convert("RGB")

    return Workload(size_wh, encode, lambda decoder, body: decoder.raw(body, layout, TARGET), open_by_hand)


HD, UHD = (1920, 1080), (3840, 2160)

WORKLOADS: Mapping[str, Workload] = {
    "416x416 BMP": _file("BMP", (416, 416)),
    "768x576 JPEG": _file("JPEG", (768, 576)),
    "1920x1080 JPEG": _file("JPEG", HD),
    "3840x2160 JPEG": _file("JPEG", UHD),
    "3840x2160 BMP": _file("BMP", UHD),
    "1920x1080 yuv420p": _raw("yuv420p", HD),
    "3840x2160 yuv420p": _raw("yuv420p", UHD),
    "3840x2160 bgr24": _raw("bgr24", UHD),
    "3840x2160 bgra": _raw("bgra", UHD),
    "3840x2160 rgb565le": _raw("rgb565le", UHD),
}
"""The first three are W1, W2 and W3 of the goals."""


Stages: TypeAlias = tuple[Callable[[bytes], Any], Callable[[Any], Pixels]]
"""Two stages: body → decoded frame, decoded frame → the model's RGB."""


def routes(workload: Workload) -> dict[str, Stages]:
    """Return every route from a body to the model's RGB: by hand, and the service's."""

    def resize_by_hand(picture: Image.Image) -> Pixels:
        return np.asarray(picture.resize(TARGET.size_wh, Image.Resampling.BILINEAR))

    def by_service(route: RouteName) -> Stages:
        decoder = Decoder(workload.size_wh[0] * workload.size_wh[1], route)
        return partial(workload.decode, decoder), lambda frame: frame.rgb(TARGET.size_wh)

    by_hand: dict[str, Stages] = {"by hand": (workload.open_by_hand, resize_by_hand)}
    return by_hand | {route: by_service(route) for route in ROUTES}
