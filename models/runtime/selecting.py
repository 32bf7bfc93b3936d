"""From all results of a frame of a stream to those that its request and the settings of its stream select."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from models.families.candidates import count_of
from models.order import FrameOrder
from models.repository.folder import ModelFolder
from models.results import Classification, Detection, Results, Selection
from scene.geometry import contains, foot_of
from scene.settings import StreamSettings

Scored = TypeVar("Scored", Detection, Classification)

UNSURE = 0.5
"""The share of the threshold down to which an object continues a track."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Selects among results. What the request says takes precedence over the settings, and they over the model's.

    `default_confidence`: the model's. `max_results`: of each kind.
    """

    selection: Selection
    settings: StreamSettings
    default_confidence: float
    max_results: int

    def lowest_confidence(self) -> float:
        """Return a confidence that no selected or followed result is below, of this request and of one without any."""
        asked = 1.0 if self.selection.confidence is None else self.selection.confidence
        usual = min(self.default_confidence, *self.settings.thresholds.values(), 1.0)
        return min(asked, UNSURE * usual if self.settings.follows else usual)

    def selected(self, results: Results) -> Results:
        """Return the selected results, in their order; the most confident ones, if there are too many."""
        lines = [line for line in results.lines if self._is_wanted(line.place) and self._is_placed(line.place)]
        best = sorted(range(len(lines)), key=lambda number: -lines[number].place.confidence)[: self.max_results]
        return replace(
            results,
            detections=tuple(filter(self._is_placed, self._wanted(results.detections)))[: self.max_results],
            classifications=tuple(self._wanted(results.classifications))[: self.max_results],
            lines=tuple(lines[number] for number in sorted(best)),
        )

    def followed(self, detections: Iterable[Detection]) -> list[bool | None]:
        """Return for each object whether it is sure, or None if it is not followed; the request changes nothing.

        One that is not sure only continues a track: when an object is half hidden, the model is less confident of it.
        """
        return [self._is_sure(detection) for detection in detections]

    def _is_sure(self, detection: Detection) -> bool | None:
        usual = self._usual_threshold(detection.label)
        is_followed = detection.confidence >= UNSURE * usual and self._is_placed(detection)
        return detection.confidence >= usual if is_followed else None

    def _wanted(self, results: Iterable[Scored]) -> Iterable[Scored]:
        return filter(self._is_wanted, results)

    def _is_wanted(self, result: Detection | Classification) -> bool:
        class_ids = self.selection.class_ids
        return result.confidence >= self._threshold(result.label) and (
            class_ids is None or result.class_id in class_ids
        )

    def _threshold(self, label: str) -> float:
        return self._usual_threshold(label) if self.selection.confidence is None else self.selection.confidence

    def _usual_threshold(self, label: str) -> float:
        threshold = self.settings.threshold(label)
        return self.default_confidence if threshold is None else threshold

    def _is_placed(self, detection: Detection) -> bool:
        left, top, right, bottom = detection.box_xyxy
        settings, foot_xy = self.settings, foot_of(detection.box_xyxy)
        return (
            settings.min_area <= (right - left) * (bottom - top) <= settings.max_area
            and (not settings.include or any(contains(polygon, foot_xy) for polygon in settings.include))
            and not any(contains(polygon, foot_xy) for polygon in settings.exclude)
        )


def selector_for(order: FrameOrder, folder: ModelFolder, settings: StreamSettings) -> Selector:
    """Return what selects the results of one frame; raises UnknownLabelError."""
    selection = folder.select(order.confidence, order.labels, order.max_detections)
    output = folder.config.output
    return Selector(selection, settings, output.confidence_threshold, count_of(output, selection))
