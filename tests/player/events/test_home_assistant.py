"""Home Assistant finds a sensor for each thing that was seen, and gets its states."""

import json
from typing import Any

import pytest

from player.events.broker import Message, Presence
from player.events.event import Event
from player.events.home_assistant import MAX_PIPELINES, MAX_SENSORS, REPEAT_S, HomeAssistant
from player.events.outputs import open_output
from player.events.sending import Publisher
from player.flow import Inference
from tests.support.mqtt_broker import Broker, broking
from tests.support.player_events import AT_S, BOX, MOTION, seen, stored, wait_until_delivered
from tests.support.waiting import wait_for

PRESENCE = Presence("framehook/clients/me")


def entity(label: str) -> Inference:
    return {"type": "entity", "entity": {"tag": {"value": label, "confidence": 0.8}, "box": BOX}}


def event(subtype: str, name: str, **properties: str) -> Inference:
    return {"type": "event", "subtype": subtype, "event": {"name": name, "properties": properties}}


TOTALS = '{"total":3,"clockwiseTotal":1,"counterclockwiseTotal":2}'
CROSSING = event(
    "lineCrossing", "gate", direction="clockwise", clockwiseTotal="1", counterclockwiseTotal="2", total="3"
)


def told(home: HomeAssistant, *events: Event) -> list[tuple[str, str, bool]]:
    """Return topic, payload and retain of all messages."""
    return [
        (message.topic, message.payload.decode(), message.retain) for each in events for message in home.messages(each)
    ]


def config_of(messages: list[Message]) -> dict[str, Any]:
    [config] = [json.loads(message.payload) for message in messages if message.topic.endswith("/config")]
    return dict(config)


DEVICE = {"identifiers": ["framehook_yard"], "name": "yard", "model": "pipeline", "manufacturer": "framehook"}


@pytest.mark.parametrize(
    ("inference", "topic", "config", "state"),
    [
        pytest.param(
            entity("person"),
            "binary_sensor/framehook_yard_label_person",
            {
                "name": "person",
                "state_topic": "framehook/yard/label/person",
                "device_class": "occupancy",
                "off_delay": 30,
            },
            ("ON", False),
            id="label",
        ),
        pytest.param(
            MOTION,
            "binary_sensor/framehook_yard_motion",
            {"name": "motion", "state_topic": "framehook/yard/motion", "device_class": "motion", "off_delay": 30},
            ("ON", False),
            id="motion",
        ),
        pytest.param(
            event("zoneCount", "front porch", count="2"),
            "binary_sensor/framehook_yard_zone_front_20porch",
            {
                "name": "front porch",
                "state_topic": "framehook/yard/zone/front porch",
                "json_attributes_topic": "framehook/yard/zone/front porch",
                "device_class": "occupancy",
                "value_template": "{{ value_json.state }}",
            },
            ('{"state":"ON","count":2}', True),
            id="zone",
        ),
        pytest.param(
            CROSSING,
            "sensor/framehook_yard_line_gate",
            {
                "name": "gate",
                "state_topic": "framehook/yard/line/gate",
                "json_attributes_topic": "framehook/yard/line/gate",
                "state_class": "total_increasing",
                "icon": "mdi:counter",
                "value_template": "{{ value_json.total }}",
            },
            (TOTALS, True),
            id="line",
        ),
    ],
)
def test_each_thing_has_a_sensor(
    inference: Inference, topic: str, config: dict[str, Any], state: tuple[str, bool]
) -> None:
    messages = list(HomeAssistant("homeassistant", PRESENCE).messages(seen("yard", inference)))
    identifier = topic.partition("/")[2]
    assert [message.topic for message in messages] == [f"homeassistant/{topic}/config", config["state_topic"]]
    assert messages[0].retain
    assert config_of(messages) == config | {
        "unique_id": identifier,
        "object_id": identifier,
        "availability_topic": "framehook/clients/me",
        "device": DEVICE,
    }
    assert (messages[1].payload.decode(), messages[1].retain) == state


def test_a_label_that_stays_is_repeated_seldom() -> None:
    home = HomeAssistant("ha", PRESENCE)
    times = [0, 1, REPEAT_S - 0.1, REPEAT_S, REPEAT_S + 1, 2 * REPEAT_S, -100]  # the clock may be set back
    counts = [len(told(home, seen("yard", entity("cat"), at_s=AT_S + each))) for each in times]
    assert counts == [2, 0, 0, 1, 0, 1, 1]


