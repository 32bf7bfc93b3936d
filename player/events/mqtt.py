"""An MQTT 5 client in this project's terms. The only module that knows paho."""

import struct
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MessageState, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from player.events.broker import BrokerAddress, Message, Presence, tls_context

KEEP_ALIVE_S, CONNECT_TIMEOUT_S, CLOSE_S = 15, 5.0, 2.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1, 5
SESSION_S = 86_400
"""How long a broker is asked to remember what is half delivered."""
WINDOW = 20
"""How many messages may wait for an answer."""
MAX_HEARD_BYTES = 1 << 16
"""Of the payload of messages from others."""
MAX_TOPIC_BYTES, MAX_PACKET_BYTES = (1 << 16) - 1, 1 << 28
ABOUT_ONE_MESSAGE = {0x87, 0x90, 0x95, 0x99, 0x9A, 0x9B}
"""Reasons: not authorized, topic name invalid, too large, payload invalid, no retain, no such QoS. The same message,
sent again, is refused again."""
SESSION_IS_CONFUSED = {0x91, 0x93, 0x97}
"""Reasons: number in use, too many at once, quota exceeded. The broker counts messages that the client has not."""
FAILURE, WITH_WILL = 0x80, 0x04
"""Reasons: failures begin with the one; the other ends a connection, and the broker then tells of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a broker says to a message. `reason`: of MQTT 5. `text`: its name."""

    reason: int
    text: str

    @property
    def is_failure(self) -> bool:
        """Whether the broker has not taken the message."""
        return self.reason >= FAILURE

    @property
    def is_for_now(self) -> bool:
        """Whether the same message, sent again, may be taken."""
        return self.is_failure and self.reason not in ABOUT_ONE_MESSAGE


@dataclass(frozen=True, slots=True)
class Limits:
    """What a broker takes. `window`: how many messages that it has not answered."""

    qos: int = 2
    size_bytes: int = MAX_PACKET_BYTES
    window: int = WINDOW


class ClientListener(Protocol):
    """Gets what a client learns, on the client's thread; must not wait."""

    def connected(self, limits: Limits, lost: Sequence[int] | None) -> None:
        """There is a connection. `lost`: None in a session that goes on; in a new one, the messages that it lacks."""
        ...

    def disconnected(self, sentence: str) -> None:
        """There is no connection. `sentence`: why."""
        ...

    def answered(self, number: int, answer: Answer) -> None:
        """Note that a message was answered, or, with QoS 0, sent."""
        ...

    def heard(self, topic: str, payload: bytes) -> None:
        """Take a message of others."""
        ...

    def refused(self, sentence: str) -> None:
        """Note that a broker refuses a subscription."""
        ...


