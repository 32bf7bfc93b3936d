"""`framehook infer` on pictures and videos, from its options to what it prints and writes."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import numpy as np
import pytest
from PIL import Image

from handlers.dataplane import DataPlane
from handlers.server.commands.cli import main
from handlers.server.commands.inferring.answers import answer_in_order
from handlers.server.commands.inferring.sources import Shot, Source
from lab.graphs import board, number_in, work_for, write_identity_model
from lab.pictures import STORED, encode, lying
from lab.videos import Coding, read_video, write_video
from models.order import FrameOrder
from tests.support.models.walks import LEFT, RIGHT, block

NUMBERS = [number * 3001 | number * 2003 << 16 for number in range(12)]
"""Edges of boxes that differ in every frame."""


class Printed(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    errors: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return list(map(json.loads, self.out.splitlines()))


Infer = Callable[..., Printed]


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    write_identity_model(root)
    return root


@pytest.fixture
def infer(repository: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Infer]:
    """Run the command with the identity model in this process: a process of its own takes a second to start."""
    interrupt = signal.getsignal(signal.SIGINT)

    def run(*arguments: object) -> Printed:
        settings = ["--model-repository", str(repository), "--lanes", "2", "--format", "json"]
        status = main(["infer", *settings, *map(str, arguments)])
        return Printed(status, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGINT, interrupt)


def numbers_of(line: dict[str, Any]) -> list[int]:
    return [number_in(found["entity"]["box"]) for found in line["inferences"]]


def test_frames_are_answered_in_order_though_lanes_finish_out_of_order(infer: Infer, tmp_path: Path) -> None:
    some_work = work_for(0.2)  # longer than the progress bar rests
    boards = [board(number, work=some_work * (place % 3 == 0)) for place, number in enumerate(NUMBERS)]
    path = write_video(tmp_path / "boards.mp4", boards)
    run = infer(path)
    assert run.status == 0
    assert [(line["file"], line["frame"], line["time"]) for line in run.lines] == [
        (str(path), number, pytest.approx(number / 10)) for number in range(12)
    ]
    assert [numbers_of(line) for line in run.lines] == [[number] for number in NUMBERS]
    assert "/12 [" in run.errors


def test_a_folder_gives_pictures_and_videos_and_shows_the_progress(infer: Infer, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(board(7), "PNG"))
    write_video(tmp_path / "b.mkv", [board(8), board(9)])
    (tmp_path / "c.png").write_bytes(encode(board(nothing=True), "PNG"))
    run = infer(tmp_path)
    assert [(Path(line["file"]).name, line.get("frame"), numbers_of(line)) for line in run.lines] == [
        ("a.png", None, [7]),
        ("b.mkv", 0, [8]),
        ("b.mkv", 1, [9]),
        ("c.png", None, []),
    ]
    assert "3/3" in run.errors


@pytest.mark.parametrize("orientation", STORED)
def test_photos_are_turned_upright(infer: Infer, tmp_path: Path, orientation: int) -> None:
    picture = board(7).resize((800, 700), Image.Resampling.NEAREST)
    (tmp_path / "a.webp").write_bytes(lying(picture, orientation, "WebP"))
    (tmp_path / "b.jpg").write_bytes(lying(picture, orientation))
    run = infer(tmp_path, "--annotate", tmp_path / "drawn")
    assert [numbers_of(line) for line in run.lines] == [[7], [7]]
    for line in run.lines:
        with Image.open(line["annotated"]) as drawn:
            assert (drawn.size, dict(drawn.getexif())) == (picture.size, {})


def test_a_rate_takes_some_frames(infer: Infer, tmp_path: Path) -> None:
    path = write_video(tmp_path / "boards.mp4", list(map(board, NUMBERS)))
    assert [line["frame"] for line in infer(path, "--rate", "2.5").lines] == [0, 4, 8]


def test_one_failure_leaves_the_other_frames_and_files_alone(infer: Infer, tmp_path: Path) -> None:
    failing = write_video(tmp_path / "failing.mp4", [board(1), board(failure=True), board(3)])
    cut = write_video(tmp_path / "cut.mp4", [board(number) for number in range(100)])
    cut.write_bytes(cut.read_bytes()[: -cut.stat().st_size // 4])
    picture = tmp_path / "last.png"
    picture.write_bytes(encode(board(4), "PNG"))
    run = infer(failing, cut, tmp_path / "missing.mp4", picture)
    assert run.status == 1
    first, failed, third, *of_cut, end_of_cut, missing, last = run.lines
    assert (numbers_of(first), numbers_of(third), numbers_of(last)) == ([1], [3], [4])
    assert failed == {"file": str(failing), "frame": 1, "time": 0.1, "error": "The model failed on this frame."}
    assert "Gather" in run.errors
    assert len(of_cut) > 20
    assert [numbers_of(line) for line in of_cut[:20]] == [[number] for number in range(20)]
    assert end_of_cut.keys() == {"file", "error"}
    assert "of the frames are damaged" in end_of_cut["error"]
    assert missing["error"] == "The file cannot be read or written: no such file, or not a regular one."


@pytest.mark.parametrize("pattern", ["*.mp4", "empty"])
def test_an_empty_folder_or_pattern_is_named_before_anything_is_run(infer: Infer, tmp_path: Path, pattern: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.png").write_bytes(encode(board(7), "PNG"))
    run = infer(tmp_path / "a.png", tmp_path / pattern)
    assert (run.status, run.out) == (1, "")
    assert str(tmp_path / pattern) in run.errors


def test_csv_and_table(infer: Infer, tmp_path: Path) -> None:
    path = write_video(tmp_path / "b.mkv", [board(1 << 15), board(nothing=True)])
    header, row = infer(path, "--format", "csv").out.split("\r\n")[:2]
    assert header == "file,frame,time,outcome,type,label,confidence,l,t,w,h,id"
    assert row == f"{path},0,0.0,,entity,block,0.9,0.25,0.0,0.75,1.0,"
    table = infer(path, "--format", "table").out.splitlines()
    assert [line.split() for line in table] == [
        ["file", "time", "label", "confidence", "l", "t", "w", "h"],
        [str(path), "0.000", "block", "0.90", "0.2500", "0.0000", "0.7500", "1.0000"],
        [str(path), "0.100", "-"],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.jpg", "--format", "xml"], "--format: invalid choice: 'xml'"),
        (["x.jpg", "--rate", "0"], "--rate: expected a number of frames per second above 0, at most 1000"),
        (["x.jpg", "--rate", "inf"], "--rate: expected"),
        (["x.jpg", "--rate", "-1"], "--rate: expected"),
        (["x.jpg", "--rate", "1001"], "--rate: expected"),
    ],
)
def test_wrong_options_are_explained(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["infer", *arguments])
    assert message in capsys.readouterr().err


def test_the_boxes_are_drawn_on_a_video_of_the_same_size_and_times(infer: Infer, tmp_path: Path) -> None:
    grey = Image.new("RGB", (66, 64), (128, 128, 128))
    pictures = [grey.copy() for _ in range(6)]
    for place, picture in enumerate(pictures):
        picture.paste(board(1 << 15, nothing=place == 5).resize((66, 64)))
    times_s = [0, 0.1, 0.3, 0.35, 1, 4]
    path = write_video(tmp_path / "b.mkv", pictures, times_s=times_s)
    run = infer(path, path, "--annotate", tmp_path / "new" / "folder")
    drawn = tmp_path / "new" / "folder" / "b-boxes.mp4"
    assert {line["annotated"] for line in run.lines[:6]} == {str(drawn)}
    assert {line["annotated"] for line in run.lines[6:]} == {str(drawn.with_name("b-boxes-2.mp4"))}
    frames = read_video(drawn)
    assert [time_s for time_s, _ in frames] == pytest.approx(times_s, abs=2e-3)
    assert {picture.size for _, picture in frames} == {(66, 64)}
    differences = [
        np.abs(np.asarray(picture).astype(int) - np.asarray(source)).max(axis=2)
        for (_, picture), source in zip(frames, pictures, strict=True)
    ]
    assert all(difference[40, 16:19].max() > 60 for difference in differences[:5])  # the left edge, at a quarter
    assert all(difference[40, 30:60].max() < 60 for difference in differences[:5])
    assert differences[5].max() < 60


def test_a_video_that_cannot_be_written_is_one_error(infer: Infer, tmp_path: Path) -> None:
    path = write_video(tmp_path / "b.mkv", [board(7)] * 4)
    run = infer(path, "--annotate", "/proc/nowhere")
    assert run.status == 1
    failed, *others = run.lines
    assert "cannot be read or written" in failed["error"]
    assert [numbers_of(line) for line in others] == [[7]] * 3


def test_no_pipe_is_waited_for(infer: Infer, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "b.mkv")
    [line] = infer(tmp_path / "b.mkv").lines
    assert "not a regular one" in line["error"]


def test_odd_sizes_lose_a_pixel(infer: Infer, tmp_path: Path) -> None:
    path = write_video(tmp_path / "b.mkv", [board(7).resize((65, 63))] * 2, coding=Coding("ffv1", "bgr0"))
    assert infer(path, "--annotate", tmp_path).status == 0
    assert {picture.size for _, picture in read_video(tmp_path / "b-boxes.mp4")} == {(64, 62)}


def test_without_the_extra_a_video_is_an_error_and_pictures_are_not(
    infer: Infer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "b.mkv", [board(7)])
    (tmp_path / "c.png").write_bytes(encode(board(8), "PNG"))
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.delitem(sys.modules, "handlers.server.commands.inferring.video", raising=False)
    run = infer(tmp_path)
    assert run.status == 1
    video, picture = run.lines
    assert video == {"file": str(path), "error": "Reading a video needs PyAV: scripts/setup video."}
    assert numbers_of(picture) == [8]


def test_a_video_is_answered_as_a_stream_with_settings(infer: Infer, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("motion: {refresh_s: 2}\n")
    still = write_video(tmp_path / "still.mkv", [board(7)] * 50)
    other = write_video(tmp_path / "other.mkv", [board(8)] * 2)
    run = infer(still, other, "--stream-settings", settings)
    assert [numbers_of(line) for line in run.lines] == [[7]] * 50 + [[8]] * 2
    outcomes = [line["outcome"] for line in run.lines]
    assert [place for place, outcome in enumerate(outcomes) if outcome == "run"] == [0, 20, 40, 50]
    assert set(outcomes) == {"run", "repeated"}


def test_a_video_whose_settings_have_a_line_tells_who_crosses_it(infer: Infer, tmp_path: Path) -> None:
    """And the drawn video shows the line."""
    settings = tmp_path / "settings.yaml"
    settings.write_text("lines: [{name: gate, line: [[0.6, 0], [0.6, 1]]}]\n")
    path = write_video(tmp_path / "walk.mkv", [block(LEFT), block(RIGHT), block(LEFT)])
    run = infer(path, "--stream-settings", settings, "--annotate", tmp_path / "drawn")
    entities, events = (
        [[each for each in line["inferences"] if each["type"] == kind] for line in run.lines]
        for kind in ("entity", "event")
    )
    assert len({entity["entity"]["id"] for [entity] in entities}) == 1
    assert [[event["event"]["properties"]["direction"] for event in each] for each in events] == [
        [],
        ["counterclockwise"],
        ["clockwise"],
    ]
    drawn = np.asarray(read_video(Path(run.lines[0]["annotated"]))[2][1])
    red, green, blue = drawn[:, round(0.6 * drawn.shape[1])].mean(axis=0)
    assert min(green, blue) > red + 60, "there is no line"


def test_pictures_are_answered_with_settings_but_as_no_stream(infer: Infer, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("motion: {}\nthresholds: {block: 0.95}\n")
    (tmp_path / "c.png").write_bytes(encode(board(8), "PNG"))
    run = infer(tmp_path / "c.png", tmp_path / "c.png", "--stream-settings", settings)
    assert [(line["outcome"], line["inferences"]) for line in run.lines] == [("run", [])] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [("motoin: {}", "motoin"), ("thresholds: {blok: 0.6}", "the label blok"), (None, "settings.yaml")],
)
def test_settings_that_are_wrong_are_named(infer: Infer, tmp_path: Path, text: str | None, message: str) -> None:
    if text:
        (tmp_path / "settings.yaml").write_text(text)
    run = infer("x.jpg", "--stream-settings", tmp_path / "settings.yaml")
    assert (run.status, run.out) == (1, "")
    assert run.errors.startswith("framehook: ")
    assert message in run.errors


def test_no_more_frames_are_in_memory_than_lanes_and_one_more() -> None:
    read: list[int] = []

    def shots() -> Iterator[Shot]:
        for number in range(100):
            read.append(number)
            yield Shot(Source(Path("x.mp4")), number=number)

    model = SimpleNamespace(lanes=SimpleNamespace(count=3))
    dataplane = SimpleNamespace(find_model=lambda _: model, infer=lambda _: Future())
    outcomes = answer_in_order(cast("DataPlane", dataplane), FrameOrder(), shots())
    for number, outcome in enumerate(outcomes):
        assert outcome.shot.number == number
        assert len(read) <= number + 4
    assert len(read) == 100
