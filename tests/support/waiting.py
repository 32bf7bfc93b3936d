"""Waiting for what comes to pass a little later."""

import time
from collections.abc import Callable

PATIENCE_S = 30.0
"""These machines are shared: what takes a moment may take seconds."""
INTERVAL_S = 0.02


def wait_for(condition: Callable[[], object]) -> None:
    """Return once it holds; fails when it does not in time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(INTERVAL_S)
