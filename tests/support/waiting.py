"""Waiting for conditions that become true a little later."""

import time
from collections.abc import Callable

PATIENCE_S = 60.0
"""The machines are shared: a moment may become many seconds."""
PROGRAM_S = 240.0
"""A program that starts, or a command until it ends: it needs the processor for seconds, perhaps beside others."""
INTERVAL_S = 0.02
TRIES = 5
"""How often to try what a busy machine may spoil."""


def wait_for(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Return once the condition holds; fail if it does not in time."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(INTERVAL_S)
