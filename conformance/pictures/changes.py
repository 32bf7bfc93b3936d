"""Pictures that are changed so that it is known where their objects must be afterwards."""

from PIL import Image, ImageOps

GREY, BLACK = (114, 114, 114), (0, 0, 0)


def mirrored(image: Image.Image) -> Image.Image:
    """Return a picture whose left is right."""
    return ImageOps.mirror(image)


def upside_down(image: Image.Image) -> Image.Image:
    """Return a picture whose top is at the bottom."""
    return ImageOps.flip(image)


def scaled(image: Image.Image, size_wh: tuple[int, int]) -> Image.Image:
    """Return a picture of another size; its proportions may change."""
    return image.resize(size_wh, Image.Resampling.LANCZOS)


def placed(
    image: Image.Image, size_wh: tuple[int, int], place_xy: tuple[int, int], colour: tuple[int, int, int]
) -> Image.Image:
    """Return a canvas of one colour with a picture at a place of it."""
    canvas = Image.new("RGB", size_wh, colour)
    canvas.paste(image, place_xy)
    return canvas
