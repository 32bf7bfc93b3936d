"""How a frame is sent: its size, and its format."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Discriminator, Field, Tag, model_validator

from player.flow import PixelFormat
from player.topology.sections.endpoints import kind_of
from player.topology.sections.keys import Keyed, folded

ScaleMode: TypeAlias = Literal["preserveAspectRatio", "pad", "stretch"]
Side: TypeAlias = Annotated[int, Field(ge=1, le=8192)]


class Scale(Keyed):
    """The size of pictures that are sent, in pixels.

    `mode`: `pad` and `stretch` need both sides; with `preserveAspectRatio` a picture has one side, or fits into both.
    """

    mode: Annotated[ScaleMode, folded(ScaleMode)] = "pad"
    width: Side | None = None
    height: Side | None = None

    @model_validator(mode="after")
    def _has_sides(self) -> Self:
        given = [side for side in (self.width, self.height) if side]
        if not given or (self.mode != "preserveAspectRatio" and len(given) == 1):
            raise ValueError(f"{self.mode} needs width {'or' if self.mode == 'preserveAspectRatio' else 'and'} height")
        return self


ENCODED = frozenset({"encoding"})
"""What Live Video Analytics 1.0 has in place of a type for each format."""


class ImageFormatBmp(Keyed):
    """Windows bitmaps: large, exact, and quick to make."""

    unused_keys = ENCODED | {"quality"}


class ImageFormatJpeg(Keyed):
    """JPEG. `quality`: 0..100."""

    unused_keys = ENCODED

    quality: Annotated[int, Field(ge=0, le=100)] = 90


class ImageFormatPng(Keyed):
    """PNG."""

    unused_keys = ENCODED | {"quality"}


class ImageFormatRaw(Keyed):
    """Pixels without a header."""

    pixel_format: Annotated[PixelFormat, folded(PixelFormat)]


def _kind_of_format(section: Any) -> str:
    """Return the kind of a format; the one type that the dialect of LVA 1.0 has for all encodings is split up."""
    kind = kind_of(section)
    if kind != "imageformatencoded":
        return kind
    encoding = next((section[key] for key in section if key.lower() == "encoding"), None)
    return f"imageformat{encoding or 'bmp'}".lower()


ImageFormat: TypeAlias = Annotated[
    Annotated[ImageFormatBmp, Tag("imageformatbmp")]
    | Annotated[ImageFormatJpeg, Tag("imageformatjpeg")]
    | Annotated[ImageFormatPng, Tag("imageformatpng")]
    | Annotated[ImageFormatRaw, Tag("imageformatraw")],
    Discriminator(
        _kind_of_format,
        custom_error_type="kind",
        custom_error_message="expected an @type of ImageFormatBmp, ImageFormatJpeg, ImageFormatPng or ImageFormatRaw",
    ),
]


class Image(Keyed):
    """How pictures are sent. `scale`: None: in the size of the source."""

    scale: Scale | None = None
    format: ImageFormat = ImageFormatBmp()
