"""Which objects of a frame are those of the frames before: the tracks of one stream.

Made for few frames a second, where boxes of one object no longer overlap from frame to frame. So objects are compared
by the distance of their bottom centres from where they are expected, in units of their own size, and by their size.
What is expected depends on how much time has passed.

The sources of the ideas are Frigate's distance (`track/norfair_tracker.py`), the two stages of ByteTrack (Zhang et al.,
2022), and the usual Kalman filter of place and velocity.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from scene.geometry import BoxXyxy
from scene.regions import Flags, Floats, Ids

Place: TypeAlias = tuple[float, float, float, float]
"""Bottom centre x and y, and the logarithms of width and height. The unit of length is the picture's height."""

SPEED = 1.0
"""Objects move by so many sizes a second: a standard deviation. A size is the square root of a box's area."""
CHANGE = 0.3
"""Within a second, their velocity changes by so many sizes a second: a standard deviation."""
JITTER = 0.15
"""A detector's error, in sizes: a standard deviation."""
RESIZED = 0.4
"""The same for the logarithms of width and height."""
RESIZING_S = 3.0
"""Width and height are learned in about so long."""
SURE_GATE, UNSURE_GATE = 12.0, 4.0
"""A sure or an unsure detection differs by less from what its track expects: squared, in standard deviations."""
REACH = 2.5
"""And it is less far away, in sizes, however long the track was not seen."""
PAUSE_S = 3.0
"""Of a longer time between two frames, no more than this counts for how far objects may have moved."""
MOVING, MOVING_S = 0.15, 1.0
"""What is faster than so many sizes a second, in the mean of about so many seconds, is moving."""
LEAST_SIDE = 1e-3
"""Width and height of a box without area, in heights of the picture."""
LOST_FRAMES = 2
"""A track that is unseen in no more frames than these goes on."""
AT_MOST = 128
"""Detections of a frame that are looked at, and tracks."""


@dataclass(frozen=True, slots=True)
class TrackRules:
    """How a stream's objects are tracked.

    `lost_s`: a track ends once unseen for longer than this, and in more than 2 frames.
    """

    lost_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Track:
    """One object. `box_xyxy`: as last seen, shares 0..1 of the picture. `seen`: in the last frame; False: lost for now.

    `since_s`, `seen_at_s`: when it was first and last seen. `confirmed`: seen in at least two frames. `moving`: seen,
    and faster than a small share of its own size a second.
    """

    id: str
    class_id: int
    box_xyxy: BoxXyxy
    seen: bool
    since_s: float
    seen_at_s: float
    confirmed: bool
    moving: bool


