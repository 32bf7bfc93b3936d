"""How one service decodes bodies: its limit of pixels, and its route from bytes to the model's pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from handlers.decoding import encoded
from handlers.decoding.luma import encoded_luma, raw_luma
from handlers.decoding.raw import decode_raw
from handlers.decoding.scaling import Convolution, Scaler, Unscaled
from models.frame import Body, DecodeTarget, Frame, Pixels, RawLayout
from models.letterbox import Size

RouteName: TypeAlias = Literal["exact", "plain"]

ROUTES: dict[RouteName, Callable[[DecodeTarget], Scaler]] = {"exact": Convolution, "plain": lambda _: Unscaled()}
"""By name, what scales a picture for a model's target."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """Decodes bodies into frames at a model's target. For all lanes at once; can be pickled.

    `max_pixels`: of a picture, before scaling.
    """

    max_pixels: int
    route: RouteName = "exact"

    def frame(self, body: Body, layout: RawLayout | None, target: DecodeTarget) -> Frame:
        """Return the frame of a raw body, or without a layout, of a picture in one of CODECS. Raises as they do."""
        return self.encoded(body, target) if layout is None else self.raw(body, layout, target)

    def encoded(self, body: Body, target: DecodeTarget) -> Frame:
        """Return the frame of a picture in one of CODECS.

        Raises UndecodableFrameError, TooManyPixelsError and MemoryError.
        """
        return encoded.decode(body, self.max_pixels, ROUTES[self.route](target))

    def raw(self, body: Body, layout: RawLayout, target: DecodeTarget) -> Frame:
        """Return the frame of a raw body; raises RawFrameError, TooManyPixelsError and MemoryError."""
        return decode_raw(body, layout, self.max_pixels, ROUTES[self.route](target))

    def whole(self, body: Body, layout: RawLayout | None = None) -> Frame:
        """Return the frame with all its pixels; without a layout, of a picture in one of CODECS."""
        if layout is None:
            return encoded.decode(body, self.max_pixels, Unscaled())
        return decode_raw(body, layout, self.max_pixels, Unscaled())

    def scaled(self, frame: Frame, target: DecodeTarget) -> Frame:
        """Return a frame that has all its pixels at a model's target."""
        return ROUTES[self.route](target).frame(frame.pixels_hwc, frame.channel_order)

    def luma(self, body: Body, layout: RawLayout | None = None) -> tuple[Pixels, Size]:
        """Return the whole picture in grey and reduced, uint8 [h, w], and its size as received, in pixels.

        Cheap, and enough to see whether it has changed. Raises as `frame` does.
        """
        return encoded_luma(body, self.max_pixels) if layout is None else raw_luma(body, layout, self.max_pixels)
