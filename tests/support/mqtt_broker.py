"""A small MQTT 5 broker on a real socket, which breaks as the test has planned.

It knows QoS 0 to 2, sessions, retained messages, wills, and subscriptions with + and #.
"""

import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK = range(1, 10)
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14
SUCCESS, WITH_WILL = 0, 4
Fault: TypeAlias = Literal["cut", "lose", "stall", "garbage"] | int | bytes
"""What happens to a packet. cut: it is taken, then the connection ends without an answer. lose: the same, but it is not
taken. stall: it and all later ones of the connection are taken, and nothing is answered. garbage: the answer is none of
MQTT. A number is the reason in the answer; bytes are sent instead of an answer."""
USER_PROPERTY, MAXIMUM_QOS, MAXIMUM_PACKET_SIZE = 0x26, 0x24, 0x27
BYTES_OF_PROPERTY = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}


@dataclass(frozen=True)
class Received:
    """A message that the broker has passed on."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    user_properties: dict[str, str]
    properties: dict[int, Any]


@dataclass
class Session:
    """What the broker knows of a client between connections. `held`: QoS 2, not released yet."""

    held: dict[int, Received] = field(default_factory=dict)


@dataclass
class Client:
    """One connection. `will`: topic and payload."""

    connection: socket.socket
    id: str = ""
    user: str = ""
    password: str = ""
    is_clean: bool = False
    will: tuple[str, bytes] | None = None
    session: Session = field(default_factory=Session)
    filters: list[str] = field(default_factory=list)
    is_stalled: bool = False


class Reader:
    """Reads the fields of a packet."""

    def __init__(self, content: bytes) -> None:
        self.rest = content

    def take(self, count: int) -> bytes:
        taken, self.rest = self.rest[:count], self.rest[count:]
        assert len(taken) == count, "the packet is too short"
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def length(self) -> int:
        value, shift = 0, 0
        while True:
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        return self.binary().decode()

    def properties(self) -> tuple[dict[str, str], dict[int, Any]]:
        """Return user properties, and all others."""
        inner = Reader(self.take(self.length()))
        users: dict[str, str] = {}
        others: dict[int, Any] = {}
        while inner.rest:
            kind = inner.number(1)
            if kind == USER_PROPERTY:
                name, value = inner.text(), inner.text()
                users[name] = value
            elif kind in BYTES_OF_PROPERTY:
                others[kind] = inner.number(BYTES_OF_PROPERTY[kind])
            else:
                others[kind] = inner.binary()
        return users, others


def packet(kind: int, content: bytes, flags: int = 0) -> bytes:
    length, rest = bytearray(), len(content)
    while True:
        rest, byte = rest >> 7, rest & 0x7F
        length.append(byte | (0x80 if rest else 0))
        if not rest:
            return bytes([kind << 4 | flags]) + bytes(length) + content


def text(value: str | bytes) -> bytes:
    content = value if isinstance(value, bytes) else value.encode()
    return struct.pack("!H", len(content)) + content


def matches(topic_filter: str, topic: str) -> bool:
    wanted, there = topic_filter.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(there) or level not in {"+", there[index]}:
            return False
    return len(wanted) == len(there)


class Broker:
    """`received`: what was passed on. `faults`: what breaks next: (kind of packet, fault), in this order."""

    def __init__(self, port: int = 0, properties: bytes = b"") -> None:
        self.received: list[Received] = []
        self.retained: dict[str, bytes] = {}
        self.faults: deque[tuple[int, Fault]] = deque()
        self.connected: list[Client] = []
        self.ended: list[Client] = []
        self.packets: list[int] = []
        self._properties = properties
        self._sessions: dict[str, Session] = {}
        self._lock = threading.RLock()
        self._threads: list[threading.Thread] = []
        self._server = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self.port: int = self._server.getsockname()[1]
        self._start(self._accept)

    @property
    def present(self) -> list[Client]:
        """Return the clients that are connected now."""
        return [client for client in self.connected if client not in self.ended]

    def forget(self) -> None:
        """Forget all sessions and retained messages, as a broker without a disk that restarts."""
        with self._lock:
            self._sessions.clear()
            self.retained.clear()

    def cut(self) -> None:
        """End all connections."""
        for client in self.present:
            _end(client.connection)

    def publish(self, topic: str, payload: bytes, qos: int = 0, *, retain: bool = False) -> None:
        """Pass a message on to all who have subscribed to it."""
        self._pass_on(Received(topic, payload, qos, retain, {}, {}))

    def send(self, content: bytes) -> None:
        """Send bytes to all clients."""
        for client in self.present:
            with suppress(OSError):  # it may be leaving
                client.connection.sendall(content)

    def close(self) -> None:
        _end(self._server)
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def _start(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            client = Client(connection)
            with self._lock:
                self.connected.append(client)
            self._start(self._serve, client)

    def _serve(self, client: Client) -> None:
        connection = client.connection
        is_orderly = False
        with suppress(OSError, EOFError), connection.makefile("rb") as file:
            while not is_orderly:
                first = _exactly(file, 1)[0]
                length, shift = 0, 0
                while True:
                    byte = _exactly(file, 1)[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                is_orderly = self._take(client, first, _exactly(file, length))
        _end(connection)
        with self._lock:
            self.ended.append(client)
        if client.will and not is_orderly:
            self._pass_on(Received(*client.will, 1, True, {}, {}))

    def _take(self, client: Client, first: int, content: bytes) -> bool:
        """Handle a packet; whether it ends the connection in good order."""
        kind = first >> 4
        with self._lock:
            self.packets.append(kind)
            fault = self.faults.popleft()[1] if self.faults and self.faults[0][0] == kind else None
        if fault == "lose":
            raise EOFError
        answer = self._answer(client, first, Reader(content), fault if isinstance(fault, int) else SUCCESS)
        client.is_stalled |= fault == "stall"
        if fault == "cut":
            raise EOFError
        if fault == "garbage":
            answer = b"\x00\x01\x02\x03"
        if not client.is_stalled and (isinstance(fault, bytes) or answer):
            client.connection.sendall(fault if isinstance(fault, bytes) else answer)
        return kind == DISCONNECT and content[:1] != bytes([WITH_WILL])

    def _answer(self, client: Client, first: int, reader: Reader, reason: int) -> bytes:
        kind = first >> 4
        if kind == CONNECT:
            return self._connect(client, reader, reason)
        if kind == PUBLISH:
            return self._publish(client, first, reader, reason)
        if kind == PUBREL:
            number = reader.number(2)
            held = client.session.held.pop(number, None)
            if held:
                self._pass_on(held)
            return packet(PUBCOMP, struct.pack("!HB", number, reason if held else 0x92))
        if kind == SUBSCRIBE:
            return self._subscribe(client, reader, reason)
        return packet(PINGRESP, b"") if kind == PINGREQ else b""

    def _connect(self, client: Client, reader: Reader, reason: int) -> bytes:
        assert (reader.text(), reader.number(1)) == ("MQTT", 5)
        flags = reader.number(1)
        reader.take(2)
        reader.properties()
        client.id = reader.text()
        client.is_clean = bool(flags & 2)
        if flags & 4:
            reader.properties()
            client.will = reader.text(), reader.binary()
        client.user = reader.text() if flags & 0x80 else ""
        client.password = reader.text() if flags & 0x40 else ""
        with self._lock:
            if client.is_clean:
                self._sessions.pop(client.id, None)
            is_present = client.id in self._sessions and reason == SUCCESS
            client.session = self._sessions.setdefault(client.id, Session())
        return packet(CONNACK, bytes([is_present, reason, len(self._properties)]) + self._properties)

    def _publish(self, client: Client, first: int, reader: Reader, reason: int) -> bytes:
        qos, topic = first >> 1 & 3, reader.text()
        number = reader.number(2) if qos else 0
        users, others = reader.properties()
        message = Received(topic, reader.rest, qos, bool(first & 1), users, others)
        if qos == 2:
            if reason == SUCCESS:
                client.session.held[number] = message
            return packet(PUBREC, struct.pack("!HB", number, reason))
        if reason == SUCCESS:
            self._pass_on(message)
        return packet(PUBACK, struct.pack("!HB", number, reason)) if qos else b""

    def _subscribe(self, client: Client, reader: Reader, reason: int) -> bytes:
        number = reader.take(2)
        reader.properties()
        while reader.rest:
            client.filters.append(reader.text())
            reader.take(1)
        return packet(SUBACK, number + b"\0" + bytes([reason or 1]))

    def _pass_on(self, message: Received) -> None:
        with self._lock:
            self.received.append(message)
            if message.retain:
                self.retained[message.topic] = message.payload
            listening = [one for one in self.present if any(matches(each, message.topic) for each in one.filters)]
        for client in listening:
            with suppress(OSError):
                client.connection.sendall(
                    packet(PUBLISH, text(message.topic) + b"\0" + message.payload, message.retain)
                )


def _exactly(file: Any, count: int) -> bytes:
    content: bytes = file.read(count)
    if len(content) < count:
        raise EOFError
    return content


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def broking(port: int = 0, properties: bytes = b"") -> Iterator[Broker]:
    """Run a broker until the block ends. `properties`: of its answer to a client that connects, encoded."""
    broker = Broker(port, properties)
    try:
        yield broker
    finally:
        broker.close()