@dataclass(slots=True)
class _Known:
    """A track, and where its object is expected. The variances are in sizes and seconds."""

    id: str
    class_id: int
    box_xyxy: BoxXyxy
    place: Place
    since_s: float
    seen_at_s: float
    velocity: tuple[float, float] = (0.0, 0.0)
    mean_velocity: tuple[float, float] = (0.0, 0.0)
    variances: tuple[float, float, float] = (JITTER**2, 0.0, SPEED**2)
    frames: int = 1
    unseen_frames: int = 0
    unseen_s: float = 0.0

    @property
    def size(self) -> float:
        return math.exp((self.place[2] + self.place[3]) / 2)

    @property
    def track(self) -> Track:
        seen = not self.unseen_frames
        moving = seen and math.hypot(*self.mean_velocity) > MOVING * self.size
        times_s = self.since_s, self.seen_at_s
        return Track(self.id, self.class_id, self.box_xyxy, seen, *times_s, self.frames > 1, moving)

    def box_after(self, elapsed_s: float, aspect: float) -> BoxXyxy:
        """Return where the object is expected after a time, as shares of the picture; it may be outside."""
        moved_s = min(elapsed_s, PAUSE_S)
        x, y = self.velocity[0] * moved_s / aspect, self.velocity[1] * moved_s
        left, top, right, bottom = self.box_xyxy
        return left + x, top + y, right + x, bottom + y

    def expect(self, elapsed_s: float) -> None:
        """Move on to where the object is expected in the next frame."""
        moved_s = min(elapsed_s, PAUSE_S)
        (x, y, log_width, log_height), (vx, vy) = self.place, self.velocity
        self.place = (x + vx * moved_s, y + vy * moved_s, log_width, log_height)
        variance, both, speed_variance = self.variances
        noise, way = CHANGE**2 * moved_s, moved_s * speed_variance
        self.variances = (
            variance + moved_s * (2 * both + way + noise * moved_s / 3),
            both + way + noise * moved_s / 2,
            speed_variance + noise,
        )
        self.unseen_s += elapsed_s
        self.unseen_frames += 1

    def stay(self, now_s: float) -> None:
        """Learn that nothing has moved: an object that was seen is still where it was."""
        if not self.unseen_frames:
            self.velocity = self.mean_velocity = (0.0, 0.0)
            self.seen_at_s = now_s

    def widen(self, factor: float) -> None:
        """Let what is known hold for a picture that is wider by a factor, in its heights."""
        (x, y, log_width, log_height), (vx, vy), (mx, my) = self.place, self.velocity, self.mean_velocity
        self.place = (x * factor, y, log_width + math.log(factor), log_height)
        self.velocity, self.mean_velocity = (vx * factor, vy), (mx * factor, my)

    def see(self, box_xyxy: BoxXyxy, place: Place, now_s: float) -> None:
        """Learn from where the object is in this frame."""
        (x, y, log_width, log_height), (vx, vy), (mx, my) = self.place, self.velocity, self.mean_velocity
        variance, both, speed_variance = self.variances
        gap_x, gap_y, total = place[0] - x, place[1] - y, variance + JITTER**2
        gain, speed_gain = variance / total, both / total
        resizing = -math.expm1(-self.unseen_s / RESIZING_S)
        log_wh = log_width + resizing * (place[2] - log_width), log_height + resizing * (place[3] - log_height)
        self.place = (x + gain * gap_x, y + gain * gap_y, *log_wh)
        self.velocity = vx, vy = vx + speed_gain * gap_x, vy + speed_gain * gap_y
        self.variances = (variance * (1 - gain), both * (1 - gain), speed_variance - speed_gain * both)
        newest = -math.expm1(-self.unseen_s / MOVING_S)
        self.mean_velocity = (mx + newest * (vx - mx), my + newest * (vy - my))
        self.box_xyxy, self.seen_at_s = box_xyxy, now_s
        self.frames, self.unseen_frames, self.unseen_s = self.frames + 1, 0, 0.0

    def is_over(self, lost_s: float, aspect: float) -> bool:
        """Return whether the object was not seen for long, or has left the picture."""
        x, y, _, log_height = self.place
        is_outside = not (0 <= x <= aspect and 0 <= y <= 1 + math.exp(log_height) / 2)
        is_lost = self.unseen_frames > LOST_FRAMES and self.unseen_s > lost_s
        return is_lost or (self.unseen_frames > 0 and is_outside)


