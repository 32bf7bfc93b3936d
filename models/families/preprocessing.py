"""From a frame to a model's inputs: the picture letterboxed, in the file's layout, normalised as model.yaml says."""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.boxes import Floats
from models.errors import ModelConfigError
from models.families.config import InputConfig
from models.families.signature import Fed, Feeds, Signature, Tensor
from models.frame import DecodeTarget, Frame
from models.letterbox import Letterbox

Layout: TypeAlias = Literal["nchw", "nhwc"]
OtherInput: TypeAlias = Callable[[Letterbox], Fed]
"""Computes a model's input other than the picture from where the picture lies on the canvas."""


class PictureInput:
    """Turns frames into a model's inputs. Immutable.

    Finds the picture input and its layout in the file; raises ModelConfigError if there is none that can be fed.
    `others`: what computes each of the other inputs, by name.
    """

    def __init__(
        self, config: InputConfig, signature: Signature, others: Mapping[str, OtherInput] | None = None
    ) -> None:
        self._config = config
        self._others = dict(others or {})
        layouts = picture_layouts(config)
        self._name, tensor = signature.expect_input(*layouts, others=frozenset(self._others))
        _refuse_fixed_batch(self._name, signature.inputs[self._name])
        self._takes_bytes = tensor.dtype == "uint8"
        self._channels_first = layouts[tensor] == "nchw"
        if config.resize == "within":
            _expect_any_size(self._name, signature.inputs[self._name], layouts[tensor])
        self._factor, self._offset = normalisation(config)
        self._is_plain = bool((self._factor == 1).all() and (self._offset == 0).all())

    @property
    def target(self) -> DecodeTarget:
        """Return the pixels that a decoder should deliver."""
        return self._config.target

    def preprocess(self, frame: Frame) -> tuple[Feeds, Letterbox]:
        """Return the model's inputs by name, and where the picture lies on the model's canvas.

        The picture is float32, normalised as model.yaml says, or uint8 as it is; [1, channels, height, width] or
        [1, height, width, channels], as the file expects. Raises ValueError if the frame shows another part of the
        picture than the model needs.
        """
        letterbox = self.target.letterbox(frame.source_size_wh)
        others = {name: compute(letterbox) for name, compute in self._others.items()}
        return {self._name: self._tensor(frame, letterbox), **others}, letterbox

    def _tensor(self, frame: Frame, letterbox: Letterbox) -> Fed:
        pixels_hwc = self._on_canvas(frame.rgb_in(letterbox), letterbox)
        if self._config.colour_order == "bgr":
            pixels_hwc = pixels_hwc[..., ::-1]
        elif self._config.colour_order == "grey":
            pixels_hwc = np.asarray(Image.fromarray(pixels_hwc).convert("L"))[..., None]
        if self._takes_bytes:
            pixels = pixels_hwc.transpose(2, 0, 1) if self._channels_first else pixels_hwc
            return np.ascontiguousarray(pixels)[None]
        return self._normalised(pixels_hwc)[None]

    def _on_canvas(self, rgb_hwc: NDArray[np.uint8], letterbox: Letterbox) -> NDArray[np.uint8]:
        if letterbox.fills_the_canvas:
            return rgb_hwc
        (width, height), (left, top) = letterbox.canvas_wh, letterbox.offset_xy
        canvas = np.full((height, width, 3), self._config.padding, np.uint8)
        canvas[top : top + rgb_hwc.shape[0], left : left + rgb_hwc.shape[1]] = rgb_hwc
        return canvas

    def _normalised(self, pixels_hwc: NDArray[np.uint8]) -> NDArray[np.float32]:
        factor, offset = self._factor, self._offset
        if self._channels_first:
            pixels_hwc = pixels_hwc.transpose(2, 0, 1)
            factor, offset = factor[:, None, None], offset[:, None, None]
        values = pixels_hwc.astype(np.float32, order="C")
        if not self._is_plain:
            values *= factor
            values += offset
        return values


def picture_layouts(config: InputConfig) -> dict[Tensor, Layout]:
    """Return the tensors that a picture input may be, each with its layout, in order of preference.

    float32 or uint8, in the layout that model.yaml names, or else in any. uint8 [N, height, width, channels] is always
    among them, because prepared files take it.
    """
    (width, height), channels = config.size_wh, config.channels
    shapes: dict[Layout, tuple[int | None, ...]] = {
        "nchw": (None, channels, height, width),
        "nhwc": (None, height, width, channels),
    }
    named: tuple[Layout, ...] = (config.layout,) if config.layout else ("nchw", "nhwc")
    float_tensors = {Tensor("float32", shapes[layout]): layout for layout in named}
    return float_tensors | {Tensor("uint8", shapes[layout]): layout for layout in (*named, "nhwc")}


def _refuse_fixed_batch(name: str, picture: Tensor) -> None:
    """Raise ModelConfigError if the file takes several pictures at once, no more and no fewer."""
    if isinstance(picture.shape[0], int) and picture.shape[0] > 1:
        raise ModelConfigError(
            f"input {name} takes {picture.shape[0]} pictures at once, {picture}: export the model with a batch of 1, "
            "or with a free batch axis."
        )


def _expect_any_size(name: str, picture: Tensor, layout: Layout) -> None:
    """Raise ModelConfigError if the picture input has a fixed size, although each picture has a canvas of its own."""
    sides = picture.shape[2:] if layout == "nchw" else picture.shape[1:3]
    if any(isinstance(side, int) for side in sides):
        raise ModelConfigError(f"input.resize within: expected input {name} with free height and width, got {picture}.")


def normalisation(config: InputConfig) -> tuple[Floats, Floats]:
    """Return factor and offset, float32 [channels]: the values fed are pixel * factor + offset."""
    mean, std = (
        np.array(values[:1] if config.channels == 1 else values, np.float32) for values in (config.mean, config.std)
    )
    factor, offset = (np.broadcast_to(values, config.channels) for values in (config.scale / std, -mean / std))
    return np.asarray(factor, np.float32), np.asarray(offset, np.float32)
