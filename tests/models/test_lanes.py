"""The lanes: bounded, in order, and every place given back."""

import threading
from collections.abc import Iterator

import pytest

from models.errors import OverloadedError
from models.runtime.lanes import Lanes


@pytest.fixture
def lanes() -> Iterator[Lanes]:
    made = Lanes(count=1, queue_size=1)
    yield made
    made.close()


@pytest.fixture
def gate(lanes: Lanes) -> Iterator[threading.Event]:  # noqa: ARG001  # opened before the lanes are closed
    """What jobs wait for; opened at the end whatever came of the test, lest a failure hang."""
    made = threading.Event()
    yield made
    made.set()


def test_one_runs_one_waits_and_the_third_is_refused(lanes: Lanes, gate: threading.Event) -> None:
    running, waiting = lanes.submit(gate.wait), lanes.submit(lambda: "waited")
    with pytest.raises(OverloadedError):
        lanes.refuse_if_full()
    with pytest.raises(OverloadedError):
        lanes.submit(gate.wait)
    gate.set()
    assert running.result()
    assert waiting.result() == "waited"


def test_a_place_comes_back_after_success_failure_and_cancellation(lanes: Lanes, gate: threading.Event) -> None:
    assert lanes.submit(lambda: 1).result() == 1
    with pytest.raises(ZeroDivisionError):
        lanes.submit(lambda: 1 / 0).result()
    running, waiting = lanes.submit(gate.wait), lanes.submit(gate.wait)
    assert waiting.cancel()
    lanes.refuse_if_full()
    gate.set()
    running.result()
    assert lanes.submit(lambda: 2).result() == 2
