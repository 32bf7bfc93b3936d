"""Players for tests, with extensions that answer what the tests want."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.videos import Coding, write_video
from player.errors import ExtensionError
from player.flow import Inference, Picture
from player.running import player as player_module
from player.running.player import PipelineSpec, Player, PlayOptions
from player.topology.nodes import Topology
from player.topology.reading import read_topology
from tests.support.waiting import PATIENCE_S

PERSON: Inference = {
    "type": "entity",
    "entity": {"tag": {"value": "person", "confidence": 0.9}, "box": {"l": 0.4, "t": 0.2, "w": 0.1, "h": 0.4}},
}


@dataclass
class Answering:
    """An extension that gives answers in turn, the last one again and again; each may be an error."""

    answers: list[tuple[Inference, ...] | ExtensionError]
    times_s: list[float] = field(default_factory=list)
    is_closed: bool = False

    def prepare(self, picture: Picture, at_s: float) -> Callable[[], tuple[Inference, ...]]:  # noqa: ARG002
        answer = self.answers[min(len(self.times_s), len(self.answers) - 1)]
        self.times_s.append(at_s)

        def ask() -> tuple[Inference, ...]:
            if isinstance(answer, ExtensionError):
                raise answer
            return answer

        return ask

    def close(self) -> None:
        self.is_closed = True


@contextmanager
def playing(
    topology: Path | Topology, output: Path, extension: Answering | None = None, **options: Any
) -> Iterator[tuple[Player, threading.Event]]:
    """Run one pipeline, `yard`, whose events go to a file; yield the player, and what is set when it has ended."""
    over = threading.Event()
    if isinstance(topology, Path):
        topology = read_topology(topology, {}, pipeline="yard").topology
    if extension:
        options["create_extension"] = lambda _pipeline, _record: extension
    outputs = (str(output), *options.pop("more_outputs", ()))
    player = Player([PipelineSpec("yard", topology, outputs)], PlayOptions(**options), over.set)
    player.start()
    try:
        yield player, over
    finally:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(player_module, "FLUSH_S", PATIENCE_S)
            assert player.close() == 0


def play(topology: Path | Topology, output: Path, extension: Answering | None = None, **options: Any) -> Player:
    """Play a file to its end, as fast as possible; return the player."""
    with playing(topology, output, extension, **{"is_paced": False, **options}) as (player, over):
        assert over.wait(PATIENCE_S)
    return player


def events_in(output: Path, kind: str = "") -> list[dict[str, Any]]:
    records = [json.loads(line) for line in output.read_text().splitlines()]
    return [record for record in records if record["eventType"].endswith(f".{kind}" if kind else "")]


def write_street(path: Path, count: int, every: int = 5) -> Path:
    """Write a video of that many pictures, ten a second, a keyframe every so many."""
    from lab.pictures import street  # noqa: PLC0415  # reads a photo

    picture = street().resize((352, 264))
    pictures = [picture.crop((number % 32, 0, 320 + number % 32, 240)) for number in range(count)]
    options = {"g": str(every), "sc_threshold": "0", "bf": "0"}
    return write_video(path, pictures, Coding(options=options))
