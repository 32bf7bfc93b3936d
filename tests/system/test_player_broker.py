"""Events through Debian's mosquitto: stopped, killed, held up, and cut off."""

import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from paho.mqtt.client import MQTTMessage
from paho.mqtt.publish import single

from lab import ROOT
from lab.mosquitto import Consumer, Mosquitto, Proxy, consuming, mosquitto, properties_of
from player.events.event import Event
from player.events.mqtt_output import Inbox
from player.events.outputs import open_output
from player.events.sending import Publisher
from player.flow import Inference
from tests.support.certificates import issue, write, write_authority
from tests.support.player_events import AT_S, BOX, MOTION, seen, wait_until_delivered
from tests.support.waiting import PATIENCE_S, wait_for

pytestmark = pytest.mark.system

HOME_ASSISTANT = ROOT / ".tools/home-assistant/bin/python"
VALIDATE = """
import json, sys
from homeassistant.components.mqtt import binary_sensor, sensor
from homeassistant.components.mqtt.discovery import TOPIC_MATCHER
for topic, config in json.load(sys.stdin):
    component, node, name = TOPIC_MATCHER.match(topic.partition("/")[2]).groups()
    {"binary_sensor": binary_sensor, "sensor": sensor}[component].DISCOVERY_SCHEMA(config)
    print(component, name)
"""
RATE_PER_S = 100
MOST_IN_FLIGHT = 10
"""How many events may be on their way when a broker ends, of some hundreds."""


@dataclass
class Sending:
    """Publishes events all the time, until `stop`."""

    publisher: Publisher
    events: list[Event] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> list[str]:
        """Return the identifiers of all events, once they are delivered."""
        self.is_over.set()
        self._thread.join()
        wait_until_delivered(self.publisher)
        assert self.publisher.close() == 0
        assert self.publisher.status[0].dropped == 0
        return [event.id for event in self.events]

    def _run(self) -> None:
        while not self.is_over.wait(1 / RATE_PER_S):
            self.events.append(seen(at_s=time.time()))
            self.publisher.publish(self.events[-1])


def send_during(fault: Callable[[], None], port: int, consumer: Consumer, options: str = "") -> list[str]:
    """Return the identifiers of what was sent while something broke, once it has come."""
    sending = Sending(Publisher([open_output(f"mqtt://127.0.0.1:{port}{options}", ["yard"])]))
    wait_for(lambda: consumer.messages)
    fault()
    sent = sending.stop()
    wait_for(lambda: consumer.ids[-1:] == sent[-1:])
    return sent