def test_a_zone_follows_its_count() -> None:
    home = HomeAssistant("ha", PRESENCE)
    steps = [("zoneEnter", "1"), ("zoneCount", "1"), ("zoneExit", "0"), ("zoneCount", "0"), ("zoneCount", "-1")]
    said = [told(home, seen("yard", event(subtype, "porch", count=count)))[-1:] for subtype, count in steps]
    assert [each and json.loads(each[0][1]) for each in said] == [
        {"state": "ON", "count": 1},
        [],
        {"state": "OFF", "count": 0},
        [],
        [],
    ]


@pytest.mark.parametrize(
    "inference",
    [
        event("zoneDwell", "porch", dwellSeconds="30"),
        event("zoneEnter", "porch"),
        event("lineCrossing", "gate"),
        {"type": "event", "event": {"name": "x", "properties": {"count": "1"}}},
        {"type": "classification", "classification": {"tag": {"value": "red"}}},
        {"type": "entity", "entity": {}},
        {"type": "event", "event": None},
    ],
)
def test_others_have_none(inference: Inference) -> None:
    assert told(HomeAssistant("ha", PRESENCE), seen("yard", inference), stored()) == []


def test_invented_names_do_not_fill_a_home() -> None:
    home = HomeAssistant("ha", PRESENCE)
    names = [f"label {index}" for index in range(200)]
    topics = {topic for topic, _, _ in told(home, seen("yard", *map(entity, names)))}
    assert len(topics) == 2 * MAX_SENSORS
    assert told(home, seen("yard", entity("label 3"), at_s=AT_S + 60)), "those that are known go on"
    pipelines = [seen(f"p{index}", MOTION) for index in range(MAX_PIPELINES + 10)]
    assert len(told(home, *pipelines)) == 2 * (MAX_PIPELINES - 1)


def test_names_of_any_kind_become_topics() -> None:
    home = HomeAssistant("ha", PRESENCE)
    [config, state] = told(home, seen("a/b", entity("日本 #+" + "x" * 100)))
    assert config[0].startswith("ha/binary_sensor/framehook_a_2fb_label__65e5_672c_20_23_2b")
    assert state[0].startswith("framehook/a_b/label/日本 __xxx")
    assert len(state[0]) < 100


# Through a broker


def retained(broker: Broker) -> dict[str, bytes]:
    return {topic: payload for topic, payload in broker.retained.items() if topic.startswith("homeassistant/")}


def presence(broker: Broker) -> list[bytes]:
    """Return what the broker has said of a client, in order."""
    said = [message for message in broker.received if message.topic == "framehook/clients/me"]
    assert all(message.retain for message in said)
    return [message.payload for message in said]


def test_a_broker_tells_whether_the_sender_is_there() -> None:
    with broking() as broker:
        publisher = Publisher([open_output(f"mqtt://127.0.0.1:{broker.port}?home_assistant=1&client_id=me")])
        wait_for(lambda: presence(broker) == [b"online"])
        broker.cut()
        wait_for(lambda: presence(broker) == [b"online", b"offline", b"online"])
        publisher.close()
        wait_for(lambda: presence(broker) == [b"online", b"offline", b"online", b"offline"])


def test_a_broker_that_has_forgotten_the_sensors_gets_them_again() -> None:
    with broking() as broker:
        publisher = Publisher([open_output(f"mqtt://127.0.0.1:{broker.port}?home_assistant=1")])
        publisher.publish(seen("yard", MOTION, CROSSING))
        wait_until_delivered(publisher)
        wait_for(lambda: len(retained(broker)) == 2)
        known = retained(broker)
        broker.forget()
        broker.cut()
        publisher.publish(seen("yard", entity("\ud800")))
        wait_for(lambda: retained(broker).items() > known.items())
        assert (
            broker.retained["framehook/yard/line/gate"] == b'{"total":3,"clockwiseTotal":1,"counterclockwiseTotal":2}'
        )
        publisher.close()


def test_without_the_option_nothing_is_announced() -> None:
    with broking() as broker:
        publisher = Publisher([open_output(f"mqtt://127.0.0.1:{broker.port}")])
        publisher.publish(seen("yard", MOTION))
        wait_until_delivered(publisher)
        publisher.close()
        assert broker.retained == {}
