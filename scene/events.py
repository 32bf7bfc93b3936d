"""What happens at the lines and in the zones of a scene, and the objects that it happens to: plain records."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from scene.geometry import BoxXyxy, Point

EventKind: TypeAlias = Literal["lineCrossing", "zoneEnter", "zoneExit", "zoneDwell", "zoneCount"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A followed object as it was last seen.

    `id`: of this sighting alone, for references; `track`: the same in all frames. `foot_xy`: the middle of its lower
    edge, in shares of the picture. `height`: its own, as a share of the picture's. `is_seen`: whether the frame at hand
    shows it.
    """

    id: str
    track: str
    label: str
    foot_xy: Point
    height: float
    seen_at_s: float
    is_seen: bool = True


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    `name`: of the line or zone. `properties`: the facts, as texts. `sightings`: the identifiers of those concerned.
    """

    id: str
    kind: EventKind
    name: str
    properties: tuple[tuple[str, str], ...]
    sightings: tuple[str, ...]


def inference_of(event: Event) -> dict[str, Any]:
    """Return the inference that reports an event, as the line crossing node of Azure's video analyzer does."""
    return {
        "type": "event",
        "subtype": event.kind,
        "inferenceId": event.id,
        "relatedInferences": list(event.sightings),
        "event": {"name": event.name, "properties": dict(event.properties)},
    }


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One followed object. `box_xyxy`: shares of the picture, where it was last seen."""

    track: str
    label: str
    box_xyxy: BoxXyxy
    is_seen: bool
    present_for_s: float


@dataclass(frozen=True, slots=True)
class LineTotals:
    """How often a line has been crossed, in each direction."""

    name: str
    clockwise: int
    counterclockwise: int


@dataclass(frozen=True, slots=True)
class ZoneTotals:
    """How many objects are in a zone, and how often one has entered it."""

    name: str
    count: int
    entered: int


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is known after a frame; `events`: what has happened in it, and in frames before that have failed."""

    objects: tuple[SceneObject, ...] = ()
    lines: tuple[LineTotals, ...] = ()
    zones: tuple[ZoneTotals, ...] = ()
    events: tuple[Event, ...] = ()
