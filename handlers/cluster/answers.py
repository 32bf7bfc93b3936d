"""What travels back from a worker: plain data, as the order that went there."""

from dataclasses import dataclass

from models.errors import FrameError
from models.order import Answered


@dataclass(frozen=True, slots=True)
class FromWorker:
    """What became of one frame. `worker`: the identifier of the replica that worked on it.

    A refusal is a value, too: Ray would log an error that is raised, with its traceback, for each broken picture.
    """

    worker: str
    outcome: Answered | FrameError
