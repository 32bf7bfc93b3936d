"""What a topology says of the pictures that an extension gets, as the nodes know it."""

from player.nodes.protocol.encoding import ImageFormat, ImageSettings
from player.nodes.protocol.scaling import Scale
from player.topology.sections import images as records


def image_settings(image: records.Image) -> ImageSettings:
    """Return how pictures are scaled and encoded."""
    scale = Scale() if image.scale is None else Scale(image.scale.mode, image.scale.width, image.scale.height)
    match image.format:
        case records.ImageFormatJpeg(quality=quality):
            return ImageSettings(scale, ImageFormat("jpeg", quality=quality))
        case records.ImageFormatPng():
            return ImageSettings(scale, ImageFormat("png"))
        case records.ImageFormatRaw(pixel_format=pixel_format):
            return ImageSettings(scale, ImageFormat("raw", pixel_format=pixel_format))
        case _:
            return ImageSettings(scale)
