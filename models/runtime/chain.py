"""Chained models: the objects that a model reports are cropped and given to other models; docs/chains.md."""

import math
from dataclasses import dataclass, replace

from models.boxes import BoxXyxy
from models.frame import DecodeTarget
from models.letterbox import Size
from models.order import FrameOrder
from models.repository.config import ThenConfig
from models.repository.folder import ModelFolder
from models.results import Chained, Detection, Results, TextLine, extensions_of_part
from models.runtime.steps import FrameCodec, Step, Work


@dataclass(frozen=True, slots=True)
class Then(Step):
    """Gives the reported objects of a frame to one chained model, one by one.

    `folder`: of that model. `target`: the pixels that it needs. `on_pixels`: its steps from them to results.
    """

    codec: FrameCodec
    config: ThenConfig
    folder: ModelFolder
    target: DecodeTarget
    on_pixels: tuple[Step, ...]

    @property
    def name(self) -> str:
        """Return the name of the stage, which tells chained models apart."""
        return f"then:{self.folder.name}"

    def __call__(self, work: Work) -> None:
        """Add what the model says to the results. Objects that `work.chained` knows are not given to it again.

        Raises what the codec raises, InferenceError and InferenceTimeoutError.
        """
        objects = [_plain(each) for each in work.results.detections if self._wants(work, each)]
        unknown = list(dict.fromkeys(each for each in objects if self._key(each) not in work.chained))
        unknown.sort(key=lambda each: -each.confidence)
        work.chained |= {self._key(each): None for each in unknown[self.config.max_crops :]}
        for each in unknown[: self.config.max_crops]:
            work.chained[self._key(each)] = Chained(self.folder.name, self._results_of(work, each))
        said = {each: chained for each in objects if (chained := work.chained[self._key(each)])}
        dropped = sum(chained.results.dropped for chained in said.values())
        detections = tuple(_completed(each, said.get(_plain(each))) for each in work.results.detections)
        work.results = replace(work.results, detections=detections, dropped=work.results.dropped + dropped)

    def _key(self, detection: Detection) -> tuple[str, Detection]:
        return self.folder.name, detection

    def _wants(self, work: Work, detection: Detection) -> bool:
        left, top, right, bottom = self._crop_px(work, detection)
        is_large = min(right - left, bottom - top) >= self.config.min_side_px
        return is_large and self.config.wants(detection.label)

    def _crop_px(self, work: Work, detection: Detection) -> tuple[int, int, int, int]:
        return crop_px(detection.box_xyxy, self.config.margin, work.size_wh)

    def _results_of(self, work: Work, detection: Detection) -> Results:
        """Return the results of the model for the crop of one object, in shares of the whole picture."""
        if work.whole is None:
            work.whole = self.codec.whole(work.order)
        left, top, right, bottom = self._crop_px(work, detection)
        part = Work(FrameOrder(), self.folder, work.is_alone, deadline=work.deadline)
        part.frame = self.codec.scaled(work.whole.cropped(left, top, right, bottom), self.target)
        part.run(self.on_pixels)
        width, height = work.size_wh
        return _placed(part.results, (left / width, top / height, right / width, bottom / height))


def _completed(detection: Detection, chained: Chained | None) -> Detection:
    """Return an object with what one more model says of it, if that is anything."""
    if chained is None or not chained.results.count:
        return detection
    return replace(detection, chained=(*detection.chained, chained))


def crop_px(box_xyxy: BoxXyxy, margin: float, size_wh: Size) -> tuple[int, int, int, int]:
    """Return the left, top, right and bottom edge of a crop, in pixels of a picture, at least one pixel in it.

    `box_xyxy`: in shares of the picture. `margin`: added on each side, as a share of the box's width or height.
    """
    (left, top, right, bottom), (width, height) = box_xyxy, size_wh
    more_x, more_y = (right - left) * margin, (bottom - top) * margin
    first_x, last_x = _within((left - more_x) * width, (right + more_x) * width, width)
    first_y, last_y = _within((top - more_y) * height, (bottom + more_y) * height, height)
    return first_x, first_y, last_x, last_y


def _within(start: float, end: float, side: int) -> tuple[int, int]:
    """Return the edges of the pixels between start and end that a side of so many pixels has, at least one pixel."""
    first = min(max(math.floor(start), 0), side - 1)
    return first, max(min(math.ceil(end), side), first + 1)


def _plain(detection: Detection) -> Detection:
    """Return an object as its model found it."""
    return replace(detection, chained=())


def _placed(results: Results, crop_xyxy: BoxXyxy) -> Results:
    """Return results of a crop in shares of the whole picture; of classes the best. `crop_xyxy`: in these shares."""
    placed = [_moved(each, crop_xyxy) for each in results.detections]
    lines = [(line, _moved(line.place, crop_xyxy)) for line in results.lines]
    return replace(
        results,
        detections=tuple(each for each in placed if each),
        classifications=results.classifications[:1],
        lines=tuple(TextLine(line.value, place, line.language) for line, place in lines if place),
    )


def _moved(detection: Detection, crop_xyxy: BoxXyxy) -> Detection | None:
    """Return an object of a crop in shares of the whole picture; None where rounding leaves nothing of its box."""
    (left, top, right, bottom), (start_x, start_y, end_x, end_y) = detection.box_xyxy, crop_xyxy
    width, height = end_x - start_x, end_y - start_y
    box_xyxy = (
        start_x + left * width,
        start_y + top * height,
        min(start_x + right * width, 1.0),
        min(start_y + bottom * height, 1.0),
    )
    is_empty = box_xyxy[0] >= box_xyxy[2] or box_xyxy[1] >= box_xyxy[3]
    if is_empty:
        return None
    return replace(detection, box_xyxy=box_xyxy, extensions=extensions_of_part(detection.extensions, crop_xyxy))
