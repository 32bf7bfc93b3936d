"""A connection to a broker that lasts: what was handed to it arrives, in order, however often it breaks."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from player.errors import DeliveryError
from player.events.broker import BrokerAddress, Message, Presence
from player.events.mqtt import WINDOW, Answer, Limits, MqttClient
from player.events.output import LaterError, Link

MAX_FRUITLESS_SESSIONS = 10
"""So many connections in a row that bring nothing end a session: the broker may be confused, as after a power cut."""
SEND_TIMEOUT_S = 5.0
"""How long `send` waits before it reports that it still waits."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Messages of others. `topics`: filters of topics. `on_message`: gets topic and payload, on another thread."""

    topics: Sequence[str] = ()
    on_message: Callable[[str, bytes], None] = lambda _topic, _payload: None


NOTHING = Subscription()


class Connection:
    """Connects at once, and again whenever that is lost, for ever. `send` and `post` are called by one thread.

    `presence`: what the broker says to others of the client. `subscription`: which messages of others it gets; what
    was sent while there was no connection does not come later.
    """

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        link: Link,
        presence: Presence | None = None,
        subscription: Subscription = NOTHING,
    ) -> None:
        self.sessions = 0
        """How many there were so far: a new one knows nothing of what was sent before."""
        self._name, self._link, self._listening = address.name, link, subscription
        self._news = threading.Condition()
        self._is_connected, self._is_closed, self._limits = False, False, Limits()
        self._numbers: dict[str, int] = {}
        self._answers: dict[int, Answer | None] = {}
        self._fruitless = 0
        self._client = MqttClient(address, client_id, self, presence, subscription.topics)
        self._client.start()

    @property
    def window(self) -> int:
        """Return how many messages `send` can use at once."""
        return WINDOW

    def send(self, messages: Sequence[Message]) -> int:
        """Publish messages; return once the broker has the first of them: how many of the first ones it has.

        A further call, which must begin with the first message that the broker does not have, goes on waiting; it
        publishes what has the `key` of an earlier message only if the broker has lost its session. Raises LaterError
        if the broker has none of them after a while, and DeliveryError if it refuses the first.
        """
        until_s = time.monotonic() + SEND_TIMEOUT_S
        while True:
            self._publish(messages, until_s)
            answer = self._wait(self._numbers[messages[0].key], until_s)
            if answer:
                return self._count(messages, answer)

    def post(self, message: Message) -> None:
        """Publish a message that may get lost; one that cannot be written as a packet is left out."""
        with suppress(ValueError):
            self._client.publish(message, min(message.qos, self._limits.qos))

    def close(self) -> None:
        """Disconnect. What the broker does not have yet is lost."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()
        self._client.close()

    def connected(self, limits: Limits, lost: Sequence[int] | None) -> None:
        """Note a connection; what a new session lacks, or was refused for now, is to be published again, in order."""
        with self._news:
            self._is_connected, self._limits = True, limits
            if lost is not None:
                self.sessions += 1
                refused = [number for number, answer in self._answers.items() if answer and answer.is_for_now]
                self._answers |= dict.fromkeys([*lost, *refused])
            self._news.notify_all()
        self._link.is_up()

    def disconnected(self, sentence: str) -> None:
        """Note that there is no connection."""
        with self._news:
            self._fruitless += self._is_connected
            self._is_connected = False
            if self._fruitless >= MAX_FRUITLESS_SESSIONS:
                self._client.begin_anew()
            if not self._is_closed:
                self._link.is_down(sentence)

    def answered(self, number: int, answer: Answer) -> None:
        """Note an answer."""
        with self._news:
            self._answers[number] = answer
            if not answer.is_failure and number in self._numbers.values():
                self._fruitless = 0
            self._news.notify_all()

    def heard(self, topic: str, payload: bytes) -> None:
        """Pass a message of others on."""
        self._listening.on_message(topic, payload)

    def refused(self, sentence: str) -> None:
        """Note a refusal."""
        self._link.has_refused(sentence)

    def _publish(self, messages: Sequence[Message], until_s: float) -> None:
        """Publish those messages that are not on their way, in order."""
        with self._news:
            self._news.wait_for(lambda: self._is_connected or self._is_closed, max(0, until_s - time.monotonic()))
            if not self._is_connected or self._is_closed:
                raise LaterError(self._link.state.last_error or f"{self._name} does not answer.", 0)
            self._tidy({message.key for message in messages})
            limits, sessions = self._limits, self.sessions
        for index, message in enumerate(messages[: limits.window]):
            if message.key not in self._numbers:
                try:
                    number = self._number(message, limits, sessions)
                except DeliveryError:
                    if index == 0:
                        raise
                    return  # it will be the first soon
                with self._news:
                    self._numbers[message.key] = number

    def _tidy(self, keys: set[str]) -> None:
        """Forget messages that are not on their way any longer, and answers to them and to others."""
        lost = {number for number, answer in self._answers.items() if answer is None}
        self._numbers = {key: number for key, number in self._numbers.items() if key in keys and number not in lost}
        known = set(self._numbers.values())
        self._answers = {number: answer for number, answer in self._answers.items() if number in known}

    def _number(self, message: Message, limits: Limits, sessions: int) -> int:
        """Publish a message, but not in a later session, which first needs what it lacks; return its number."""
        if message.size_bytes > limits.size_bytes:
            raise DeliveryError(f"{self._name} takes at most {limits.size_bytes} bytes.", is_final=True)
        qos = min(message.qos, limits.qos)
        try:
            number = self._client.publish(message, qos, lambda: self.sessions == sessions)
        except ValueError as error:
            raise DeliveryError(f"A message for {self._name} is malformed: {error}.", is_final=True) from error
        if number is None:
            raise LaterError(f"The connection to {self._name} has just been lost.")
        if qos == 0:
            self.answered(number, Answer(0, "sent"))
        return number

    def _wait(self, number: int, until_s: float) -> Answer | None:
        """Return the answer to a message; None if the broker has forgotten it. Raises LaterError."""
        with self._news:
            self._news.wait_for(lambda: number in self._answers or self._is_closed, max(0, until_s - time.monotonic()))
            if number not in self._answers:
                raise LaterError(f"{self._name} has not confirmed a message yet.", 0)
            return self._answers[number]

    def _count(self, messages: Sequence[Message], answer: Answer) -> int:
        """Return how many of the first messages the broker has. Raises DeliveryError if it refuses the first."""
        if answer.is_failure:
            with self._news:
                del self._numbers[messages[0].key]
            if answer.is_for_now:
                raise LaterError(f"{self._name} refuses a message for now: {answer.text}.")
            raise DeliveryError(f"{self._name} refuses a message: {answer.text}.", is_final=True)
        with self._news:
            answers = [self._answers.get(self._numbers.get(message.key, 0)) for message in messages]
        count = 0
        for each in answers:
            if not each or each.is_failure:
                break
            count += 1
        return count