@pytest.mark.parametrize("is_persistent", [False, True], ids=["memory", "disk"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_broker_that_restarts_gets_each_event_once(
    tmp_path: Path, number: signal.Signals, *, is_persistent: bool
) -> None:
    """One that remembers nothing gets again what it has passed on, if it ended before the answer."""
    with mosquitto(tmp_path, is_persistent=is_persistent) as broker, consuming(broker.port, qos=0) as consumer:
        proxy = Proxy(broker.port)

        def restart() -> None:
            for _ in range(2):
                proxy.is_open.clear()  # until the consumer hears again what the broker passes on
                consumer.is_subscribed.clear()
                broker.stop(number)
                time.sleep(0.3)
                broker.start()
                wait_for(consumer.is_subscribed.is_set)
                count = len(consumer.messages)
                proxy.is_open.set()
                wait_for(lambda: len(consumer.messages) > count)  # noqa: B023  # at once
                time.sleep(1)

        sent = send_during(restart, proxy.port, consumer)
        proxy.close()
        remembers = is_persistent and number == signal.SIGTERM
        assert list(dict.fromkeys(consumer.ids)) == sent
        assert len(consumer.ids) - len(sent) <= (0 if remembers else MOST_IN_FLIGHT)


def consumer_got(consumer: Consumer, sent: list[str]) -> bool:
    """Whether a consumer got what was sent, in order, and nothing twice. The assertion shows what differs."""
    assert consumer.ids == sent
    return True


def test_a_broker_that_is_held_up_gets_each_event_once(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker, consuming(broker.port) as consumer:

        def hold_up() -> None:
            broker.send(signal.SIGSTOP)
            time.sleep(3)
            broker.send(signal.SIGCONT)

        assert consumer_got(consumer, send_during(hold_up, broker.port, consumer))


def cut_again_and_again(proxy: Proxy) -> None:
    rng, tries = random.Random(6), 0
    deadline = time.monotonic() + PATIENCE_S
    while tries < 6 or proxy.cuts < 3:
        assert time.monotonic() < deadline, "the line did not break"
        time.sleep(rng.uniform(1, 1.5))
        proxy.cut()
        tries += 1


@pytest.mark.parametrize("qos", [1, 2])
def test_through_a_line_that_breaks_no_event_is_lost(tmp_path: Path, qos: int) -> None:
    with mosquitto(tmp_path) as broker, consuming(broker.port) as consumer:
        proxy = Proxy(broker.port)
        sent = send_during(lambda: cut_again_and_again(proxy), proxy.port, consumer, f"?qos={qos}")
        proxy.close()
        assert list(dict.fromkeys(consumer.ids)) == sent
        assert qos == 1 or consumer.ids == sent


def test_a_message_has_the_properties_of_its_event(tmp_path: Path) -> None:
    event = seen()
    with mosquitto(tmp_path) as broker, consuming(broker.port) as consumer:
        publisher = Publisher([open_output(f"mqtt://127.0.0.1:{broker.port}/site/{{pipeline}}/events")])
        with consuming(broker.port, "site/#", client_id="other") as other:
            publisher.publish(event)
            wait_for(lambda: other.messages)
        publisher.close()
        [message] = other.messages
        assert message.topic == "site/yard/events"
        assert json.loads(message.payload) == event.body
        assert properties_of(message) == event.application_properties()
        assert getattr(message.properties, "ContentType", "") == "application/json"
        assert consumer.messages == []


@pytest.mark.parametrize("qos", [1, 2])
def test_what_the_broker_forbids_is_dropped_and_reported(tmp_path: Path, qos: int) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic write framehook/yard/events\ntopic read framehook/#\n", encoding="utf-8")
    config = "allow_anonymous true", f"acl_file {rules}"
    with mosquitto(tmp_path, *config) as broker, consuming(broker.port) as consumer:
        publisher, events = (
            Publisher([open_output(f"mqtt://127.0.0.1:{broker.port}?qos={qos}")]),
            [seen("gate"), seen()],
        )
        for event in events:
            publisher.publish(event)
        status = wait_until_delivered(publisher)
        publisher.close()
        assert (status.delivered, status.dropped) == (1, 1)
        assert status.last_error  # this mosquitto also ends the connection, and that may be the last one
        wait_for(lambda: consumer.ids == [events[1].id])


def test_a_wrong_password_is_reported(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous false") as broker:
        publisher = Publisher([open_output(f"mqtt://me:secret@127.0.0.1:{broker.port}")])
        wait_for(lambda: publisher.status[0].last_error)
        assert "refuses the client: Not authorized" in str(publisher.status[0].last_error)
        publisher.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho does not close its socket
def test_tls(tmp_path: Path) -> None:
    ca = trustme.CA()
    files = write(issue(ca), tmp_path) | write_authority(ca, tmp_path)
    config = "allow_anonymous true", f"certfile {files['tls_certificate']}", f"keyfile {files['tls_key']}"
    with mosquitto(tmp_path, *config) as broker:
        text = f"mqtts://localhost:{broker.port}"
        publisher = Publisher([open_output(f"{text}?ca={files['tls_client_ca']}"), open_output(text)])
        publisher.publish(seen())
        wait_for(lambda: publisher.status[0].delivered and publisher.status[1].last_error)
        assert publisher.close(1) == 1
        assert "certificate" in str(publisher.status[1].last_error).lower()


def test_an_inbox_hears_no_old_messages(tmp_path: Path) -> None:
    heard: list[tuple[str, bytes]] = []

    def hear(topic: str, payload: bytes, _at_s: float) -> None:
        heard.append((topic, payload))

    with mosquitto(tmp_path) as broker:
        publish(broker, "gates/yard", "old", is_retained=True)
        inbox = Inbox(f"mqtt://127.0.0.1:{broker.port}", ["gates/#"], hear)
        wait_for(lambda: inbox.link.state.connected_since_s)

        def is_heard() -> bool:
            publish(broker, "gates/yard", "open")
            return bool(heard)

        wait_for(is_heard)  # it subscribes a little later
        inbox.close()
    assert set(heard) == {("gates/yard", b"open")}


def publish(broker: Mosquitto, topic: str, text: str, *, is_retained: bool = False) -> None:
    """Publish a message as another client."""
    single(topic, text, qos=1, retain=is_retained, hostname="127.0.0.1", port=broker.port)


def test_home_assistant_accepts_the_sensors(tmp_path: Path) -> None:
    def event(subtype: str, name: str, **properties: str) -> Inference:
        return {"type": "event", "subtype": subtype, "event": {"name": name, "properties": properties}}

    entity: Inference = {"type": "entity", "entity": {"tag": {"value": "日本 person"}, "box": BOX}}
    crossing = event("lineCrossing", "gate", total="3", clockwiseTotal="1", counterclockwiseTotal="2")
    everything = seen("yard", MOTION, entity, event("zoneCount", "porch", count="1"), crossing, at_s=AT_S)
    with mosquitto(tmp_path) as broker, consuming(broker.port, "#") as consumer:
        publisher = Publisher([open_output(f"mqtt://127.0.0.1:{broker.port}?home_assistant=1&client_id=me")])
        publisher.publish(everything)
        wait_for(lambda: any(message.topic.startswith("framehook/yard/line/") for message in consumer.messages))
        wait_until_delivered(publisher)
        publisher.close()
        said = {message.topic: message.payload for message in consumer.messages}
        wait_for(lambda: [each.payload for each in presences(consumer)] == [b"online", b"offline"])
    configs = [(topic, json.loads(payload)) for topic, payload in said.items() if topic.endswith("/config")]
    command, text = [str(HOME_ASSISTANT), "-c", VALIDATE], json.dumps(configs)
    run = subprocess.run(command, input=text, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split("\n")[:-1] == [
        "binary_sensor framehook_yard_motion",
        "binary_sensor framehook_yard_label__65e5_672c_20person",
        "binary_sensor framehook_yard_zone_porch",
        "sensor framehook_yard_line_gate",
    ]


def presences(consumer: Consumer) -> list[MQTTMessage]:
    return [message for message in consumer.messages if message.topic == "framehook/clients/me"]
