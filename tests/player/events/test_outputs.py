"""A text describes an output, or is refused with a sentence."""

import sys
from pathlib import Path

import pytest

from player.events.broker import BrokerAddress, level, read_broker_address
from player.events.lines import LineFile, StandardOutput
from player.events.mqtt_output import MqttOutput
from player.events.output import OutputTextError
from player.events.outputs import open_output
from player.events.webhook import Webhook
from tests.support.mqtt_broker import broking


def test_each_text_opens_its_output(tmp_path: Path) -> None:
    with broking() as broker:
        texts = ["-", str(tmp_path / "a.jsonl"), "HTTPS://host/path", f"mqtt://127.0.0.1:{broker.port}"]
        outputs = [open_output(text, ["yard"]) for text in texts]
        assert [type(output) for output in outputs] == [StandardOutput, LineFile, Webhook, MqttOutput]
        for output in outputs:
            output.close()
    assert outputs[3].name == f"mqtt://127.0.0.1:{broker.port}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("events.txt", "Events cannot go to 'events.txt'. Expected -, a file"),
        ("amqp://user:secret@host/", "Events cannot go to 'amqp://'"),
        ("/nowhere/at/all/events.jsonl", "there is no folder /nowhere/at/all"),
        ("mqtt://", "has no host"),
        ("mqtt://:1883/topic", "has no host"),
        ("mqtt://host:port/topic", "its host or port cannot be read"),
        ("mqtt://[::1/topic", "its host or port cannot be read"),
        ("mqtt://host/a#b", "contains #"),
        ("mqtt://host/a/+/b", "contains + or #"),
        ("mqtt://host/a%23", "contains + or #"),
        ("mqtt://host/?quality=1", "has the option quality. Known are qos, ca"),
        ("mqtt://host/?qos=3", "Expected 0, 1 or 2"),
        ("mqtt://host/?ca=/x", "needs TLS"),
        ("mqtt://host/?home_assistant=yes", "Expected 0 or 1"),
        ("mqtts://host/?ca=/nowhere.pem", "/nowhere.pem cannot be read as certificates"),
    ],
)
def test_a_wrong_text_is_refused(text: str, says: str) -> None:
    with pytest.raises(OutputTextError) as caught:
        open_output(text)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.is_final


def test_without_paho_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "player.events.mqtt_output")
    monkeypatch.setitem(sys.modules, "player.events.connection", None)
    with pytest.raises(OutputTextError, match="Install framehook with the extra player"):
        open_output("mqtt://host/")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("mqtt://host", BrokerAddress("host", 1883)),
        ("MQTT://host:1/a/{pipeline}/", BrokerAddress("host", 1, topic="a/{pipeline}")),
        (
            "mqtts://u%40x:p%2Fw@[::1]/t?qos=1&ca=ca.pem&client_id=me",
            BrokerAddress(
                "::1",
                8883,
                is_tls=True,
                user="u@x",
                password="p/w",
                topic="t",
                qos=1,
                ca=Path("ca.pem"),
                client_id="me",
            ),
        ),
        ("mqtt://host?home_assistant=1", BrokerAddress("host", 1883, discovery_prefix="homeassistant")),
        ("mqtt://host?discovery_prefix=home/", BrokerAddress("host", 1883, discovery_prefix="home")),
        ("mqtt://host?discovery_prefix=home&home_assistant=0", BrokerAddress("host", 1883)),
    ],
)
def test_addresses_of_brokers(text: str, address: BrokerAddress) -> None:
    assert read_broker_address(text) == address


def test_clients_are_known_by_what_they_do() -> None:
    address = read_broker_address("mqtts://user:secret@[::1]/topic")
    assert address.name == "mqtts://[::1]:8883/topic"
    assert address.client_id_for("events", "yard") == address.client_id_for("events", "yard")
    assert address.client_id_for("events", "yard") != address.client_id_for("events", "gate")
    assert address.client_id_for("events").startswith("framehook-")
    assert read_broker_address("mqtt://host?client_id=me").client_id_for("events") == "me"


def test_names_become_levels_of_topics() -> None:
    assert level("a/b+c#\n d") == "a_b_c__ d"
