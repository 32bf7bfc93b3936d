"""What tests of commands share that call them in their own process."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def ctrl_c_stays() -> Iterator[None]:
    """Commands that run models change what Ctrl-C does; here it must not outlive the test."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)
