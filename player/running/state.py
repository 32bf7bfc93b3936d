"""What can be seen of a running pipeline: numbers that its threads count up, and others read."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from player.nodes.extension import Counts

CountName: TypeAlias = Literal["asked", "answered", "failed", "skipped", "dropped"]
Phase: TypeAlias = Literal["connecting", "playing", "ended", "failed"]


@dataclass(slots=True)
class PipelineState:
    """The state of one pipeline. Each number is written by one thread, or under the pipeline's lock.

    `phase`: connecting, while the source is away as well; ended: a file is over, or it was stopped; failed: a file that
    cannot be read, or a fault of the player. `fault`: the last one of the source, a sentence; empty while all is well.
    `sessions`: connections to the source so far. `at_s`: capture time of the last packet. `events`: how many, by their
    type. `extensions`: what each node of an extension has counted.
    """

    name: str
    topology: str
    source: str
    phase: Phase = "connecting"
    fault: str = ""
    sessions: int = 0
    packets: int = 0
    received_bytes: int = 0
    frames: int = 0
    at_s: float = 0.0
    clips: int = 0
    clip_bytes: int = 0
    events: Counter[str] = field(default_factory=Counter)
    clip_faults: int = 0
    extensions: list[Counts] = field(default_factory=list)

    def total(self, name: CountName) -> int:
        """Return the sum of one count of all extensions."""
        return sum(int(getattr(counts, name)) for counts in self.extensions)

    @property
    def waited_s(self) -> float:
        """Return for how long extensions were waited for."""
        return sum(counts.waited_s for counts in self.extensions)
