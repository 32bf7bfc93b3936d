"""How one service decodes bodies: its limit of pixels, and its route from bytes to the model's pixels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from handlers.decoding import encoded
from handlers.decoding.encoded import CODECS, Codec
from handlers.decoding.raw import decode_raw
from handlers.decoding.scaling import AveragingScaler, Scaler, Unscaled
from handlers.errors import ConfigurationError
from models.frame import Body, DecodeTarget, Frame, RawLayout

RouteName: TypeAlias = Literal["exact", "fast", "plain"]


@dataclass(frozen=True, slots=True)
class Route:
    """One way to the model's pixels: the codecs, and the scaler for a model's target."""

    codecs: Mapping[str, Codec]
    scaler: Callable[[DecodeTarget], Scaler]


def _fast() -> Route:
    try:
        from handlers.decoding import fast  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise ConfigurationError("The setting decoding is fast, which needs: pip install 'framehook[fast]'.") from error
    jpeg = replace(CODECS["image/jpeg"], shortcut=fast.decode_jpeg)
    return Route(CODECS | {"image/jpeg": jpeg}, fast.FastScaler)


ROUTES: dict[RouteName, Callable[[], Route]] = {
    "exact": lambda: Route(CODECS, AveragingScaler),
    "fast": _fast,
    "plain": lambda: Route(CODECS, lambda _: Unscaled()),
}


class Decoder:
    """Decodes bodies into frames at a model's target. Immutable, for all lanes at once; can be pickled.

    `max_pixels`: of a picture, before scaling. Raises ConfigurationError if the route's packages are not installed.
    """

    def __init__(self, max_pixels: int, route: RouteName = "exact") -> None:
        self._arguments = max_pixels, route
        self._max_pixels = max_pixels
        self._route = ROUTES[route]()

    def __reduce__(self) -> tuple[type["Decoder"], tuple[int, RouteName]]:
        """Another process looks the route up by its name."""
        return Decoder, self._arguments

    def frame(self, body: Body, layout: RawLayout | None, target: DecodeTarget) -> Frame:
        """Return the frame of a raw body, or without a layout, of a picture in one of CODECS. Raises as they do."""
        return self.encoded(body, target) if layout is None else self.raw(body, layout, target)

    def encoded(self, body: Body, target: DecodeTarget) -> Frame:
        """Return the frame of a picture in one of CODECS.

        Raises UndecodableFrameError, TooManyPixelsError and MemoryError.
        """
        return encoded.decode(body, self._max_pixels, self._route.scaler(target), self._route.codecs)

    def raw(self, body: Body, layout: RawLayout, target: DecodeTarget) -> Frame:
        """Return the frame of a raw body; raises RawFrameError, TooManyPixelsError and MemoryError."""
        return decode_raw(body, layout, self._max_pixels, self._route.scaler(target))

    def whole(self, body: Body, layout: RawLayout | None = None) -> Frame:
        """Return the frame with all its pixels; without a layout, of a picture in one of CODECS."""
        if layout is None:
            return encoded.decode(body, self._max_pixels, Unscaled())
        return decode_raw(body, layout, self._max_pixels, Unscaled())
