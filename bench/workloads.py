"""What cameras post: a size and a format each, made of any picture."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import av
import numpy as np
from PIL import Image

from handlers.decoding.decoder import Decoder
from handlers.decoding.raw import tight
from models.frame import DecodeTarget, Frame, PixelFormat, Pixels

QUALITY = 85
TARGET = DecodeTarget((300, 300))


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of frame. `encode`: picture of `size_wh` → body; `decode`: our way; `by_hand`: as users write it."""

    size_wh: tuple[int, int]
    encode: Callable[[Image.Image], bytes]
    decode: Callable[[Decoder, bytes], Frame]
    by_hand: Callable[[bytes], Pixels]

    def bodies(self, frames: list[Image.Image]) -> list[bytes]:
        """Return the frames as this workload posts them, enlarged or reduced to its size."""
        return [self.encode(frame.resize(self.size_wh, Image.Resampling.BICUBIC)) for frame in frames]


def _file(name: str, size_wh: tuple[int, int]) -> Workload:
    def encode(picture: Image.Image) -> bytes:
        body = io.BytesIO()
        picture.save(body, name, quality=QUALITY)
        return body.getvalue()

    def by_hand(body: bytes) -> Pixels:
        picture = Image.open(io.BytesIO(body)).convert("RGB")
        return np.asarray(picture.resize(TARGET.size_wh, Image.Resampling.BILINEAR))

    return Workload(size_wh, encode, lambda decoder, body: decoder.encoded(body, TARGET), by_hand)


def _raw(pixel_format: PixelFormat, size_wh: tuple[int, int]) -> Workload:
    layout = tight(pixel_format, size_wh)

    def encode(picture: Image.Image) -> bytes:
        frame = av.VideoFrame.from_ndarray(np.asarray(picture), "rgb24").reformat(format=pixel_format)
        rows = [np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size) for plane in frame.planes]
        return b"".join(plane[:, :stride].tobytes() for plane, stride in zip(rows, layout.strides_bytes, strict=True))

    def by_hand(body: bytes) -> Pixels:
        rgb = Decoder(size_wh[0] * size_wh[1], "plain").raw(body, layout, TARGET).rgb(size_wh)
        picture = Image.fromarray(rgb).convert("RGB")
        return np.asarray(picture.resize(TARGET.size_wh, Image.Resampling.BILINEAR))

    return Workload(size_wh, encode, lambda decoder, body: decoder.raw(body, layout, TARGET), by_hand)


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


def routes(workload: Workload) -> dict[str, Callable[[bytes], Pixels]]:
    """Return every way from a body to the model's RGB: by hand, and the service's own routes."""

    def ours(decoder: Decoder, body: bytes) -> Pixels:
        return workload.decode(decoder, body).rgb(TARGET.size_wh)

    pixels = workload.size_wh[0] * workload.size_wh[1]
    return {
        "by hand": workload.by_hand,
        "plain": partial(ours, Decoder(pixels, "plain")),
        "exact": partial(ours, Decoder(pixels, "exact")),
        "fast": partial(ours, Decoder(pixels, "fast")),
    }
