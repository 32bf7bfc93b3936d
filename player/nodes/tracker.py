"""Follows the objects that an extension finds in some frames, and says where they are in the frames between.

Between two frames that the extension was asked about, objects go on with the velocity that they had.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from player.flow import Finding, Frame, Inference, Item
from player.nodes.protocol.boxes import box_of, edges_of
from scene.regions import Ids
from scene.tracks import Tracker, TrackRules

MAX_EXPECTED_S, MAX_EXPECTED_FRAMES = 2.0, 15
"""So long after the last answer of the extension, in time and in frames, objects are said to go on."""
SUBTYPE = "objectDetection"
"""Of an entity that has none."""
USUAL_ASPECT = 16 / 9
"""Of pictures, until there was one."""


class ObjectTracking:
    """Replaces the finding of an extension by one with the same objects on every frame.

    Each has a `sequenceId`, 32 hexadecimal digits, the same on all frames; the rest of it is that of its last
    detection, such as its confidence. Objects that the extension did not find again are left out until it does.
    `name`: of the node; `follows`: that of the extension.
    """

    def __init__(self, name: str, follows: str, rules: TrackRules | None = None) -> None:
        self._name, self._follows = name, follows
        self._tracker = Tracker(rules or TrackRules(), _new_id)
        self._aspect = USUAL_ASPECT
        self._entities: dict[str, Inference] = {}
        """The last detection of each object that the last answer has."""
        self._class_ids: dict[str, int] = {}
        self._answered_at_s = float("-inf")
        self._frames = 0

    def take(self, item: Item, port: int) -> Iterator[Item]:  # noqa: ARG002, a node has one input
        """Yield the item; a frame with the objects among its findings."""
        if not isinstance(item, Frame):
            yield item
            return
        found = tuple(self._track(item) if item.is_sampled else self._expect(item.at_s))
        findings = tuple(finding for finding in item.findings if finding.node != self._follows)
        yield replace(item, findings=(*findings, Finding(self._name, found)) if found else findings)

    def _track(self, frame: Frame) -> Iterator[Inference]:
        """Yield what the extension found: objects with the identifiers of their tracks, and all else as it is."""
        inferences = [one for finding in frame.findings if finding.node == self._follows for one in finding.inferences]
        entities = [one for one in inferences if one["type"] == "entity"]
        ids = self._update(entities, frame)
        tracked = [_tracked(entity, track) for entity, track in zip(entities, ids, strict=True)]
        self._entities = {track: entity for track, entity in zip(ids, tracked, strict=True) if track}
        self._answered_at_s, self._frames = frame.at_s, 0
        yield from tracked
        yield from (one for one in inferences if one["type"] != "entity")

    def _update(self, entities: Sequence[Inference], frame: Frame) -> list[str]:
        """Return the identifier of each object's track; "" for one too many."""
        if frame.picture is not None:
            width, height = frame.picture.size_wh
            self._aspect = width / height
        labels = [str(entity["entity"]["tag"]["value"]) for entity in entities]
        boxes_xyxy = np.array([edges_of(entity["entity"]["box"]) for entity in entities], np.float64).reshape(-1, 4)
        sure = np.ones(len(entities), np.bool_)
        return self._tracker.update(boxes_xyxy, self._numbers(labels), sure, self._aspect, frame.at_s)

    def _numbers(self, labels: Sequence[str]) -> Ids:
        """Return a number for each label, the same as before as long as there are objects with it."""
        used = {track.class_id for track in self._tracker.tracks}
        self._class_ids = {label: number for label, number in self._class_ids.items() if number in used}
        for label in labels:
            self._class_ids.setdefault(label, max(self._class_ids.values(), default=-1) + 1)
        return np.array([self._class_ids[label] for label in labels], np.intp)

    def _expect(self, at_s: float) -> Iterator[Inference]:
        """Yield the objects where they are expected on a frame that the extension was not asked about."""
        self._frames += 1
        if self._frames > MAX_EXPECTED_FRAMES or at_s - self._answered_at_s > MAX_EXPECTED_S:
            return
        for track, box_xyxy in self._tracker.expected_xyxy(at_s).items():
            box = box_of(box_xyxy)
            if box and track in self._entities:
                entity = self._entities[track]
                yield {**entity, "inferenceId": _new_id(), "entity": {**entity["entity"], "box": box}}


def _tracked(entity: Inference, track: str) -> Inference:
    """Return an object with the identifier of its track, if it has one, and one of this sighting of it."""
    defaults = {"subtype": SUBTYPE, "inferenceId": _new_id()}
    return {**defaults, **entity, "sequenceId": track} if track else {**defaults, **entity}


def _new_id() -> str:
    return uuid.uuid4().hex
