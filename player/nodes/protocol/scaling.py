"""How a picture is scaled for an extension, and where the boxes of its answer are on the picture itself."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from player.errors import TopologyError
from player.flow import Inference, SizeWh
from player.nodes.protocol.boxes import Box, box_of

MAX_SIDE = 8192
"""Of a side that is not given: a camera may send pictures of any shape."""

ScaleMode: TypeAlias = Literal["pad", "preserveAspectRatio", "stretch", "none"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the scaled picture lies on what is sent. Sizes and the offset of its top left corner are in pixels."""

    canvas_wh: SizeWh
    picture_wh: SizeWh
    offset_xy: tuple[int, int] = (0, 0)

    @property
    def has_padding(self) -> bool:
        """Return whether the picture fills only a part of the canvas."""
        return self.canvas_wh != self.picture_wh

    def restored(self, box: Box) -> Box | None:
        """Return a box on the canvas as one on the picture, cut off at its edges; None for one beside the picture."""
        if not self.has_padding:
            return box
        ends = (box["l"], box["l"] + box["w"]), (box["t"], box["t"] + box["h"])
        (left, right), (top, bottom) = (self._shares(*ends[axis], axis) for axis in (0, 1))
        return box_of((left, top, right, bottom))

    def _shares(self, start: float, end: float, axis: int) -> tuple[float, float]:
        canvas, picture, offset = self.canvas_wh[axis], self.picture_wh[axis], self.offset_xy[axis]
        return (start * canvas - offset) / picture, (end * canvas - offset) / picture


@dataclass(frozen=True, slots=True)
class Scale:
    """How a picture is scaled, as `image.scale` of a topology says.

    `pad`: to fit into width and height, centred on black. `preserveAspectRatio`: to fit into them without padding, or
    to the one that is given. `stretch`: to both. `none`: not at all. Small pictures are enlarged.
    """

    mode: ScaleMode = "none"
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        """Raise TopologyError if a side is missing."""
        given = [side for side in (self.width, self.height) if side is not None]
        needed = {"pad": 2, "stretch": 2, "preserveAspectRatio": 1, "none": 0}[self.mode]
        if len(given) < needed or any(side < 1 for side in given):
            what = "a width and a height" if needed == 2 else "a width, a height, or both"  # noqa: PLR2004
            raise TopologyError(f'The scale mode "{self.mode}" needs {what}, each of at least 1 pixel.')

    def placed(self, source_wh: SizeWh, step: int = 1) -> Placement:
        """Return where a picture of a size lies.

        `step`: of which the picture's sides and its offset are multiples, unless a side fills the canvas: 2 where two
        pixels share their colour. What does not divide by two is at the right and at the bottom.
        """
        if self.mode == "none":
            return Placement(source_wh, source_wh)
        canvas_wh = self.width or 0, self.height or 0
        if self.mode == "stretch":
            return Placement(canvas_wh, canvas_wh)
        fitted_wh = _fitted(source_wh, canvas_wh)
        if self.mode == "preserveAspectRatio":
            return Placement(fitted_wh, fitted_wh)
        sides = zip(fitted_wh, canvas_wh, strict=True)
        width, height = (side if side == whole else max(step, side // step * step) for side, whole in sides)
        width, height = min(width, canvas_wh[0]), min(height, canvas_wh[1])
        left, top = (canvas_wh[0] - width) // 2, (canvas_wh[1] - height) // 2
        return Placement(canvas_wh, (width, height), (left // step * step, top // step * step))


def restored(inference: Inference, placement: Placement) -> Inference | None:
    """Return an inference about the canvas as one about the picture; None for an object or motion beside the picture.

    An event beside the picture loses its box.
    """
    payload = inference.get(inference["type"], {})
    if "box" not in payload or not placement.has_padding:
        return inference
    box = placement.restored(payload["box"])
    if box is None and inference["type"] != "event":
        return None
    kept: dict[str, Any] = {name: value for name, value in payload.items() if name != "box"}
    return {**inference, inference["type"]: kept if box is None else {**kept, "box": box}}


def _fitted(source_wh: SizeWh, limits_wh: SizeWh) -> SizeWh:
    """Return a size of the same shape, as large as the limits allow; a limit of 0 is MAX_SIDE."""
    factor = min((limit or MAX_SIDE) / side for side, limit in zip(source_wh, limits_wh, strict=True))
    width, height = (max(1, round(side * factor)) for side in source_wh)
    return width, height
