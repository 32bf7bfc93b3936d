import io
from collections.abc import Callable

import pytest

from handlers.server.commands.playing.progress import Progress
from player.events.sending import OutputStatus
from player.nodes.extension import Counts
from player.running.state import PipelineState
from player.running.status import Watched


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def states() -> list[PipelineState]:
    yard = PipelineState("yard", "detect", "rtsp://camera.example", phase="playing", frames=10, clips=1)
    yard.extensions = [Counts(asked=4, answered=3, waited_s=0.3)]
    yard.events.update({"Inference": 3})
    return [yard]


def waiting() -> list[OutputStatus]:
    return [OutputStatus("mqtt://broker.example", 0, 0, 2, 100, None, None, None, is_over=False)]


def shown(monkeypatch: pytest.MonkeyPatch, watched: Watched, *outputs: str, terminal: bool = True) -> str:
    error = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", error)
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "200")
    progress = Progress(watched, outputs)
    progress.show()
    progress.end()
    return error.getvalue()


def test_a_line_says_how_one_pipeline_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    line = shown(monkeypatch, Watched(states, waiting), "mqtt://broker.example")
    assert line.startswith("\x1b[Kplaying, ")
    assert line.endswith("3 of 4 answered in 100 ms, 3 events, 2 waiting, 1 clips\r\n")


def test_a_line_about_several_says_how_many_play_and_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def both() -> list[PipelineState]:
        return [*states(), PipelineState("gate", "detect", "rtsp://gate.example", fault="It is away.")]

    line = shown(monkeypatch, Watched(both, list), "events.jsonl")
    assert "1 of 2 play" in line
    assert line.endswith("gate: It is away.\r\n")


@pytest.mark.parametrize(
    ("outputs", "terminal"), [(("-",), True), (("events.jsonl",), False)], ids=["events are shown", "no terminal"]
)
def test_nothing_is_shown_where_people_do_not_see_it_alone(
    monkeypatch: pytest.MonkeyPatch, outputs: tuple[str, ...], *, terminal: bool
) -> None:
    read: Callable[[], list[PipelineState]] = states
    assert shown(monkeypatch, Watched(read, list), *outputs, terminal=terminal) == ""