class MqttClient:
    """Connects once it is started, and again whenever the connection is lost, for ever. Its methods never wait.

    `presence`: what the broker says to others of it. `topics`: filters of what it hears; without any, its session
    outlives its connections.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        listener: ClientListener,
        presence: Presence | None,
        topics: Sequence[str],
    ) -> None:
        self._name, self._listener, self._presence, self._topics = address.name, listener, presence, topics
        self._paho = _Paho(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        self._paho.connect_timeout = CONNECT_TIMEOUT_S
        self._paho.reconnect_delay_set(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._paho.max_inflight_messages_set(0)  # `listener` know the limit
        if address.user:
            self._paho.username_pw_set(address.user, address.password)
        if address.is_tls:
            self._paho.tls_set_context(tls_context(address))
        if presence:
            self._paho.will_set(presence.topic, presence.offline, qos=1, retain=True)
        self._paho.on_connect, self._paho.on_disconnect = self._on_connect, self._on_disconnect
        self._paho.on_connect_fail, self._paho.on_publish = self._on_connect_fail, self._on_publish
        self._paho.on_message, self._paho.on_subscribe = self._on_message, self._on_subscribe
        self._address, self._was_refused = address, False

    def start(self) -> None:
        """Begin to connect."""
        if self._topics:
            properties = _properties(PacketTypes.CONNECT, MaximumPacketSize=2 * MAX_HEARD_BYTES)
        else:
            properties = _properties(PacketTypes.CONNECT, SessionExpiryInterval=SESSION_S)
        # The first session of a process is a new one: what the last process had sent is known no longer.
        self._paho.connect_async(self._address.host, self._address.port, KEEP_ALIVE_S, properties=properties)
        self._paho.loop_start()

    def publish(self, message: Message, qos: int, is_wanted: Callable[[], bool] = lambda: True) -> int | None:
        """Send a message, or keep it until there is a connection; return its number, None if that was not possible.

        `is_wanted`: whether to send it after all, asked when its turn has come: it may have waited for a new session to
        begin. Raises ValueError if it cannot be written as a packet.
        """
        if len(message.topic.encode()) > MAX_TOPIC_BYTES:
            raise ValueError("its topic is too long")
        properties = _properties(PacketTypes.PUBLISH, ContentType="application/json", PayloadFormatIndicator=1)
        try:
            if message.properties:
                properties.UserProperty = list(message.properties.items())
            properties.pack()  # type: ignore[no-untyped-call]  # the same
        except (struct.error, MQTTException) as error:
            raise ValueError(f"its properties cannot be sent: {error}") from error
        with self._paho.turn():
            if not is_wanted():
                return None
            info = self._paho.publish(message.topic, message.payload, qos, message.retain, properties)
        is_kept = info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS or (qos and info.rc == MQTTErrorCode.MQTT_ERR_NO_CONN)
        return info.mid if is_kept else None

    def begin_anew(self) -> None:
        """Ask for a new session when it connects the next time."""
        self._paho.wants_new_session = True

    def close(self) -> None:
        """Disconnect. What the broker does not have yet is lost."""
        reason = ReasonCode(PacketTypes.DISCONNECT, identifier=WITH_WILL) if self._presence else None
        self._paho.disconnect(reason, _properties(PacketTypes.DISCONNECT, SessionExpiryInterval=0))
        self._paho.end(CLOSE_S)

    def _on_connect(
        self, paho: Client, _data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._was_refused = reason.is_failure
        if self._was_refused:
            self._listener.disconnected(f"{self._name} refuses the client: {reason}.")
            return
        limits = Limits(
            getattr(properties, "MaximumQoS", 2),
            getattr(properties, "MaximumPacketSize", MAX_PACKET_BYTES),
            min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW)),
        )
        # Before paho sends again what it keeps: a new session knows nothing of it.
        lost = None if flags.session_present else [message.mid for message in paho.drop_out_messages()]
        self._listener.connected(limits, lost)
        if self._presence:
            paho.publish(self._presence.topic, self._presence.online, 0, retain=True)
        for topic in self._topics:
            paho.subscribe(topic, options=SubscribeOptions(1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND))

    def _on_connect_fail(self, _paho: Client, _data: object) -> None:
        self._listener.disconnected(f"{self._name} cannot be reached: {self._paho.fault or 'no connection'}.")

    def _on_disconnect(
        self, _paho: Client, _data: object, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server and reason.value in ABOUT_ONE_MESSAGE:
            number = self._paho.drop_first_unreceived()
            if number:
                self._listener.answered(number, Answer(reason.value, str(reason)))
        if reason.value in SESSION_IS_CONFUSED:
            self.begin_anew()
        if not self._was_refused:  # it would hide why
            self._listener.disconnected(f"The connection to {self._name} was lost: {reason}.")

    def _on_publish(
        self, _paho: Client, _data: object, number: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        # An identifier that is not found, in the last answer of QoS 2, was taken before: that is a success.
        is_last = reason.packetType == PacketTypes.PUBCOMP
        if reason.value in SESSION_IS_CONFUSED:
            self.begin_anew()
        self._listener.answered(number, Answer(0 if is_last else reason.value, str(reason)))

    def _on_message(self, _paho: Client, _data: object, message: MQTTMessage) -> None:
        """Pass a message on, if it is neither old nor too large."""
        if not message.retain and len(message.payload) <= MAX_HEARD_BYTES:
            with suppress(UnicodeDecodeError):
                self._listener.heard(message.topic, bytes(message.payload))

    def _on_subscribe(
        self, _paho: Client, _data: object, _number: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        for reason in reasons:
            if reason.is_failure:
                self._listener.refused(f"{self._name} refuses a subscription: {reason}.")


class _Paho(Client):
    """Adds to paho's client: it survives brokers that break the protocol, and passes refusals of QoS 2 on."""

    fault, wants_new_session = "", False

    def reconnect(self) -> MQTTErrorCode:
        """Connect anew; `fault` then says why that failed."""
        self.fault = ""
        self._mqttv5_first_connect |= self.wants_new_session
        self.wants_new_session = False
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

    def end(self, patience_s: float) -> None:
        """End the thread; paho's `loop_stop` waits as long as it connects, and fails if it ends in that moment."""
        self._thread_terminate, thread = True, self._thread
        if thread:
            thread.join(patience_s)

    def drop_first_unreceived(self) -> int | None:
        """Forget the first message that the broker has not received; return its number."""
        with self._out_message_mutex:
            for message in self._out_messages.values():
                if message.state in {MessageState.MQTT_MS_WAIT_FOR_PUBACK, MessageState.MQTT_MS_WAIT_FOR_PUBREC}:
                    del self._out_messages[message.mid]
                    return message.mid
        return None

    def _messages_reconnect_reset_out(self) -> None:
        """Prepare for a connection; paho would publish again what was released before, if one attempt has failed."""
        released = {MessageState.MQTT_MS_WAIT_FOR_PUBCOMP, MessageState.MQTT_MS_RESEND_PUBREL}
        with self._out_message_mutex:
            kept = [message for message in self._out_messages.values() if message.state in released]
            super()._messages_reconnect_reset_out()
            for message in kept:
                message.state = MessageState.MQTT_MS_RESEND_PUBREL

    def turn(self) -> AbstractContextManager[object]:
        """Return a lock: while it is held, no other thread publishes, and no session begins."""
        return self._out_message_mutex

    def _handle_connack(self) -> MQTTErrorCode:
        """Send again what is kept before anything new, so that all stays in order."""
        with self.turn():
            return super()._handle_connack()

    def _send_publish(self, *args: Any, **kwargs: Any) -> MQTTErrorCode:
        """Keep what is published before the broker has accepted the client: it would overtake what is sent again."""
        return super()._send_publish(*args, **kwargs) if self.is_connected() else MQTTErrorCode.MQTT_ERR_NO_CONN

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


def _properties(kind: int, **values: object) -> Properties:
    """Return the properties of a kind of packet."""
    properties = Properties(kind)  # type: ignore[no-untyped-call]  # paho has no types there
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
