"""Follows the objects of one stream, and watches its lines and zones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from scene.events import Event, Scene, SceneObject, Sighting
from scene.geometry import foot_of
from scene.lines import Line, LineCounter
from scene.regions import Flags, Floats, Ids
from scene.tracks import Track, Tracker, TrackRules
from scene.zones import Zone, ZoneWatch

MAX_UNREPORTED = 100
"""Events of frames that failed after them; older ones are lost."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How objects are followed, and where it matters what they do."""

    track: TrackRules = field(default_factory=TrackRules)
    lines: tuple[Line, ...] = ()
    zones: tuple[Zone, ...] = ()


class Followed:
    """The followed objects of one stream, for one model. Not thread-safe.

    `labels`: of the model's classes. `new_id`: returns an identifier that no other call returns.
    """

    def __init__(self, rules: Rules, labels: Sequence[str], new_id: Callable[[], str]) -> None:
        self._labels, self._new_id = labels, new_id
        self._tracker = Tracker(rules.track, new_id)
        self._lines = [LineCounter(line, new_id) for line in rules.lines]
        self._zones = [ZoneWatch(zone, new_id) for zone in rules.zones]
        self._seen: dict[str, Sighting] = {}
        """The last sighting of each track."""
        self._unreported: tuple[Event, ...] = ()
        self.scene = Scene()

    @property
    def restless_xyxy(self) -> Floats:
        """Return [R, 4]: the boxes of objects that move, or were not seen; shares of the picture.

        While there is one, even a frame that looks like the last one is worth a run.
        """
        restless = [track.box_xyxy for track in self._tracker.tracks if track.moving or not track.seen]
        return np.array(restless, np.float64).reshape(-1, 4)

    @property
    def is_confirmed(self) -> bool:
        """Return whether all objects were seen in two frames at least."""
        return all(track.confirmed for track in self._tracker.tracks)

    def update(
        self, boxes_xyxy: Floats, class_ids: Ids, sure: Flags, aspect: float, now_s: float
    ) -> list[Sighting | None]:
        """Return the sighting of each object of a frame; None for one that is not followed.

        `boxes_xyxy` [N, 4]: shares of the picture. `class_ids` [N]. `sure` [N]: which ones can be new; others only
        continue a track. `aspect`: width over height of the picture. `now_s`: when it was taken. `scene` says then what
        is known, and what has happened.
        """
        ids = self._tracker.update(boxes_xyxy, class_ids, sure, aspect, now_s)
        self._seen = {track.id: self._sighting(track) for track in self._tracker.tracks}
        self._watch(aspect, now_s)
        return [self._seen.get(track) for track in ids]

    def stay(self, aspect: float, now_s: float) -> None:
        """Take note of a frame in which nothing has moved: objects stay where they were, and time goes on."""
        self._tracker.stay(now_s)
        self._seen = {
            track.id: replace(self._seen[track.id], seen_at_s=track.seen_at_s) for track in self._tracker.tracks
        }
        self._watch(aspect, now_s)

    def reported(self) -> None:
        """Forget the events so far: an answer has them. Those of a frame that failed come with the next answer."""
        self._unreported = ()

    def _watch(self, aspect: float, now_s: float) -> None:
        tracks = self._tracker.tracks
        confirmed = [self._seen[track.id] for track in tracks if track.confirmed]  # a line needs two sightings anyway
        events: list[Event] = []
        for line in self._lines:
            events += line.update(self._seen.values(), aspect)
        for zone in self._zones:
            events += zone.update(confirmed, aspect)
        self._unreported = (*self._unreported[-MAX_UNREPORTED:], *events)
        self.scene = Scene(
            tuple(self._object(track, now_s) for track in tracks),
            tuple(line.totals for line in self._lines),
            tuple(zone.totals for zone in self._zones),
            self._unreported,
        )

    def _sighting(self, track: Track) -> Sighting:
        """Return a new sighting; of a track that the frame does not show, its last one."""
        if not track.seen:
            return replace(self._seen[track.id], is_seen=False)
        _, top, _, bottom = track.box_xyxy
        label = self._labels[track.class_id]
        return Sighting(self._new_id(), track.id, label, foot_of(track.box_xyxy), bottom - top, track.seen_at_s)

    def _object(self, track: Track, now_s: float) -> SceneObject:
        present_for_s = max(0.0, now_s - track.since_s)
        return SceneObject(track.id, self._labels[track.class_id], track.box_xyxy, track.seen, present_for_s)
