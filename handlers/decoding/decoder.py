"""How one service decodes bodies: its limit of pixels, and its route from bytes to the model's pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from handlers.decoding import encoded
from handlers.decoding.luma import encoded_luma, raw_luma
from handlers.decoding.raw import decode_raw
from handlers.decoding.scaling import Convolution, Scaler, Unscaled
from handlers.decoding.turning import AS_STORED
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

    def frame(self, body: Body, layout: RawLayout | None, target: DecodeTarget, *, upright: bool = False) -> Frame:
        """Return the frame of a raw body, or without a layout, of a picture in one of CODECS. Raises as they do.

        `upright`: turn a picture as its EXIF orientation says. Raw frames have none.
        """
        return self.encoded(body, target, upright=upright) if layout is None else self.raw(body, layout, target)

    def encoded(self, body: Body, target: DecodeTarget, *, upright: bool = False) -> Frame:
        """Return the frame of a picture in one of CODECS.

        Raises UndecodableFrameError, TooManyPixelsError and MemoryError.
        """
        turn = encoded.turn_of(body) if upright else AS_STORED
        stored = encoded.decode(body, self.max_pixels, ROUTES[self.route](turn.target(target)))
        return turn.frame(stored)

    def raw(self, body: Body, layout: RawLayout, target: DecodeTarget) -> Frame:
        """Return the frame of a raw body; raises RawFrameError, TooManyPixelsError and MemoryError."""
        return decode_raw(body, layout, self.max_pixels, ROUTES[self.route](target))

    def whole(self, body: Body, layout: RawLayout | None = None, *, upright: bool = False) -> Frame:
        """Return the frame with all its pixels; without a layout, of a picture in one of CODECS."""
        if layout is not None:
            return decode_raw(body, layout, self.max_pixels, Unscaled())
        turn = encoded.turn_of(body) if upright else AS_STORED
        return turn.frame(encoded.decode(body, self.max_pixels, Unscaled()))

    def scaled(self, frame: Frame, target: DecodeTarget) -> Frame:
        """Return a frame that has all its pixels at a model's target."""
        return ROUTES[self.route](target).frame(frame.pixels_hwc, frame.channel_order)

    def luma(self, body: Body, layout: RawLayout | None = None, *, upright: bool = False) -> tuple[Pixels, Size]:
        """Return the whole picture in grey and reduced, uint8 [h, w], and its size in pixels before that.

        Cheap, and enough to see whether it has changed. Raises as `frame` does.
        """
        if layout is not None:
            return raw_luma(body, layout, self.max_pixels)
        return encoded_luma(body, self.max_pixels, encoded.turn_of(body) if upright else AS_STORED)
