"""What every backend gives: weights that can be run."""

from typing import Protocol

from models.families import Feeds, Outputs, Signature
from models.scheduling.deadlines import Limit


class Runnable(Protocol):
    """Loaded weights: one graph, or several that a library runs in turn. Thread-safe."""

    @property
    def signature(self) -> Signature:
        """Return the names and types of the inputs and outputs."""
        ...

    def run(self, feeds: Feeds, watchdog: Limit | None = None) -> Outputs:
        """Run the weights for one frame on the calling thread; the watchdog stops a run that takes too long.

        Raises InferenceError and InferenceTimeoutError.
        """
        ...
