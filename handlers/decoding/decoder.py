"""How one service decodes bodies: its limit of pixels, and its route from bytes to the model's pixels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from handlers.decoding import encoded
from handlers.decoding.encoded import CODECS, Codec
from handlers.decoding.raw import decode_raw
from handlers.decoding.scaling import AveragingScaler, Scaler, Unscaled
from handlers.errors import ConfigurationError
from models.frame import DecodeTarget, Frame, RawLayout

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
    """Decodes bodies into frames at a model's target. Immutable, for all lanes at once.

    `max_pixels`: of a picture, before scaling. Raises ConfigurationError if the route's packages are not installed.
    """

    def __init__(self, max_pixels: int, route: RouteName = "exact") -> None:
        self._arguments = max_pixels, route
        self._max_pixels = max_pixels
        self._route = ROUTES[route]()

    def __reduce__(self) -> tuple[type["Decoder"], tuple[int, RouteName]]:
        """Describe how to make this decoder in another process."""
        return Decoder, self._arguments

    def encoded(self, body: bytes, target: DecodeTarget) -> Frame:
        """Return the frame of a picture in one of CODECS; raises UndecodableFrameError and TooManyPixelsError."""
        return encoded.decode(body, self._max_pixels, self._route.scaler(target), self._route.codecs)

    def raw(self, body: bytes, layout: RawLayout, target: DecodeTarget) -> Frame:
        """Return the frame of a raw body; raises RawFrameError and TooManyPixelsError."""
        return decode_raw(body, layout, self._max_pixels, self._route.scaler(target))

    def whole(self, body: bytes, layout: RawLayout | None = None) -> Frame:
        """Return the frame with all its pixels; without a layout, of a picture in one of CODECS."""
        if layout is None:
            return encoded.decode(body, self._max_pixels, Unscaled())
        return decode_raw(body, layout, self._max_pixels, Unscaled())
