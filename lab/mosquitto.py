"""Debian's MQTT broker, and a consumer of its messages."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from lab.wire import free_port

MOSQUITTO = "/usr/sbin/mosquitto"
START_S = 60.0


@dataclass
class Mosquitto:
    """`port`: also after a restart. `config`: lines of its configuration."""

    folder: Path
    config: tuple[str, ...] = ("allow_anonymous true",)
    is_persistent: bool = False
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        lines = [f"listener {self.port} 127.0.0.1", "max_queued_messages 0", "set_tcp_nodelay true", *self.config]
        lines += ["user root"] if os.getuid() == 0 else []
        if self.is_persistent:
            lines += ["persistence true", f"persistence_location {self.folder}/"]
        path = self.folder / "mosquitto.conf"
        path.write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen([MOSQUITTO, "-c", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until_s = time.monotonic() + START_S
        while not self.answers():
            if time.monotonic() > until_s:
                raise TimeoutError("mosquitto does not start")
            time.sleep(0.02)

    def answers(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False

    def send(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.send(number)
        assert self.process
        self.process.wait(START_S)


@contextmanager
def mosquitto(folder: Path, *config: str, is_persistent: bool = False) -> Iterator[Mosquitto]:
    """Run the broker until the block ends."""
    broker = Mosquitto(folder, config or ("allow_anonymous true",), is_persistent)
    broker.start()
    try:
        yield broker
    finally:
        broker.send(signal.SIGCONT)
        broker.stop(signal.SIGKILL)


class Consumer:
    """Subscribes with a session that lasts, and connects again at once. `messages`: all that came.

    With QoS 1, what a broker sends again is left out: that has not come to it twice. With QoS 0, all that a broker has
    sent before it ends is read: there are no answers, which would fail then.
    """

    def __init__(
        self, port: int, topic: str = "framehook/#", client_id: str = "consumer", qos: int = 1, **login: str
    ) -> None:
        self.messages: list[MQTTMessage] = []
        self.is_subscribed = threading.Event()
        self._topic, self._qos = topic, qos
        self._client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5)
        if login:
            self._client.username_pw_set(**login)
        self._client.on_connect, self._client.on_message = self._on_connect, self._on_message
        self._client.on_subscribe = lambda *_: self.is_subscribed.set()
        self._client.reconnect_delay_set(cast("int", 0.05), cast("int", 0.1))
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types there
        properties.SessionExpiryInterval = 3600
        self._client.connect_async("127.0.0.1", port, 5, properties=properties)
        self._client.loop_start()

    @property
    def ids(self) -> list[str]:
        return [properties_of(message).get("message-id", "") for message in list(self.messages)]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, *_: Any) -> None:
        client.subscribe(self._topic, qos=self._qos)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if not (message.dup and properties_of(message).get("message-id") in self.ids):
            self.messages.append(message)


def properties_of(message: MQTTMessage) -> dict[str, str]:
    """Return the user properties of a message."""
    return dict(getattr(message.properties, "UserProperty", []))


@contextmanager
def consuming(port: int, topic: str = "framehook/#", qos: int = 1, **login: str) -> Iterator[Consumer]:
    """Subscribe until the block ends."""
    consumer = Consumer(port, topic, qos=qos, **login)
    try:
        assert consumer.is_subscribed.wait(START_S)
        yield consumer
    finally:
        consumer.close()


class Proxy:
    """Passes bytes between clients and a broker, and ends connections when it is asked to, also within a packet.

    `is_open`: whether new clients are let in.
    """

    def __init__(self, upstream: int) -> None:
        self.is_open = threading.Event()
        self.is_open.set()
        self._upstream, self._pairs = upstream, set[tuple[socket.socket, socket.socket]]()
        self._lock, self.cuts = threading.Lock(), 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        self.cuts += bool(pairs)
        for pair in pairs:
            _end(*pair)

    def close(self) -> None:
        _end(self._server)
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            broker = self._reach_broker()
            if broker is None:
                client.close()
                continue
            pair = client, broker
            for end in pair:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.add(pair)
            for source, target in (pair, pair[::-1]):
                threading.Thread(target=self._pass, args=(source, target, pair), daemon=True).start()

    def _reach_broker(self) -> socket.socket | None:
        with suppress(OSError):
            if self.is_open.is_set():
                return socket.create_connection(("127.0.0.1", self._upstream), 5)
        return None

    def _pass(self, source: socket.socket, target: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        with suppress(OSError):
            while content := source.recv(50):  # so that packets are cut, too
                target.sendall(content)
        with self._lock:
            self._pairs.discard(pair)
        _end(*pair)


def _end(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
