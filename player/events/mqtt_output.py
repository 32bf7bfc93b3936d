"""Events to an MQTT 5 broker, as IoT Hub has them; and messages of a broker, which open signal gates."""

import time
from collections.abc import Callable, Sequence
from itertools import count

from player.errors import DeliveryError
from player.events.broker import BrokerAddress, Message, Presence, level, read_broker_address
from player.events.event import Event, as_json
from player.events.home_assistant import HomeAssistant
from player.events.mqtt import Connection, Listening
from player.events.output import Link, OutputTextError

DEFAULT_TOPIC = "framehook/{pipeline}/events"
"""{pipeline} and {class} are replaced: yard, Analytics."""
Hearer = Callable[[str, bytes, float], None]
"""Gets the topic, the payload, and when it arrived, in Unix time."""


class MqttOutput:
    """Publishes each event: its body, with the properties of the application as user properties.

    `pipelines`: the names of those whose events it gets. With QoS 2, the default, the broker gets each event once, also
    if the connection breaks or the broker restarts; with 1, at least once; with 0, at most once. An event
    that comes twice has the same user property message-id twice.
    """

    def __init__(self, address: BrokerAddress, pipelines: Sequence[str] = ()) -> None:
        self.name, self.link = address.name, Link()
        self._topic, self._qos = address.topic or DEFAULT_TOPIC, address.qos
        if "+" in self._topic or "#" in self._topic:
            raise OutputTextError("The topic for events contains + or #, which only stand in subscriptions.")
        client_id = address.client_id_for("events", *sorted(pipelines))
        presence = Presence(f"framehook/clients/{level(client_id)}") if address.discovery_prefix else None
        self._home = HomeAssistant(address.discovery_prefix, presence) if presence else None
        self._to_tell: dict[str, Message] = {}
        self._numbers = count()
        self._event_id = ""
        self._connection = Connection(address, client_id, self.link, presence)
        self._sessions = self._connection.sessions

    def deliver(self, event: Event) -> None:
        """Publish an event. Raises LaterError, and DeliveryError if the broker refuses it."""
        topic = self._topic.replace("{pipeline}", level(event.pipeline)).replace("{class}", event.event_class)
        properties = event.application_properties()
        self._connection.send(Message(topic, as_json(event.body), self._qos, properties=properties), event.id)
        if self._home:
            self._tell(self._home, event)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def _tell(self, home: HomeAssistant, event: Event) -> None:
        """Bring Home Assistant up to date; what cannot be sent now is sent with a later event."""
        if self._connection.sessions != self._sessions:
            self._sessions = self._connection.sessions
            self._to_tell |= {message.topic: message for message in home.all_messages()}
        self._to_tell |= {message.topic: message for message in home.messages(event)}
        try:
            for topic, message in list(self._to_tell.items()):
                self._connection.send(message, f"state {next(self._numbers)}")
                del self._to_tell[topic]
        except DeliveryError as error:
            self.link.has_refused(str(error))


class Inbox:
    """Subscribes to topics of a broker. `text`: its address, as for outputs; a topic in it does not count.

    `topics`: filters of topics. `hear`: called on another thread for each message, and must not wait. Messages that
    were retained, or sent while there was no connection, are old: they do not count. Neither do payloads above 64 KiB.
    """

    def __init__(self, text: str, topics: Sequence[str], hear: Hearer) -> None:
        address = read_broker_address(text)
        self.name, self.link = address.name, Link()
        client_id = (
            f"{address.client_id}-inbox" if address.client_id else address.client_id_for("inbox", *sorted(topics))
        )
        listening = Listening(topics, lambda topic, payload: hear(topic, payload, time.time()))
        self._connection = Connection(address, client_id, self.link, listening=listening)

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()
