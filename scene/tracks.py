"""Follows objects from frame to frame."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from scene.regions import Flags, Floats, Ids


@dataclass(frozen=True, slots=True)
class TrackRules:
    """How objects are followed. `lost_s`: a track ends once its object is unseen for longer, and in two frames."""

    lost_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Track:
    """One object."""

    id: str
    class_id: int
    box_xyxy: tuple[float, float, float, float]
    seen: bool
    since_s: float
    seen_at_s: float
    confirmed: bool
    moving: bool
    missed: int = 0


class Tracker:
    """A first version: the nearest foot within two heights."""

    def __init__(self, rules: TrackRules, new_id: Callable[[], str]) -> None:
        self._rules, self._new_id = rules, new_id
        self._tracks: dict[str, Track] = {}

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Return the tracks."""
        return tuple(self._tracks.values())

    def update(self, boxes_xyxy: Floats, class_ids: Ids, sure: Flags, aspect: float, now_s: float) -> list[str]:
        """Return the track of each object."""
        left, ids = dict(self._tracks), []
        for box, class_id, is_sure in zip(boxes_xyxy.tolist(), class_ids.tolist(), sure.tolist(), strict=True):
            foot = np.array([(box[0] + box[2]) / 2 * aspect, box[3]])
            best, least = None, 1.0 * (box[3] - box[1])
            for track in left.values():
                there = np.array([(track.box_xyxy[0] + track.box_xyxy[2]) / 2 * aspect, track.box_xyxy[3]])
                gap = float(np.hypot(*(there - foot)))
                if track.class_id == class_id and gap <= least:
                    best, least = track, gap
            if best:
                del left[best.id]
                moving = least > 0.05 * (box[3] - box[1])
                self._tracks[best.id] = replace(
                    best, box_xyxy=tuple(box), seen=True, seen_at_s=now_s, confirmed=True, moving=moving, missed=0
                )
                ids.append(best.id)
            elif is_sure:
                new = Track(self._new_id(), class_id, tuple(box), True, now_s, now_s, False, False)
                self._tracks[new.id] = new
                ids.append(new.id)
            else:
                ids.append("")
        for track in left.values():
            if now_s - track.seen_at_s > self._rules.lost_s and track.missed >= 1:
                del self._tracks[track.id]
            else:
                self._tracks[track.id] = replace(track, seen=False, moving=False, missed=track.missed + 1)
        return ids
