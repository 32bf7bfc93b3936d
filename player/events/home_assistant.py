"""What Home Assistant shows of events: sensors that it finds by itself, over MQTT.

Each pipeline is a device. It has a sensor for each label that was seen, for motion, for each zone, and for each line.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from player.events.broker import Message, Presence, level
from player.events.event import Event, as_json
from player.flow import Inference

MAX_SENSORS = 64
"""Of a kind, for each pipeline: an extension that invents labels must not fill a home with them."""
MAX_PIPELINES, MAX_NAME = 1000, 64
OFF_DELAY_S = 30
"""A label that was not seen for so long is off."""
REPEAT_S = 5.0
"""A label that stays in view is reported again after so long; must be far less than OFF_DELAY_S."""
NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]+")
LINE_TOTALS = ("total", "clockwiseTotal", "counterclockwiseTotal")
ZONE_EVENTS = {"zoneCount", "zoneEnter", "zoneExit"}
Kind: TypeAlias = Literal["label", "motion", "zone", "line"]


@dataclass(slots=True)
class _Sensor:
    """One entity of Home Assistant. `state`: what was sent last. `at_s`: when, in time of the events."""

    kind: Kind
    pipeline: str
    name: str
    state: dict[str, Any] = field(default_factory=dict)
    at_s: float = float("-inf")

    @property
    def component(self) -> str:
        return "sensor" if self.kind == "line" else "binary_sensor"

    @property
    def id(self) -> str:
        """Return an identifier that stays the same, with the letters that Home Assistant allows."""
        name = f"_{_slug(self.name)}" if self.name else ""
        return f"framehook_{_slug(self.pipeline)}_{self.kind}{name}"

    @property
    def topic(self) -> str:
        """Return the topic of its states."""
        name = f"/{level(self.name)}" if self.name else ""
        return f"framehook/{level(self.pipeline)}/{self.kind}{name}"

    def config(self, presence: Presence) -> dict[str, Any]:
        """Return what Home Assistant wants to know of it."""
        device = {"identifiers": [f"framehook_{_slug(self.pipeline)}"], "name": self.pipeline, "model": "pipeline"}
        known: dict[str, Any] = {
            "name": self.name or "motion",
            "unique_id": self.id,
            "object_id": self.id,
            "state_topic": self.topic,
            "availability_topic": presence.topic,
            "device": device | {"manufacturer": "framehook"},
        }
        if self.kind in {"label", "motion"}:
            device_class = "motion" if self.kind == "motion" else "occupancy"
            return known | {"device_class": device_class, "off_delay": OFF_DELAY_S}
        known |= {"json_attributes_topic": self.topic}
        if self.kind == "zone":
            return known | {"device_class": "occupancy", "value_template": "{{ value_json.state }}"}
        return known | {
            "state_class": "total_increasing",
            "icon": "mdi:counter",
            "value_template": "{{ value_json.total }}",
        }

    @property
    def message(self) -> Message:
        """Return the message with its state. Whether a label is seen is not retained: it soon is old."""
        if self.kind in {"label", "motion"}:
            return Message(self.topic, b"ON")
        return Message(self.topic, as_json(self.state), retain=True)


@dataclass(frozen=True, slots=True)
class _SensorUpdate:
    """What an inference says to a sensor."""

    kind: Kind
    name: str = ""
    state: dict[str, Any] = field(default_factory=dict)


class HomeAssistant:
    """Turns events into messages for Home Assistant. Used by one thread at a time.

    `prefix`: where it looks for devices. `presence`: whether the sender is there.
    """

    def __init__(self, prefix: str, presence: Presence) -> None:
        self._prefix, self._presence = prefix, presence
        self._sensors: dict[tuple[str, Kind], dict[str, _Sensor]] = {}

    def messages(self, event: Event) -> Iterator[Message]:
        """Yield what changes with an event: for a sensor that is new its description, then its state."""
        if event.kind != "Inference":
            return
        for inference in event.body.get("inferences", ()):
            told = _update_of(inference)
            if told:
                yield from self._update((event.pipeline, told.kind), told.name, told.state, event.at_s)

    def all_messages(self) -> Iterator[Message]:
        """Yield descriptions and states of all sensors, for a broker that has forgotten them."""
        for sensors in self._sensors.values():
            for sensor in sensors.values():
                yield self._description(sensor)
                if sensor.state:
                    yield sensor.message

    def _update(self, key: tuple[str, Kind], name: str, state: dict[str, Any], at_s: float) -> Iterator[Message]:
        sensors = (
            self._sensors.setdefault(key, {}) if len(self._sensors) < MAX_PIPELINES else self._sensors.get(key, {})
        )
        sensor = sensors.get(_slug(name))
        if sensor is None:
            if len(sensors) >= MAX_SENSORS or key not in self._sensors:
                return
            sensor = sensors[_slug(name)] = _Sensor(key[1], key[0], name)
            yield self._description(sensor)
        if state != sensor.state or (not state and not 0 <= at_s - sensor.at_s < REPEAT_S):
            sensor.state, sensor.at_s = state, at_s
            yield sensor.message

    def _description(self, sensor: _Sensor) -> Message:
        topic = f"{self._prefix}/{sensor.component}/{sensor.id}/config"
        return Message(topic, as_json(sensor.config(self._presence)), retain=True)


def _update_of(inference: Inference) -> _SensorUpdate | None:
    """Return what an inference says to a sensor; None for others."""
    try:
        if "motion" in inference:
            return _SensorUpdate("motion")
        if "entity" in inference:
            return _SensorUpdate("label", str(inference["entity"]["tag"]["value"])[:MAX_NAME])
        if "event" in inference:
            event = inference["event"]
            return _happened(str(inference.get("subtype")), str(event["name"])[:MAX_NAME], event["properties"])
    except (KeyError, TypeError):  # not valid
        return None
    return None


def _happened(subtype: str, name: str, properties: Mapping[str, Any]) -> _SensorUpdate | None:
    if subtype == "lineCrossing" and "total" in properties:
        return _SensorUpdate(
            "line", name, {total: _number(properties[total]) for total in LINE_TOTALS if total in properties}
        )
    if subtype in ZONE_EVENTS and "count" in properties:
        count = _number(properties["count"])
        return _SensorUpdate("zone", name, {"state": "ON" if count > 0 else "OFF", "count": count})
    return None


def _number(text: object) -> int:
    """Return a count; 0 for what is none."""
    digits = str(text)
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= MAX_NAME else 0


def _slug(name: str) -> str:
    """Return a name with letters, digits, _ and - only; what else it has is written as its code."""
    return NOT_IN_IDS.sub(lambda found: "".join(f"_{ord(letter):x}" for letter in found[0]), name) or "_"
