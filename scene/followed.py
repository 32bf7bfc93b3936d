"""Follows the objects of one stream, and watches its lines and zones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from scene.events import Event, Scene, SceneObject, Sighting
from scene.geometry import foot_of
from scene.lines import Line, LineCounter
from scene.regions import Flags, Floats, Ids
from scene.tracks import Track, Tracker, TrackRules
from scene.zones import Zone, ZoneWatch


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
        self.scene = Scene()

    @property
    def is_moving(self) -> bool:
        """Return whether an object moves: then even a frame that looks like the last one is worth a run."""
        return any(track.moving for track in self._tracker.tracks)

    def update(
        self, boxes_xyxy: Floats, class_ids: Ids, sure: Flags, aspect: float, now_s: float
    ) -> list[Sighting | None]:
        """Return the sighting of each object of a frame; None for one that is not followed.

        `boxes_xyxy` [N, 4]: shares of the picture. `class_ids` [N]. `sure` [N]: which ones can be new; others only
        continue a track. `aspect`: width over height of the picture. `now_s`: when it was taken. `scene` says then what
        is known, and what happened in this frame.
        """
        ids = self._tracker.update(boxes_xyxy, class_ids, sure, aspect, now_s)
        tracks = self._tracker.tracks
        self._seen = {track.id: self._sighting(track, aspect) for track in tracks}
        confirmed = [self._seen[track.id] for track in tracks if track.confirmed]
        events: list[Event] = []
        for line in self._lines:
            events += line.update(self._seen.values(), aspect)
        for zone in self._zones:
            events += zone.update(confirmed, aspect)
        self.scene = Scene(
            tuple(self._object(track, now_s) for track in tracks),
            tuple(line.totals for line in self._lines),
            tuple(zone.totals for zone in self._zones),
            tuple(events),
        )
        return [self._seen.get(track) for track in ids]

    def _sighting(self, track: Track, aspect: float) -> Sighting:
        """Return a new sighting; of a track that the frame does not show, its last one."""
        if not track.seen:
            return replace(self._seen[track.id], is_seen=False)
        x, y = foot_of(track.box_xyxy)
        _, top, _, bottom = track.box_xyxy
        label = self._labels[track.class_id]
        return Sighting(self._new_id(), track.id, label, (x * aspect, y), bottom - top, track.seen_at_s)

    def _object(self, track: Track, now_s: float) -> SceneObject:
        present_for_s = max(0.0, now_s - track.since_s)
        return SceneObject(track.id, self._labels[track.class_id], track.box_xyxy, track.seen, present_for_s)
