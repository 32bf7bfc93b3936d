"""The frames of streams that have settings: what is run of each, and what is answered without a run."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.boxes import BoxXyxy
from models.frame import DecodeTarget, Frame
from models.order import Seen
from models.results import MAX_DETECTIONS, Detection, Results, extensions_of_part
from models.runtime.selecting import Selector
from models.runtime.steps import Encode, FrameCodec, Step, Work
from models.runtime.stream_memory import StreamMemory
from scene.events import Sighting
from scene.followed import Followed
from scene.regions import WHOLE, Found

RegionXyxy: TypeAlias = NDArray[np.float64]
"""[4]: left, top, right, bottom as shares of the picture."""


@dataclass(frozen=True, slots=True)
class Look(Step):
    """From bytes to what has moved in the stream. Decodes no more than that needs."""

    name: ClassVar[str] = "look"

    codec: FrameCodec
    memory: StreamMemory

    def __call__(self, work: Work) -> None:
        """Fill in the size and what was seen: `repeated` if nothing has moved; raises what the codec raises."""
        luma, work.size_wh = self.codec.luma(work.order)
        motion = self.memory.look(luma, work.size_wh, work.order.taken_at_s)
        is_first = self.memory.kept is None
        is_run = motion.changed or motion.due or is_first or self.memory.needs_run
        moving_xyxy = () if is_first else _boxes(motion.boxes_xyxy)  # there was nothing to compare it with
        work.seen = Seen("run" if is_run else "repeated", (), moving_xyxy)


@dataclass(frozen=True, slots=True)
class DecodeWhole(Step):
    """From bytes to all pixels."""

    name: ClassVar[str] = "decode"

    codec: FrameCodec

    def __call__(self, work: Work) -> None:
        """Fill in the frame; raises what the codec raises."""
        work.frame = work.whole = self.codec.whole(work.order)
        work.size_wh = work.frame.source_size_wh


@dataclass(frozen=True, slots=True)
class Follow(Step):
    """From all results to those in which objects have identifiers, and to what has happened in the scene."""

    name: ClassVar[str] = "track"

    selector: Selector
    followed: Followed
    memory: StreamMemory

    def __call__(self, work: Work) -> None:
        """Fill in the scene, and write the sightings into what is kept."""
        width, height = work.size_wh
        if work.seen.outcome == "repeated":
            self.followed.stay(width / height, work.order.taken_at_s)
        elif self.memory.kept:
            self.memory.kept = self._named(self.memory.kept, width / height, work.order.taken_at_s)
        work.scene = self.followed.scene

    def _named(self, kept: Results, aspect: float, now_s: float) -> Results:
        """Return results in which objects have their sightings."""
        is_sure = self.selector.followed(kept.detections)
        found = [detection for detection, sure in zip(kept.detections, is_sure, strict=True) if sure is not None]
        named = iter(
            self.followed.update(
                np.array([detection.box_xyxy for detection in found]).reshape(-1, 4),
                np.array([detection.class_id for detection in found], np.intp),
                np.array([sure for sure in is_sure if sure is not None], np.bool_),
                aspect,
                now_s,
            )
        )
        detections = (
            _named(detection, None if sure is None else next(named))
            for detection, sure in zip(kept.detections, is_sure, strict=True)
        )
        return replace(kept, detections=tuple(detections))


@dataclass(frozen=True, slots=True)
class Select(Step):
    """From all results to the selected ones; of a frame in which nothing has moved, to what it is answered with."""

    name: ClassVar[str] = "select"

    selector: Selector
    memory: StreamMemory

    def __call__(self, work: Work) -> None:
        """Fill in the results."""
        motion = self.memory.settings.motion
        is_silent = work.seen.outcome == "repeated" and motion is not None and motion.answer == "no_content"
        work.results = Results() if is_silent or not self.memory.kept else self.selector.selected(self.memory.kept)


@dataclass(frozen=True, slots=True)
class StreamedModel:
    """Answers the frames of streams that have settings. Thread-safe, but for frames that share a memory.

    `target`: the pixels that the model needs. `decode`: gives them. `on_pixels`: the steps from them to results.
    `then`: the steps that give selected objects to other models.
    """

    codec: FrameCodec
    target: DecodeTarget
    decode: Step
    on_pixels: tuple[Step, ...]
    then: tuple[Step, ...] = ()

    def answer(self, work: Work, selector: Selector, memory: StreamMemory) -> None:
        """Do all the work of one frame; raises what its steps raise. `memory`: of its stream."""
        memory.lower_floor(selector.lowest_confidence())
        work.selection = work.folder.select(memory.floor, None, MAX_DETECTIONS)
        if memory.settings.looks:
            work.run((Look(self.codec, memory),))
        if work.seen.outcome != "repeated":
            memory.keep(self._results(work, memory), work.seen)
        work.chained = memory.chained
        followed = memory.followed
        follow = (Follow(selector, followed, memory),) if followed else ()
        work.run((*follow, Select(selector, memory), *self.then, Encode(self.codec)))
        if followed:
            followed.reported()

    def _results(self, work: Work, memory: StreamMemory) -> Results:
        """Return all results of a frame, of the whole picture or of its regions."""
        is_detector = work.folder.config.family.inference_types == ("entity",)
        if memory.objects is None or not is_detector:
            work.run((self.decode, *self.on_pixels))
            return work.results
        now_s, motion = work.order.taken_at_s, memory.motion
        restless_xyxy = memory.restless_xyxy
        moving_xyxy = np.concatenate([motion.boxes_xyxy, restless_xyxy])
        present_xyxy = np.concatenate([motion.present_xyxy, restless_xyxy])
        plan = memory.objects.plan(moving_xyxy, present_xyxy, work.size_wh, now_s)
        is_whole = np.array_equal(plan.regions_xyxy, WHOLE)
        if len(plan.regions_xyxy):  # else all that has moved is gone
            work.run((self.decode if is_whole else DecodeWhole(self.codec),))
        parts = [self._run_on(work, region_xyxy) for region_xyxy in plan.regions_xyxy]
        founds = [_found(part.results, region_xyxy) for part, region_xyxy in zip(parts, plan.regions_xyxy, strict=True)]
        found = memory.objects.update(plan, founds, now_s)
        work.seen = Seen("run" if is_whole else "regions", _boxes(plan.regions_xyxy), work.seen.moving_xyxy)
        dropped = sum(part.results.dropped for part in parts)
        return Results(tuple(_detections(found, work.folder.labels)), dropped)

    def _run_on(self, work: Work, region_xyxy: RegionXyxy) -> Work:
        """Return the work on one region of a decoded frame, done; its boxes are shares of the region."""
        part = Work(work.order, work.folder, work.is_alone, work.selection, work.deadline, stages_ms=work.stages_ms)
        part.frame = self.codec.scaled(_cropped(work.frame, region_xyxy), self.target)
        part.run(self.on_pixels)
        return part


def _named(detection: Detection, sighting: Sighting | None) -> Detection:
    return replace(detection, sighting=sighting) if sighting or detection.sighting else detection


def _cropped(frame: Frame, region_xyxy: RegionXyxy) -> Frame:
    """Return the part of a frame in a region, as a frame of its own; at least one pixel."""
    if (region_xyxy == WHOLE).all():
        return frame
    width, height = frame.source_size_wh
    left, top, right, bottom = np.round(region_xyxy * (width, height, width, height)).astype(int).tolist()
    left, top = min(left, width - 1), min(top, height - 1)
    return frame.cropped(left, top, max(right, left + 1), max(bottom, top + 1))


def _found(results: Results, region_xyxy: RegionXyxy) -> Found:
    """Return the objects that were found in a region, in shares of the whole picture."""
    detections = results.detections
    start_xy, end_xy = region_xyxy[:2], region_xyxy[2:]
    boxes_xyxy = np.array([detection.box_xyxy for detection in detections]).reshape(-1, 4)
    left, top, right, bottom = region_xyxy.tolist()
    part_xyxy = left, top, right, bottom
    return Found(
        boxes_xyxy * np.tile(end_xy - start_xy, 2) + np.tile(start_xy, 2),
        np.array([detection.class_id for detection in detections], np.intp),
        np.array([detection.confidence for detection in detections]),
        np.fromiter((extensions_of_part(each.extensions, part_xyxy) for each in detections), object, len(detections)),
    )


def _detections(found: Found, labels: tuple[str, ...]) -> Iterator[Detection]:
    numbers = found.class_ids.tolist(), found.confidences.tolist()
    for class_id, confidence, box_xyxy, more in zip(*numbers, _boxes(found.boxes_xyxy), found.each_note, strict=True):
        left, top, right, bottom = box_xyxy
        if left < right and top < bottom:
            yield Detection(labels[class_id], class_id, confidence, box_xyxy, more or ())


def _boxes(boxes_xyxy: NDArray[np.floating]) -> tuple[BoxXyxy, ...]:
    """Return the rows of an array [N, 4] as tuples, within 0..1."""
    return tuple((left, top, right, bottom) for left, top, right, bottom in boxes_xyxy.clip(0, 1).tolist())