class Tracker:
    """The tracks of one stream, at most 128. Not thread-safe; the caller brings the times, in seconds of one clock.

    `new_id` returns another id at each call.
    """

    def __init__(self, rules: TrackRules, new_id: Callable[[], str]) -> None:
        self._rules = rules
        self._new_id = new_id
        self._known: list[_Known] = []
        self._now_s: float | None = None
        self._aspect = 1.0

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Return the tracks that have not ended, seen and lost."""
        return tuple(known.track for known in self._known)

    def update(self, boxes_xyxy: Floats, class_ids: Ids, sure: Flags, aspect: float, now_s: float) -> list[str]:
        """Return the id of each detection's track [N]; "" for an unsure one that fits none, and for one too many.

        `boxes_xyxy` [N, 4]: shares 0..1 of the picture; beyond 128, the first ones count. `class_ids` [N]. `sure` [N]:
        the others only continue tracks. `aspect`: the picture's width by its height, in pixels. If the clock goes
        back, no time has passed.
        """
        number = len(class_ids)
        elapsed_s = self._passed_s(now_s)
        for known in self._known:
            if aspect != self._aspect:
                known.widen(aspect / self._aspect)
            known.expect(elapsed_s)
        self._aspect = aspect
        order = np.lexsort((sure[:AT_MOST], class_ids[:AT_MOST], *boxes_xyxy[:AT_MOST].T[::-1]))  # from left to right
        boxes_xyxy, class_ids, sure = boxes_xyxy[order], class_ids[order], sure[order]
        places = _places(boxes_xyxy, aspect)
        matched = _matched(self._cost(places, class_ids, sure), sure)
        ids = [""] * number
        for index, (box, place) in enumerate(zip(boxes_xyxy.tolist(), places.T.tolist(), strict=True)):
            if index in matched:
                known = self._known[matched[index]]
                known.see(tuple(box), tuple(place), now_s)
            elif sure[index]:
                known = _Known(self._new_id(), int(class_ids[index]), tuple(box), tuple(place), now_s, now_s)
                self._known.append(known)
            else:
                continue
            ids[order[index]] = known.id
        self._known = [known for known in self._known if not known.is_over(self._rules.lost_s, aspect)]
        for known in sorted(self._known, key=lambda known: (known.unseen_s, known.unseen_frames))[AT_MOST:]:
            self._known.remove(known)
        return ids

    def expected_xyxy(self, now_s: float) -> dict[str, BoxXyxy]:
        """Return where the objects of the last frame are at a later time, by their velocity; changes nothing.

        By track: shares of the picture, which may lie outside 0..1. Tracks that the last frame did not show are left
        out.
        """
        elapsed_s = 0.0 if self._now_s is None else max(0.0, now_s - self._now_s)
        seen = [known for known in self._known if not known.unseen_frames]
        return {known.id: known.box_after(elapsed_s, self._aspect) for known in seen}

    def stay(self, now_s: float) -> None:
        """Take note of a frame in which nothing has moved: who was seen is there, and nobody was looked for."""
        self._passed_s(now_s)
        for known in self._known:
            known.stay(now_s)

    def _passed_s(self, now_s: float) -> float:
        """Return the time since the last frame; 0 if the clock went back: from then on it counts from there."""
        before_s, self._now_s = self._now_s, now_s
        return 0.0 if before_s is None else max(0.0, now_s - before_s)

    def _cost(self, places: Floats, class_ids: Ids, sure: Flags) -> Floats:
        """Return what speaks against each detection being of each track [T, N]; inf if it cannot be."""
        rows = [(*known.place, known.size, known.variances[0], known.class_id) for known in self._known]
        table = np.array(rows).reshape(-1, 7).T
        variance = table[5] + JITTER**2
        errors = np.empty((4, len(rows)))
        errors[:2], errors[2:] = table[4] * np.sqrt(variance), RESIZED
        gaps = ((places[:, None] - table[:4, :, None]) / errors[..., None]) ** 2
        way = gaps[0] + gaps[1]
        cost = way + gaps[2] + gaps[3]
        fits = (cost < np.where(sure, SURE_GATE, UNSURE_GATE)) & (way < (REACH**2 / variance)[:, None])
        fits &= table[6, :, None] == class_ids
        return np.where(fits, cost + 2 * np.log(variance)[:, None], np.inf)


def _places(boxes_xyxy: Floats, aspect: float) -> Floats:
    """Return bottom centres x and y, and the logarithms of width and height [4, N], as of a track."""
    left, top, right, bottom = boxes_xyxy.T
    sides = np.maximum([(right - left) * aspect, bottom - top], LEAST_SIDE)
    return np.array([(left + right) * aspect / 2, bottom, *np.log(sides)])


def _matched(cost: Floats, sure: Flags) -> dict[int, int]:
    """Return the track of each detection that has one: the best pairs first, sure detections before others."""
    matched: dict[int, int] = {}
    taken: set[int] = set()
    tracks, detections = np.nonzero(cost < np.inf)
    best = np.lexsort((cost[tracks, detections], ~sure[detections]))
    for track, detection in zip(tracks[best].tolist(), detections[best].tolist(), strict=True):
        if track not in taken and detection not in matched:
            taken.add(track)
            matched[detection] = track
    return matched
