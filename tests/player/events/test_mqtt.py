"""A broker gets each event once, in order, however the connection breaks."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from lab.wire import refusing
from player.events import connection, mqtt
from player.events.broker import BrokerAddress, Message
from player.events.event import Event
from player.events.mqtt_output import Inbox
from player.events.output import LaterError, Link, Output
from player.events.outputs import open_output
from player.events.sending import BackOff, OutputStatus, Publisher
from tests.support import mqtt_broker
from tests.support.certificates import issue, write, write_authority
from tests.support.mqtt_broker import (
    CONNECT,
    MAXIMUM_PACKET_SIZE,
    MAXIMUM_QOS,
    PINGREQ,
    PUBLISH,
    PUBREL,
    SUBSCRIBE,
    Broker,
    Fault,
    broking,
)
from tests.support.player_events import seen, stored, wait_until_delivered
from tests.support.waiting import PATIENCE_S, wait_for

CONTENT_TYPE, RECEIVE_MAXIMUM = 0x03, 0x21


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect again at once, and wait for less."""
    monkeypatch.setattr(mqtt, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(mqtt, "LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(connection, "SEND_TIMEOUT_S", 0.2)


@pytest.fixture
def unhurried(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  # after it
    """Wait for answers as long as it takes, so that no delay is reported instead of another error."""
    monkeypatch.setattr(connection, "SEND_TIMEOUT_S", PATIENCE_S)


@contextmanager
def publishing(port: int, options: str = "", topic: str = "") -> Iterator[Publisher]:
    output = open_output(f"mqtt://127.0.0.1:{port}/{topic}{options}", ["yard"])
    publisher = Publisher([output], back_off=BackOff(0.01, 0.02))
    try:
        yield publisher
    finally:
        publisher.close(0.1)


def delivered(publisher: Publisher, events: list[Event]) -> OutputStatus:
    """Publish events; return the status once none of them waits."""
    for event in events:
        publisher.publish(event)
    return wait_until_delivered(publisher)


def wait_until_listening(broker: Broker, count: int) -> None:
    """Wait until that many clients have come, and the last one has subscribed."""
    wait_for(lambda: len(broker.connected) >= count and broker.connected[-1].filters)


def ids(broker: Broker) -> list[str]:
    return [message.user_properties.get("message-id", "") for message in broker.received]


@pytest.mark.usefixtures("unhurried")
def test_an_event_is_a_message_of_iot_hub() -> None:
    event = seen()
    with broking() as broker, publishing(broker.port) as publisher:
        status = delivered(publisher, [event])
    [message] = broker.received
    assert (message.topic, message.qos, message.retain) == ("framehook/yard/events", 2, False)
    assert message.payload == b'{"timestamp":143039375044290,"inferences":[%b]}' % (
        b'{"type":"motion","motion":{"box":{"l":0.48954,"t":0.140741,"w":0.075,"h":0.058824}}}'
    )
    assert message.user_properties == event.application_properties()
    assert message.properties[CONTENT_TYPE] == b"application/json"
    assert (status.delivered, status.dropped, status.last_error) == (1, 0, None)
    assert status.connected_since_s == pytest.approx(time.time(), abs=60)


def test_topics_name_pipeline_and_class() -> None:
    with broking() as broker, publishing(broker.port, "?qos=1", "site/{pipeline}/{class}") as publisher:
        delivered(publisher, [seen("yard"), stored("a/b")])
    assert [message.topic for message in broker.received] == ["site/yard/Analytics", "site/a_b/Operational"]
    assert [message.qos for message in broker.received] == [1, 1]


def test_a_user_is_named() -> None:
    with broking() as broker:
        output = open_output(f"mqtt://me:p%40ss@127.0.0.1:{broker.port}?client_id=cam")
        wait_for(lambda: broker.connected and broker.connected[0].id)
        output.close()
    client = broker.connected[0]
    assert (client.id, client.user, client.password, client.is_clean) == ("cam", "me", "p@ss", True)


FAULTS: dict[str, list[tuple[int, Fault]]] = {
    "the event is lost": [(PUBLISH, "lose")],
    "its answer is lost": [(PUBLISH, "cut")],
    "its release is lost": [(PUBREL, "lose")],
    "the last answer is lost": [(PUBREL, "cut")],
    "again and again": [(PUBLISH, "cut"), (PUBLISH, "lose"), (PUBREL, "lose"), (PUBREL, "cut"), (PUBREL, "cut")],
    "the last answer is lost, then the broker is away": [(PUBREL, "cut"), (CONNECT, "lose"), (CONNECT, "lose")],
    "the connection is refused at first": [(PUBLISH, "cut"), (CONNECT, 0x88), (CONNECT, "cut")],
    "the answer is garbage": [(PUBLISH, "garbage"), (PUBREL, "garbage"), (CONNECT, "garbage")],
    "the answer is too short": [(PUBLISH, b"\x50\x01\x00"), (CONNECT, b"\x20\x03\x00\x00\x09")],
    "the answer has an unknown reason": [(PUBLISH, b"\x50\x03\x00\x01\xff")],
    "the answer is to nothing": [(PUBLISH, b"\x50\x03\xff\xff\x87\x50\x02\x00\x01")],
    "it is busy": [(PUBLISH, 0x97), (PUBLISH, 0x97)],
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("count", [1, 60])
def test_each_event_comes_once(fault: str, count: int) -> None:
    events = [seen() for _ in range(count)]
    with broking() as broker, publishing(broker.port) as publisher:
        broker.faults.extend(FAULTS[fault])
        status = delivered(publisher, events)
        assert not broker.faults
    assert sorted(ids(broker)) == sorted(event.id for event in events)
    if fault != "it is busy":
        assert ids(broker) == [event.id for event in events]
    assert (status.delivered, status.dropped) == (count, 0)


class Waking:
    """Listens to a client. `wake`: is called while it learns that it is connected."""

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        self.wake = wake
        self.connections = 0

    def connected(self, limits: mqtt.Limits, lost: Sequence[int] | None) -> None:  # noqa: ARG002  # the protocol's
        self.connections += 1
        self.wake()

    def disconnected(self, sentence: str) -> None: ...

    def answered(self, number: int, answer: mqtt.Answer) -> None: ...

    def heard(self, topic: str, payload: bytes) -> None: ...

    def refused(self, sentence: str) -> None: ...


@contextmanager
def connecting(broker: Broker, listener: Waking) -> Iterator[mqtt.MqttClient]:
    client = mqtt.MqttClient(BrokerAddress("127.0.0.1", broker.port), "me", listener, None, ())
    client.start()
    try:
        yield client
    finally:
        client.close()


@pytest.mark.parametrize("qos", [1, 2])
def test_what_is_new_comes_after_what_is_sent_again(qos: int) -> None:
    """Also what another thread publishes in the very moment in which the client is connected again."""
    listener = Waking()
    with broking() as broker, connecting(broker, listener) as client:

        def publish_in_between() -> None:
            other = threading.Thread(target=client.publish, args=(Message("a", b"new"), qos))
            other.start()
            other.join(0.2)

        wait_for(lambda: listener.connections)
        listener.wake = publish_in_between
        broker.faults.append((PUBLISH, "lose"))
        client.publish(Message("a", b"old"), qos)
        wait_for(lambda: len(broker.received) == 2)
    assert [message.payload for message in broker.received] == [b"old", b"new"]


def test_nothing_is_sent_before_the_broker_has_accepted_the_client() -> None:
    with broking() as broker:
        broker.faults.append((CONNECT, "stall"))
        with connecting(broker, Waking()) as client:
            wait_for(lambda: not broker.faults)
            client.publish(Message("a", b"early"), 2)
            time.sleep(0.1)
            assert broker.packets == [CONNECT]


@pytest.mark.usefixtures("unhurried")
def test_a_new_session_first_gets_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if it begins while a later message waits for its turn."""
    has_begun = threading.Event()
    publish, note = mqtt.MqttClient.publish, connection.Connection.connected

    def publish_late(client: mqtt.MqttClient, message: Message, *rest: Any) -> int | None:
        if message.payload == b"C" and not has_begun.is_set():
            wait_for(lambda: not broker.faults)  # the first message is there, and is not confirmed
            broker.forget()
            broker.cut()
            has_begun.wait(PATIENCE_S)
        return publish(client, message, *rest)

    def note_slowly(self: connection.Connection, limits: mqtt.Limits, lost: Sequence[int] | None) -> None:
        note(self, limits, lost)
        if self.sessions > 1:
            has_begun.set()
            time.sleep(0.3)

    monkeypatch.setattr(mqtt.MqttClient, "publish", publish_late)
    monkeypatch.setattr(connection.Connection, "connected", note_slowly)
    messages = [Message("a", letter.encode(), qos=1, key=letter) for letter in "ABCD"]
    with broking() as broker:
        publisher = connection.Connection(BrokerAddress("127.0.0.1", broker.port), "me", Link("broker"))
        broker.faults.append((PUBLISH, "stall"))
        count = 0
        while count < len(messages):
            with suppress(LaterError):
                count += publisher.send(messages[count:])
        publisher.close()
    assert [message.payload for message in broker.received][-4:] == [b"A", b"B", b"C", b"D"]


@pytest.mark.parametrize("kind", [PUBLISH, PUBREL])
def test_a_broker_that_has_forgotten_everything_gets_the_rest(kind: int) -> None:
    """What it had passed on, and not confirmed, comes twice: nobody can know."""
    events = [seen() for _ in range(10)]
    with broking() as broker, publishing(broker.port) as publisher:
        broker.faults.append((kind, "stall"))
        for event in events:
            publisher.publish(event)
        wait_for(lambda: not broker.faults)
        broker.forget()
        broker.cut()
        wait_until_delivered(publisher)
    assert list(dict.fromkeys(ids(broker))) == [event.id for event in events]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param([(PUBLISH, "lose")] * connection.MAX_FRUITLESS_SESSIONS, id="nothing arrives"),
        pytest.param([(PUBLISH, mqtt_broker.packet(mqtt_broker.DISCONNECT, b"\x93"))], id="too many at once"),
        pytest.param([(PUBLISH, 0x97), (PUBLISH, "lose")], id="quota exceeded"),
    ],
)
def test_a_session_that_leads_nowhere_is_given_up(fault: list[tuple[int, Fault]]) -> None:
    """After a power cut, mosquitto may count messages that nobody will end."""
    with broking() as broker, publishing(broker.port) as publisher:
        event = seen()
        broker.faults.extend(fault)
        delivered(publisher, [event])
        assert ids(broker) == [event.id]
        assert broker.connected[-1].is_clean
        assert not any(client.is_clean for client in broker.connected[1:-1])


def test_with_qos_1_an_event_whose_answer_is_lost_comes_twice() -> None:
    event = seen()
    with broking() as broker, publishing(broker.port, "?qos=1") as publisher:
        broker.faults.append((PUBLISH, "cut"))
        status = delivered(publisher, [event])
    assert ids(broker) == [event.id, event.id]
    assert status.delivered == 1


def test_with_qos_0_nothing_is_waited_for() -> None:
    events = [seen() for _ in range(30)]
    with broking() as broker, publishing(broker.port, "?qos=0") as publisher:
        status = delivered(publisher, events)
        wait_for(lambda: len(broker.received) == 30)
    assert ids(broker) == [event.id for event in events]
    assert status.delivered == 30


def test_a_broker_that_does_not_know_qos_2_gets_1() -> None:
    with broking(properties=bytes([MAXIMUM_QOS, 1])) as broker, publishing(broker.port) as publisher:
        delivered(publisher, [seen()])
    assert [message.qos for message in broker.received] == [1]


def test_no_more_wait_for_an_answer_than_the_broker_wants() -> None:
    properties = bytes([RECEIVE_MAXIMUM]) + struct.pack("!H", 3)
    with broking(properties=properties) as broker, publishing(broker.port) as publisher:
        broker.faults.append((PUBLISH, "stall"))
        for _ in range(10):
            publisher.publish(seen())
        wait_for(lambda: broker.packets.count(PUBLISH) == 3)
        time.sleep(0.1)
        assert broker.packets.count(PUBLISH) == 3


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("index", [0, 3], ids=["first", "among others"])
def test_what_the_broker_will_not_take_is_dropped(index: int) -> None:
    events = [seen() for _ in range(8)]
    events.insert(index, seen("yard", *[{"type": "text", "text": {"value": "x" * 5000}}]))
    properties = bytes([MAXIMUM_PACKET_SIZE]) + struct.pack("!L", 2000)
    with broking(properties=properties) as broker, publishing(broker.port) as publisher:
        status = delivered(publisher, events)
    assert ids(broker) == [event.id for event in events if event != events[index]]
    assert (status.delivered, status.dropped) == (8, 1)
    assert "takes at most 2000 bytes" in str(status.last_error)


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("qos", [1, 2])
def test_a_refused_event_is_dropped(qos: int) -> None:
    events = [seen() for _ in range(5)]
    with broking() as broker, publishing(broker.port, f"?qos={qos}") as publisher:
        broker.faults.append((PUBLISH, 0x87))
        status = delivered(publisher, events)
    assert ids(broker) == [event.id for event in events[1:]]
    assert (status.delivered, status.dropped) == (4, 1)
    assert "refuses a message: Not authorized" in str(status.last_error)


@pytest.mark.parametrize("qos", [1, 2])
def test_a_broker_that_hangs_up_over_an_event_does_not_get_it_again(qos: int) -> None:
    """AWS does."""
    disconnect = mqtt_broker.packet(mqtt_broker.DISCONNECT, bytes([0x95]))
    events = [seen() for _ in range(5)]
    with broking() as broker, publishing(broker.port, f"?qos={qos}") as publisher:
        broker.faults.append((PUBLISH, 0x83))  # such as this is not final
        broker.faults.append((PUBLISH, disconnect))
        status = delivered(publisher, events)
    assert status.dropped == 1
    assert status.delivered == 4


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("topic", ["x" * 70_000, "a/\ud800"], ids=["too long", "no text"])
def test_an_event_without_a_topic_is_dropped(topic: str) -> None:
    with broking() as broker, publishing(broker.port, topic="{pipeline}") as publisher:
        status = delivered(publisher, [seen(topic), seen()])
    assert (status.delivered, status.dropped) == (1, 1)
    assert "is malformed" in str(status.last_error)


def test_an_event_with_properties_that_are_too_long_is_dropped() -> None:
    with broking() as broker, publishing(broker.port, topic="all") as publisher:
        status = delivered(publisher, [seen("x" * 70_000), seen()])
    assert (status.delivered, status.dropped) == (1, 1)


@pytest.mark.usefixtures("unhurried")
def test_a_broker_that_is_away_gets_everything_later() -> None:
    events = [seen() for _ in range(100)]
    with ExitStack() as stack:
        with refusing() as port:
            publisher = stack.enter_context(publishing(port))
            for event in events:
                publisher.publish(event)
            wait_for(lambda: publisher.status[0].last_error)
        status = publisher.status[0]
        assert status.last_error == f"mqtt://127.0.0.1:{port} cannot be reached: Connection refused."
        assert (status.waiting, status.connected_since_s) == (100, None)
        with broking(port) as broker:
            wait_until_delivered(publisher)
    assert ids(broker) == [event.id for event in events]


@pytest.mark.usefixtures("unhurried")
def test_a_broker_that_refuses_the_client_is_tried_again() -> None:
    with broking() as broker:
        broker.faults.extend([(CONNECT, 0x86)] * 3)
        with publishing(broker.port) as publisher:
            status = delivered(publisher, [seen()])
    assert status.last_error == f"mqtt://127.0.0.1:{broker.port} refuses the client: Bad user name or password."


def test_silence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "KEEP_ALIVE_S", 1)
    events = [seen() for _ in range(3)]
    with broking() as broker, publishing(broker.port) as publisher:
        broker.faults.append((PUBLISH, "stall"))
        status = delivered(publisher, events)
    assert PINGREQ in broker.packets
    assert len(broker.connected) == 2
    assert ids(broker) == [event.id for event in events]
    assert status.delivered == 3


def test_closing_leaves_in_good_order() -> None:
    with broking() as broker:
        with publishing(broker.port) as publisher:
            delivered(publisher, [seen()])
        wait_for(lambda: not broker.present)
        assert broker.packets[-1] == mqtt_broker.DISCONNECT


def test_closing_reports_what_is_not_confirmed() -> None:
    with broking() as broker:
        publisher = Publisher([open_output(f"mqtt://127.0.0.1:{broker.port}")])
        broker.faults.append((PUBLISH, "stall"))
        publisher.publish(seen())
        wait_for(lambda: not broker.faults)
        assert publisher.close(0.1) == 1


def test_closing_does_not_wait_for_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        output = open_output(f"mqtt://127.0.0.1:{server.getsockname()[1]}")
        began_s = time.monotonic()
        output.close()
        assert time.monotonic() - began_s < 5


def test_a_name_that_no_host_has_is_reported() -> None:
    output: Output = open_output(f"mqtt://{'x' * 64}.example")
    wait_for(lambda: output.link.state.last_error)
    assert "the name of its host is wrong" in str(output.link.state.last_error)
    output.close()


@pytest.fixture
def tls_broker(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A port that speaks TLS, and the authority of its certificate; what it says is MQTT."""
    ca = trustme.CA()
    write(issue(ca), tmp_path)
    authority = write_authority(ca, tmp_path)["tls_client_ca"]
    with broking() as broker, tls_before(broker.port, issue(ca)) as port:
        yield port, authority


@contextmanager
def tls_before(upstream: int, certificate: trustme.LeafCert) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as server:
        ends: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    client = context.wrap_socket(server.accept()[0], server_side=True)
                except ssl.SSLError:
                    continue
                except OSError:
                    return
                broker = socket.create_connection(("127.0.0.1", upstream))
                ends.extend((client, broker))
                for source, target in ((client, broker), (broker, client)):
                    threading.Thread(target=pump, args=(source, target), daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for end in ends:
            end.close()


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while content := source.recv(4096):
            target.sendall(content)
    except OSError:
        pass


def test_tls_trusts_the_authority_that_is_named(tls_broker: tuple[int, Path]) -> None:
    port, authority = tls_broker
    publisher = Publisher([open_output(f"mqtts://localhost:{port}?ca={authority}")])
    publisher.publish(seen())
    assert wait_until_delivered(publisher).delivered == 1
    publisher.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho does not close its socket
def test_tls_trusts_nobody_else(tls_broker: tuple[int, Path]) -> None:
    output = open_output(f"mqtts://localhost:{tls_broker[0]}")
    wait_for(lambda: output.link.state.last_error)
    assert "cannot be reached" in str(output.link.state.last_error)
    assert "certificate" in str(output.link.state.last_error).lower()
    output.close()


# The other direction


def test_an_inbox_hears_what_is_sent_while_it_listens() -> None:
    heard: list[tuple[str, bytes, float]] = []
    with broking() as broker:
        broker.publish("gates/yard/in", b"old", retain=True)
        inbox = Inbox(f"mqtt://127.0.0.1:{broker.port}/ignored", ["gates/+/in"], lambda *each: heard.append(each))
        wait_until_listening(broker, 1)
        broker.publish("gates/yard/in", b"open")
        broker.publish("gates/yard/out", b"other")
        broker.publish("gates/yard/in", b"kept", retain=True)
        broker.publish("gates/yard/in", bytes(mqtt.MAX_HEARD_BYTES + 1))
        broker.send(mqtt_broker.packet(PUBLISH, mqtt_broker.text(b"gates/\xff/in") + b"\0hello"))
        broker.publish("gates/gate/in", b'{"any": "bytes"}\xff')
        wait_for(lambda: len(heard) == 2)
        assert [each[:2] for each in heard] == [("gates/yard/in", b"open"), ("gates/gate/in", b'{"any": "bytes"}\xff')]
        assert heard[0][2] == pytest.approx(time.time(), abs=60)
        broker.cut()
        wait_until_listening(broker, 2)
        broker.publish("gates/yard/in", b"again")
        wait_for(lambda: len(heard) == 3)
        inbox.close()


def test_garbage_from_a_broker_ends_the_connection_only() -> None:
    heard: list[bytes] = []
    garbage = (b"\x30\x03\x00\x09a", b"\x30\x00", b"\xf0\x00", b"\x90\x00", b"\x20\x00", b"\x62\x01\x00")

    def hear(_topic: str, payload: bytes, _at_s: float) -> None:
        heard.append(payload)

    with broking() as broker:
        inbox = Inbox(f"mqtt://127.0.0.1:{broker.port}?client_id=me", ["a"], hear)
        for index, each in enumerate(garbage):
            wait_until_listening(broker, index + 1)
            broker.send(each)
        wait_until_listening(broker, len(garbage) + 1)
        broker.publish("a", b"fine")
        wait_for(lambda: heard == [b"fine"])
        assert broker.connected[0].id == "me-inbox"
        inbox.close()


def test_a_refused_subscription_is_reported() -> None:
    with broking() as broker:
        broker.faults.append((SUBSCRIBE, 0x87))
        inbox = Inbox(f"mqtt://127.0.0.1:{broker.port}", ["a"], lambda *_: None)
        wait_for(lambda: inbox.link.state.last_error)
        assert "refuses a subscription: Not authorized" in str(inbox.link.state.last_error)
        inbox.close()
