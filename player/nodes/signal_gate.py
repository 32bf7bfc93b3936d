"""Lets media through around events: each group of events makes one clip.

A clip lasts from the first event plus an offset to the minimum after its last event, or the maximum after its first, if
that is sooner. These are capture times. When an event arrives matters only for which events are taken together: after
the first one has arrived, the gate waits for the evaluation window, in case one with an earlier capture time is still
on its way; and after the end of the clip has arrived, it waits as long for a last event that makes the clip longer.
An event at or after the end of a clip belongs to the next one.

Packets are cut in the order in which they are decoded: a clip starts at the last keyframe that is not after its start,
or at the first one that was not in a clip before, and ends before the first picture that is to be shown at its end.
"""

import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from player.flow import Activation, Frame, Inference, Item, Packet, Signal
from player.nodes.held_packets import MAX_BYTES, HeldPackets

LATENESS_S = 10.0
"""An event that arrives so long after its frame was taken still finds what is before it."""


@dataclass(frozen=True, slots=True)
class GateTimes:
    """When a gate is open, in seconds; see this module. `offset_s` can be negative: a clip starts before its event."""

    evaluation_window_s: float
    offset_s: float
    minimum_s: float
    maximum_s: float


@dataclass(frozen=True, slots=True)
class Trigger:
    """Which findings open a gate; by default all do. Signals always do.

    `node`: only those of this node. `labels`: objects and classes with one of these labels. `events`: events with one
    of these names; if there are both, either opens it. `minimum_confidence`: only what is so certain; what says no
    confidence is not, except for the events that are named.
    """

    node: str | None = None
    labels: Collection[str] = ()
    minimum_confidence: float = 0.0
    events: Collection[str] = ()

    def is_met_by(self, item: Item) -> bool:
        """Return whether an item opens the gate."""
        if isinstance(item, Frame):
            findings = [finding for finding in item.findings if self.node in {None, finding.node}]
            return any(self._means(inference) for finding in findings for inference in finding.inferences)
        return isinstance(item, Signal)

    def _means(self, inference: Inference) -> bool:
        kind = inference["type"]
        if kind == "event" and self.events:
            return inference["event"]["name"] in self.events
        tag = inference.get(kind, {}).get("tag", {})
        if self.labels or self.events:
            return tag.get("value") in self.labels and tag.get("confidence", 0.0) >= self.minimum_confidence
        return self.minimum_confidence <= 0 or tag.get("confidence", 0.0) >= self.minimum_confidence


@dataclass(slots=True)
class _Clip:
    """A clip that is going on, or is to follow. `first_s`, `last_s`: its events; `came_s`: when the first one came.

    `ended_s`: when what is at its end came; None: it has not.
    """

    times: GateTimes
    first_s: float
    last_s: float
    came_s: float
    begun: Activation | None = None
    ended_s: float | None = None

    @property
    def start_s(self) -> float:
        return self.first_s + self.times.offset_s

    @property
    def longest_s(self) -> float:
        return self.first_s + self.times.maximum_s

    @property
    def end_s(self) -> float:
        return min(self.last_s + self.times.minimum_s, self.longest_s)

    def is_evaluated(self, now_s: float) -> bool:
        return now_s >= self.came_s + self.times.evaluation_window_s

    def is_over(self, now_s: float) -> bool:
        if self.ended_s is None or not self.is_evaluated(now_s):
            return False
        return self.end_s >= self.longest_s or now_s >= self.ended_s + self.times.evaluation_window_s


class SignalGate:
    """Yields the packets of clips, each clip between two activations; never a packet twice.

    Input 0: what triggers it; input 1: media. `clock`: when things arrive, in seconds. `dropped`: is called with the
    bytes of packets that were not held any longer for want of memory.
    """

    def __init__(
        self,
        times: GateTimes,
        clock: Callable[[], float],
        trigger: Trigger | None = None,
        dropped: Callable[[int], None] = lambda _: None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._times, self._clock, self._trigger = times, clock, trigger or Trigger()
        self._held = HeldPackets(max_bytes, dropped)
        self._clips: deque[_Clip] = deque()
        """The one that is going on, and those that follow it."""
        self._number = 0

    def take(self, item: Item, port: int) -> Iterator[Item]:
        """Take an event or a packet; yield what belongs to a clip."""
        now_s = self._clock()
        if port == 0:
            if self._trigger.is_met_by(item):
                self._join(item.at_s, now_s)
        elif isinstance(item, Packet):
            self._held.append(item)
        yield from self._advance(now_s)

    def finish(self) -> Iterator[Item]:
        """Yield what ends the clip that is going on, now that the media have ended."""
        for clip in self._clips:
            yield from self._write(clip)
            yield from self._ended(clip)
        self._clips.clear()

    def _join(self, at_s: float, now_s: float) -> None:
        """Let an event belong to a clip that has not ended when it happened, or begin another one."""
        for clip in self._clips:
            if at_s < clip.end_s:
                if not clip.is_evaluated(now_s):
                    clip.first_s = min(clip.first_s, at_s)
                clip.last_s = max(clip.last_s, at_s)
                break
        else:
            self._clips.append(_Clip(self._times, at_s, at_s, now_s))
        self._unite()

    def _unite(self) -> None:
        """Let events belong to the clip before them, if that ends later now."""
        clips = iter(list(self._clips))
        self._clips = deque([next(clips)])
        for clip in clips:
            before = self._clips[-1]
            if clip.first_s < before.end_s:
                before.last_s = max(before.last_s, clip.last_s)
            else:
                self._clips.append(clip)

    def _advance(self, now_s: float) -> Iterator[Item]:
        """Yield what is to be written now."""
        while self._clips:
            clip = self._clips[0]
            has_ended = self._held.latest_s >= clip.end_s
            clip.ended_s = None if not has_ended else now_s if clip.ended_s is None else clip.ended_s
            if clip.is_evaluated(now_s):
                yield from self._write(clip)
            if not clip.is_over(now_s):
                break
            yield from self._ended(clip)
            self._clips.popleft()
        self._forget()

    def _write(self, clip: _Clip) -> Iterator[Item]:
        """Yield the packets up to the clip's end, if its start has arrived."""
        if clip.begun is None:
            first = self._held.starting_at(clip.start_s) if self._held.latest_s >= clip.start_s else None
            if first is None or first.at_s >= clip.end_s:
                return
            self._number += 1
            clip.begun = Activation("begin", self._number, first.at_s, str(uuid.uuid4()))
            yield clip.begun
        yield from self._held.taken_before(clip.end_s)

    def _ended(self, clip: _Clip) -> Iterator[Item]:
        if clip.begun:
            at_s = min(clip.end_s, self._held.latest_s)
            yield Activation("end", clip.begun.clip, at_s, clip.begun.correlation)
            self._held.drop_rest()

    def _forget(self) -> None:
        """Drop what no clip will need."""
        needed_s = self._held.latest_s + min(0.0, self._times.offset_s) - self._times.evaluation_window_s - LATENESS_S
        if self._clips:
            needed_s = min(needed_s, self._clips[0].start_s)
        self._held.drop_before(needed_s)
