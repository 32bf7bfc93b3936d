"""How a player ends: soon, and whatever its peers do."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.wire import refusing
from player.flow import Inference, Item, Picture
from player.nodes.signal_gate import SignalGate
from player.running import pipeline
from player.running.player import PipelineSpec, Player, PlayOptions
from player.topology.reading import read_topology
from tests.player.running.playing import Answering, events_in, play, playing, write_street
from tests.player.running.topologies import extension, file_sink, gate, hub_sink, write_topology
from tests.support.waiting import PATIENCE_S, wait_for

URL = "http://127.0.0.1:1/inference"
SOON_S = 20.0


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_street(tmp_path_factory.mktemp("video") / "street.mp4", 10)


class Hanging(Answering):
    """An extension that never answers until it is closed."""

    def __init__(self) -> None:
        super().__init__([()])
        self.is_over = threading.Event()

    def prepare(self, picture: Picture, at_s: float) -> Callable[[], tuple[Inference, ...]]:  # noqa: ARG002
        self.times_s.append(at_s)

        def ask() -> tuple[Inference, ...]:
            self.is_over.wait(2 * PATIENCE_S)
            return ()

        return ask

    def close(self) -> None:
        self.is_over.set()


def test_a_player_that_is_stopped_does_not_wait_long_for_an_extension_that_hangs(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "LAST_ANSWER_S", PATIENCE_S)
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), hub_sink("detector"))
    hanging = Hanging()
    with playing(topology, tmp_path / "e.jsonl", hanging, is_looped=True):
        wait_for(lambda: hanging.times_s)
        stopped_s = time.monotonic()
    assert time.monotonic() - stopped_s < SOON_S


def test_all_outputs_have_the_same_five_seconds_to_take_what_waits(video: Path, tmp_path: Path) -> None:
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), hub_sink("detector"))
    with refusing() as port:
        away = [f"http://127.0.0.1:{port}/{number}" for number in range(8)]
        wanted = PipelineSpec("yard", read_topology(topology, {}, pipeline="yard").topology, tuple(away))
        playing = PlayOptions(is_looped=True, create_extension=lambda _pipeline, _record: Answering([()]))
        player = Player([wanted], playing, lambda: None)
        player.start()
        wait_for(lambda: all(output.waiting for output in player.outputs))
        stopped_s = time.monotonic()
        assert player.close() >= len(away)
        assert time.monotonic() - stopped_s < 5 + SOON_S


def test_a_node_that_cannot_finish_fails_the_pipeline_and_the_player_still_ends(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: SignalGate) -> Iterator[Item]:
        raise ZeroDivisionError

    monkeypatch.setattr(SignalGate, "finish", broken)
    sinks = gate("detector"), file_sink(tmp_path / "clips")
    topology = write_topology(tmp_path / "t.json", str(video), extension(URL), *sinks)
    answering = Answering([()])
    player = play(topology, tmp_path / "e.jsonl", answering)
    assert player.pipelines[0].phase == "failed"
    assert answering.is_closed
    assert [event["data"] for event in events_in(tmp_path / "e.jsonl", "RuntimeError")] == [
        {"code": "ZeroDivisionError"}
    ]
