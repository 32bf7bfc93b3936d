"""Counts the objects that cross lines, and reports each as an event."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace

from player.flow import Finding, Frame, Inference, Item
from player.nodes.protocol.boxes import edges_of
from scene.events import Sighting, inference_of
from scene.geometry import foot_of
from scene.lines import Line, LineCounter

USUAL_ASPECT = 16 / 9
"""Of pictures, until there was one."""
LOST_S, LOST_FRAMES = 10.0, 10
"""An object that was not found for longer than both may have another identifier when it is."""
AT_MOST = 1000
"""Objects that are remembered; those that were not found for longest are forgotten."""


class LineCrossing:
    """Replaces the findings of a frame by the crossings that it shows.

    An object is where the middle of its box's lower edge is. Only frames that an extension was asked about count.
    `name`: of the node; `follows`: of the node that says `sequenceId`, a tracker or an extension. `lines`: their names
    differ. Totals are counted from the start.
    """

    def __init__(self, name: str, follows: str, lines: Sequence[Line]) -> None:
        self._name, self._follows = name, follows
        self._counters = [LineCounter(line, _new_id) for line in lines]
        self._aspect = USUAL_ASPECT
        self._seen: dict[str, Sighting] = {}
        """The last sighting of each object, in the order of their times."""
        self._unseen_frames: dict[str, int] = {}

    def take(self, item: Item, port: int) -> Iterator[Item]:  # noqa: ARG002, a node has one input
        """Yield the item; a frame with the events of its crossings alone."""
        if not isinstance(item, Frame):
            yield item
            return
        events = tuple(self._crossings(item)) if item.is_sampled else ()
        yield replace(item, findings=(Finding(self._name, events),) if events else ())

    def _crossings(self, frame: Frame) -> Iterator[Inference]:
        if frame.picture is not None:
            width, height = frame.picture.size_wh
            self._aspect = width / height
        self._see(list(self._sightings(frame)), frame.at_s)
        for counter in self._counters:
            yield from map(inference_of, counter.update(self._seen.values(), self._aspect))

    def _sightings(self, frame: Frame) -> Iterator[Sighting]:
        inferences = (one for finding in frame.findings if finding.node == self._follows for one in finding.inferences)
        for inference in inferences:
            if inference["type"] == "entity" and inference.get("sequenceId"):
                track, entity = inference["sequenceId"], inference["entity"]
                _, top, _, bottom = box_xyxy = edges_of(entity["box"])
                name = inference.get("inferenceId", track)
                yield Sighting(name, track, entity["tag"]["value"], foot_of(box_xyxy), bottom - top, frame.at_s)

    def _see(self, sightings: Sequence[Sighting], now_s: float) -> None:
        """Remember the objects of a frame, and for a while those that it does not show."""
        shown = {sighting.track: sighting for sighting in sightings}
        unseen = {
            track: replace(sighting, is_seen=False) for track, sighting in self._seen.items() if track not in shown
        }
        frames = {track: self._unseen_frames.get(track, 0) + 1 for track in unseen}
        for track, sighting in list(unseen.items()):
            if frames[track] > LOST_FRAMES and now_s - sighting.seen_at_s > LOST_S:
                del unseen[track], frames[track]
        self._seen = dict(list((unseen | shown).items())[-AT_MOST:])
        self._unseen_frames = frames


def _new_id() -> str:
    return uuid.uuid4().hex
