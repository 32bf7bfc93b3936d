"""Both ends of a frame on its lane, looked up by what its order names: bytes → pixels, results → bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from handlers.decoding.decoder import Decoder
from models.frame import DecodeTarget, Frame, Pixels
from models.letterbox import Size
from models.order import FrameOrder
from models.runtime.steps import Work

Encoder: TypeAlias = Callable[[Work, Decoder], bytes]
"""Returns the answer of a frame; empty when there is nothing to answer."""


@dataclass(frozen=True, slots=True)
class LaneCodec:
    """Decodes and encodes frames. Thread-safe: all lanes share it. Can be pickled.

    `encoders`: what an order may name → what encodes it.
    """

    decoder: Decoder
    encoders: Mapping[str, Encoder]

    def decode(self, order: FrameOrder, target: DecodeTarget) -> Frame:
        """Return the frame as a model wants it.

        Raises UndecodableFrameError, RawFrameError, TooManyPixelsError and MemoryError.
        """
        return self.decoder.frame(order.body, order.layout, target, upright=order.upright)

    def whole(self, order: FrameOrder) -> Frame:
        """Return the frame with all its pixels. Raises as `decode` does."""
        return self.decoder.whole(order.body, order.layout, upright=order.upright)

    def scaled(self, frame: Frame, target: DecodeTarget) -> Frame:
        """Return a whole frame as a model wants it."""
        return self.decoder.scaled(frame, target)

    def luma(self, order: FrameOrder) -> tuple[Pixels, Size]:
        """Return the frame in grey and reduced, uint8 [h, w], and its size in pixels. Raises as `decode` does."""
        return self.decoder.luma(order.body, order.layout, upright=order.upright)

    def encode(self, work: Work) -> bytes:
        """Return the answer in the encoding that the order names."""
        return self.encoders[work.order.encoding](work, self.decoder)
