"""Events to an MQTT 5 broker, as IoT Hub has them; and messages of a broker, which open signal gates."""

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from player.events.broker import BrokerAddress, Message, Presence, level, read_broker_address
from player.events.connection import Connection, Subscription
from player.events.event import Event, as_json
from player.events.home_assistant import HomeAssistant
from player.events.output import Link, OutputTextError

DEFAULT_TOPIC = "framehook/{pipeline}/events"
"""{pipeline} and {class} are replaced: yard, Analytics."""
OnMessage: TypeAlias = Callable[[str, bytes, float], None]
"""Gets the topic, the payload, and when it arrived, in Unix time."""


class MqttOutput:
    """Publishes each event: its body, with the properties of the application as user properties.

    `pipelines`: the names of those whose events it gets. With QoS 2, the default, the broker gets each event once, also
    if the connection breaks; with 1, at least once; with 0, at most once. An event that comes twice has the same user
    property message-id twice.
    """

    def __init__(self, address: BrokerAddress, pipelines: Sequence[str] = ()) -> None:
        self.name, self.link = address.name, Link(address.name)
        self._topic, self._qos = address.topic or DEFAULT_TOPIC, address.qos
        if "+" in self._topic or "#" in self._topic:
            raise OutputTextError("The topic for events contains + or #, which only stand in subscriptions.")
        client_id = address.client_id_for("events", *sorted(pipelines))
        presence = Presence(f"framehook/clients/{level(client_id)}") if address.discovery_prefix else None
        self._home = HomeAssistant(address.discovery_prefix, presence) if presence else None
        self._sessions = 0
        self._connection = Connection(address, client_id, self.link, presence)

    @property
    def window(self) -> int:
        """Return how many events it can use at once."""
        return self._connection.window

    def deliver(self, events: Sequence[Event]) -> int:
        """Publish events. Raises LaterError, and DeliveryError if the broker refuses the first."""
        count = self._connection.send([self._message(event) for event in events])
        if self._home:
            for event in events[:count]:
                self._tell(self._home, event)
        return count

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def _message(self, event: Event) -> Message:
        topic = self._topic.replace("{pipeline}", level(event.pipeline)).replace("{class}", event.event_class)
        properties = event.application_properties()
        return Message(topic, as_json(event.body), self._qos, properties=properties, key=event.id)

    def _tell(self, home: HomeAssistant, event: Event) -> None:
        """Bring Home Assistant up to date; a broker that has forgotten everything gets everything."""
        is_known = self._sessions == self._connection.sessions
        self._sessions = self._connection.sessions
        for message in () if is_known else home.all_messages():
            self._connection.post(message)
        for message in home.messages(event):
            self._connection.post(message)


class Inbox:
    """Subscribes to topics of a broker. `text`: its address, as for outputs; a topic in it does not count.

    `topics`: filters of topics. `on_message`: called on another thread for each message; it must not wait. What
    was retained, or sent while there was no connection, is old, and does not count. Neither do payloads above 64 KiB.
    """

    def __init__(self, text: str, topics: Sequence[str], on_message: OnMessage) -> None:
        address = read_broker_address(text)
        self.name, self.link = address.name, Link(address.name)
        purpose = "inbox", *sorted(topics)
        client_id = f"{address.client_id}-inbox" if address.client_id else address.client_id_for(*purpose)
        subscription = Subscription(topics, lambda topic, payload: on_message(topic, payload, time.time()))
        self._connection = Connection(address, client_id, self.link, subscription=subscription)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()
