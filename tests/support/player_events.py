"""Builders of events, and receivers of them."""

import threading
from collections.abc import Sequence
from pathlib import Path

from player.errors import DeliveryError
from player.events.event import Event, Place, inference, recording
from player.events.output import Link
from player.events.sending import OutputStatus, Publisher
from player.flow import Inference
from tests.support.waiting import wait_for

AT_S = 143039375044290 / 90_000
"""A time whose ticks and text are published: 2020-05-12T23:33:09.381Z."""
BOX = {"l": 0.48954, "t": 0.140741, "w": 0.075, "h": 0.058824}
MOTION = {"type": "motion", "motion": {"box": BOX}}


def seen(pipeline: str = "yard", *inferences: Inference, at_s: float = AT_S) -> Event:
    """Return an Analytics event."""
    return inference(Place(pipeline), at_s, inferences or (MOTION,))


def stored(pipeline: str = "yard") -> Event:
    """Return an Operational event."""
    return recording(Place(pipeline), "RecordingAvailable", AT_S, ("filePath", "/clips/1.mp4"))


class FakeOutput:
    """Takes events while its gate is open. `errors`: what the next calls raise instead. `window`: as for outputs."""

    name = "fake"

    def __init__(self, *errors: DeliveryError, window: int = 1, is_open: bool = True) -> None:
        self.link, self.window = Link("tests"), window
        self.errors, self.taken, self.calls = list(errors), list[Event](), 0
        self.gate, self.is_closed = threading.Event(), False
        if is_open:
            self.gate.set()

    def deliver(self, events: Sequence[Event]) -> int:
        self.calls += 1
        self.gate.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.taken += events
        return len(events)

    def close(self) -> None:
        self.is_closed = True
        self.gate.set()


def wait_until_delivered(publisher: Publisher) -> OutputStatus:
    """Wait until nothing waits; return the first output's status."""
    wait_for(lambda: not any(status.waiting for status in publisher.status))
    return publisher.status[0]


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
