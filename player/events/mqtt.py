"""A connection to an MQTT 5 broker that lasts. The only module that knows paho."""

import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from player.errors import DeliveryError
from player.events.broker import BrokerAddress, Message, Presence
from player.events.output import LaterError, Link, OutputTextError

KEEP_ALIVE_S, CONNECT_TIMEOUT_S, LONGEST_PAUSE_S = 15, 5.0, 15
PATIENCE_S = 5.0
"""How long `send` waits before it reports that it still waits."""
SESSION_S = 86_400
"""How long a broker is asked to remember what is half delivered."""
CLOSE_S = 2.0
MAX_HEARD_BYTES = 1 << 16
"""Of the payload of messages from others."""
FAILURE = 0x80
"""Reasons from here on are failures."""
WITH_WILL = 0x04
ABOUT_ONE_MESSAGE = {0x87, 0x90, 0x95, 0x99, 0x9A, 0x9B}
"""Not authorized, topic name invalid, too large, payload invalid, no retain, no such QoS: the same message, sent again,
is refused again."""
LOST = None
"""In place of an answer: the broker has forgotten the session, so it never gives one."""


class _Client(Client):
    """Adds to paho's client: it survives brokers that break the protocol, and passes refusals of QoS 2 on."""

    fault = ""

    def reconnect(self) -> MQTTErrorCode:
        """Connect anew; `fault` then says why that failed."""
        self.fault = ""
        try:
            return super().reconnect()
        except OSError as error:
            self.fault = error.strerror or str(error)
            raise
        except UnicodeError as error:  # a name that no host can have
            self.fault = "the name of its host is wrong"
            raise OSError(self.fault) from error

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read; what cannot be understood ends the connection, not the thread."""
        try:
            return super().loop_read(max_packets)
        except (MQTTException, ValueError, LookupError, TypeError, struct.error):
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)

    def _handle_pubrec(self) -> MQTTErrorCode:
        """Take a failure as the end of a message, as MQTT 5 wants; paho would go on as if there were none."""
        packet = bytes(self._in_packet["packet"])
        if len(packet) <= 2 or packet[2] < FAILURE:  # noqa: PLR2004  # an identifier, then the reason
            return super()._handle_pubrec()
        with self._out_message_mutex:
            number = int.from_bytes(packet[:2], "big")
            if number in self._out_messages:
                reason = ReasonCode(PacketTypes.PUBREC, identifier=packet[2])
                return self._do_on_publish(number, reason, _properties(PacketTypes.PUBREC))
        return MQTTErrorCode.MQTT_ERR_SUCCESS


class Listening:
    """The other direction: messages of others. `topics`: filters of topics.

    `on_message`: gets topic and payload, on another thread; not those that were retained, since they are old, and not
    those that are too large.
    """

    def __init__(self, topics: Sequence[str], on_message: Callable[[str, bytes], None]) -> None:
        self._topics, self._on_message = topics, on_message

    def begin(self, client: Client, properties: Properties, name: str, link: Link) -> None:
        """Prepare a client, and what it says when it connects."""
        properties.MaximumPacketSize = MAX_HEARD_BYTES * 2

        def on_message(_client: Client, _data: object, message: MQTTMessage) -> None:
            if message.retain or len(message.payload) > MAX_HEARD_BYTES:
                return
            with suppress(UnicodeDecodeError):
                self._on_message(message.topic, bytes(message.payload))

        def on_subscribe(
            _client: Client, _data: object, _number: int, reasons: list[ReasonCode], _properties: Properties | None
        ) -> None:
            for reason in reasons:
                if reason.is_failure:
                    link.has_refused(f"{name} refuses a subscription: {reason}.")

        client.on_message, client.on_subscribe = on_message, on_subscribe

    def subscribe(self, client: Client) -> None:
        """Ask for the messages; to be called whenever there is a connection."""
        for topic in self._topics:
            client.subscribe(topic, options=SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND))


class Connection:
    """Connects at once, and again whenever that is lost, for ever. `send` is called by one thread at a time.

    `presence`: what the broker says to others of the client. `listening`: which messages of others it gets; those
    that were sent while there was no connection do not come later.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        link: Link,
        presence: Presence | None = None,
        listening: Listening | None = None,
    ) -> None:
        self._address, self._link, self._presence, self._listening = address, link, presence, listening
        self._news = threading.Condition()
        self._answers: dict[int, ReasonCode | None] = {}
        self._sent_key, self._sent_number = "", 0
        self._is_connected, self._is_closed = False, False
        self._max_qos, self._max_bytes, self._sessions = 2, 1 << 28, 0
        self._client = self._new_client(client_id)
        self._client.loop_start()

    @property
    def sessions(self) -> int:
        """Return how many sessions there were so far: a new one knows nothing of what was sent before."""
        return self._sessions

    def send(self, message: Message, key: str) -> None:
        """Publish a message, and return once the broker has it.

        Raises LaterError if that takes long; a further call with the same `key` then goes on waiting, and publishes
        again only if the broker has lost the session. Raises DeliveryError if the broker refuses the message.
        """
        until_s = time.monotonic() + PATIENCE_S
        answer: ReasonCode | None = LOST
        while answer is LOST:
            if self._sent_key != key:
                self._sent_number = self._publish(message, until_s)
                self._sent_key = key
            answer = self._answer(self._sent_number, until_s)
            self._sent_key = ""
        if answer.value in ABOUT_ONE_MESSAGE:
            raise DeliveryError(f"{self._address.name} refuses a message: {answer}.", is_final=True)
        if answer.value >= FAILURE and answer.packetType != PacketTypes.PUBCOMP:
            raise LaterError(f"{self._address.name} refuses a message for now: {answer}.")

    def close(self) -> None:
        """Disconnect. What the broker does not have yet is lost."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()
        properties = _properties(PacketTypes.DISCONNECT, SessionExpiryInterval=0)
        reason = ReasonCode(PacketTypes.DISCONNECT, identifier=WITH_WILL) if self._presence else None
        self._client.disconnect(reason, properties)
        stopping = threading.Thread(target=self._client.loop_stop, daemon=True)  # it may be connecting just now
        stopping.start()
        stopping.join(CLOSE_S)

    def _new_client(self, client_id: str) -> _Client:
        client = _Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.reconnect_delay_set(1, LONGEST_PAUSE_S)
        if self._address.user:
            client.username_pw_set(self._address.user, self._address.password)
        if self._address.is_tls:
            client.tls_set_context(_tls(self._address))
        if self._presence:
            client.will_set(self._presence.topic, self._presence.offline, qos=1, retain=True)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_connect_fail, client.on_publish = self._on_connect_fail, self._on_publish
        properties = _properties(PacketTypes.CONNECT)
        if self._listening:
            self._listening.begin(client, properties, self._address.name, self._link)
        else:
            properties.SessionExpiryInterval = SESSION_S
        # The first session of a process is a new one, since what the last process had sent is known no longer.
        client.connect_async(self._address.host, self._address.port, KEEP_ALIVE_S, properties=properties)
        return client

    def _publish(self, message: Message, until_s: float) -> int:
        """Hand a message to paho once there is a connection; return its number."""
        with self._news:
            self._news.wait_for(lambda: self._is_connected or self._is_closed, max(0, until_s - time.monotonic()))
            if not self._is_connected or self._is_closed:
                raise LaterError(self._link.state.last_error or f"{self._address.name} does not answer.", 0)
            self._answers.clear()
            qos = min(message.qos, self._max_qos)
        if message.size_bytes > self._max_bytes:
            raise DeliveryError(f"{self._address.name} takes at most {self._max_bytes} bytes.", is_final=True)
        try:
            info = self._client.publish(message.topic, message.payload, qos, message.retain, _described(message))
        except (ValueError, struct.error, MQTTException) as error:
            self._client.drop_out_messages()
            raise DeliveryError(f"A message for {self._address.name} is malformed: {error}.", is_final=True) from error
        if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE or (qos == 0 and info.rc):
            raise LaterError(f"{self._address.name} has just been lost.")
        if qos == 0:
            self._on_publish(self._client, None, info.mid, ReasonCode(PacketTypes.PUBACK), None)
        return info.mid

    def _answer(self, number: int, until_s: float) -> ReasonCode | None:
        """Return the broker's answer to a message, or LOST. Raises LaterError if there is none in time."""
        with self._news:
            timeout_s = max(0, until_s - time.monotonic())
            self._news.wait_for(lambda: number in self._answers or self._is_closed, timeout_s)
            if number in self._answers:
                return self._answers.pop(number)
            raise LaterError(f"{self._address.name} has not confirmed a message yet.", 0)

    def _on_connect(
        self, client: Client, _data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._link.is_down(f"{self._address.name} refuses the client: {reason}.")
            return
        # Before anything can be sent again: what a forgotten session had half delivered begins anew.
        lost = [] if flags.session_present else client.drop_out_messages()
        with self._news:
            self._sessions += not flags.session_present
            self._max_qos = getattr(properties, "MaximumQoS", 2)
            self._max_bytes = getattr(properties, "MaximumPacketSize", 1 << 28)
            self._answers |= dict.fromkeys((message.mid for message in lost), LOST)
            self._is_connected = True
            self._news.notify_all()
        self._link.is_up()
        if self._presence:
            client.publish(self._presence.topic, self._presence.online, min(1, self._max_qos), retain=True)
        if self._listening:
            self._listening.subscribe(client)

    def _on_connect_fail(self, client: Client, _data: object) -> None:
        fault = client.fault if isinstance(client, _Client) else ""
        self._link.is_down(f"{self._address.name} cannot be reached: {fault or 'no connection'}.")

    def _on_disconnect(
        self, client: Client, _data: object, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        is_refusal = flags.is_disconnect_packet_from_server and reason.value in ABOUT_ONE_MESSAGE
        refused = client.drop_out_messages() if is_refusal else []
        with self._news:
            self._is_connected = False
            self._answers |= dict.fromkeys((message.mid for message in refused), reason)
            self._news.notify_all()
            if not self._is_closed:
                self._link.is_down(f"The connection to {self._address.name} was lost: {reason}.")

    def _on_publish(
        self, _client: Client, _data: object, number: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._news:
            self._answers[number] = reason
            self._news.notify_all()


def _tls(address: BrokerAddress) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities and, if there are any, those of the address."""
    context = ssl.create_default_context()
    if address.ca:
        try:
            context.load_verify_locations(address.ca)
        except OSError as error:  # not there; no certificates
            raise OutputTextError(f"{address.ca} cannot be read as certificates of {address.name}.") from error
    return context


def _properties(kind: int, **values: object) -> Properties:
    """Return the properties of a kind of packet."""
    properties = Properties(kind)  # type: ignore[no-untyped-call]  # paho has no types there
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _described(message: Message) -> Properties:
    return _properties(
        PacketTypes.PUBLISH,
        ContentType="application/json",
        PayloadFormatIndicator=1,
        UserProperty=list(message.properties.items()),
    )
