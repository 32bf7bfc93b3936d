"""The weights of rapidocr read text under the rules for all models: bounded, quiet, on many lanes at once."""

import json
import logging
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.backends import rapidocr as reader_module
from models.backends.onnx import PipelineSession
from models.backends.rapidocr import WEIGHTS, Reader
from models.errors import InferenceError, InferenceTimeoutError, ModelConfigError
from models.repository.folder import read_folder
from models.results import TextLine
from models.runtime.engine import Engine
from models.runtime.loading import load_model
from models.scheduling.deadlines import Deadlines
from models.scheduling.lanes import Lanes
from tests.support.client import check_schema
from tests.support.models.engines import loaded_engine_of, order_of
from tests.support.models.pages import CHINESE, TIMETABLE, TIMETABLE_WH, Line, page, write_reader

LANES = 4
MARGIN_PX = 12
"""The model's box exceeds the letters by at most this much, about a third of their height."""
SURE = 0.9


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    repository = tmp_path_factory.mktemp("repository")
    write_reader(repository, language="en")
    with loaded_engine_of(repository, "reader", Lanes(LANES, 100, 60)) as engine:
        yield engine


def lines_of(engine: Engine, picture: Image.Image, **selected: Any) -> tuple[TextLine, ...]:
    return engine.infer(replace(order_of(picture), **selected)).result().results.lines


def values_of(engine: Engine, picture: Image.Image) -> list[str]:
    return [line.value for line in lines_of(engine, picture)]


def assert_around(line: TextLine, ink_xyxy: tuple[float, ...], size_wh: tuple[int, int]) -> None:
    left, top, right, bottom = np.multiply(line.place.box_xyxy, size_wh * 2) - ink_xyxy
    assert -MARGIN_PX <= left <= 2
    assert -MARGIN_PX <= top <= 2
    assert -2 <= right <= MARGIN_PX
    assert -2 <= bottom <= MARGIN_PX


def test_the_golden_page_is_read_letter_by_letter_and_line_by_line(engine: Engine) -> None:
    found = lines_of(engine, page(*TIMETABLE))
    assert [line.value for line in found] == [line.value for line in TIMETABLE]
    for line, drawn in zip(found, TIMETABLE, strict=True):
        assert line.place.confidence > SURE
        assert line.language == "en"
        assert_around(line, drawn.ink_xyxy, TIMETABLE_WH)


def test_the_document_is_what_the_contract_says(engine: Engine) -> None:
    order = replace(order_of(page(*TIMETABLE)), encoding="metadata")
    document = json.loads(engine.infer(order).result().value)
    check_schema(document, {"$ref": "#/components/schemas/InferenceMetadata"})
    entity, text = document["inferences"][:2]
    assert entity["entity"]["tag"]["value"] == "text"
    assert text["text"] == {"value": TIMETABLE[0].value, "language": "en"}
    assert text["relatedInferences"] == [entity["inferenceId"]]


def test_chinese_is_read_without_being_asked_for(engine: Engine) -> None:
    assert values_of(engine, page(Line("请注意站台间隙", (30, 40), 32, CHINESE))) == ["请注意站台间隙"]


def test_a_page_on_its_head_is_read(engine: Engine) -> None:
    turned = page(*TIMETABLE).rotate(180)
    assert sorted(values_of(engine, turned)) == sorted(line.value for line in TIMETABLE)


@pytest.mark.parametrize("degrees", [90, 270])
def test_a_page_on_its_side_is_read(engine: Engine, degrees: int) -> None:
    drawn = TIMETABLE[0]
    [line] = lines_of(engine, page(drawn).rotate(degrees, expand=True))
    assert line.value == drawn.value
    (width, height), (left, top, right, bottom) = TIMETABLE_WH, drawn.ink_xyxy
    ink = (top, width - right, bottom, width - left) if degrees == 90 else (height - bottom, left, height - top, right)
    assert_around(line, ink, (height, width))


def test_a_tilted_line_gets_the_upright_box_around_it(engine: Engine) -> None:
    drawn = Line("Gate B12 closes soon", (150, 140), 28)
    [line] = lines_of(engine, page(drawn).rotate(10, fillcolor=(255, 255, 255)))
    assert line.value == drawn.value
    left, top, right, bottom = np.multiply(line.place.box_xyxy, TIMETABLE_WH * 2)
    across, down = drawn.ink_xyxy[2] - drawn.ink_xyxy[0], drawn.ink_xyxy[3] - drawn.ink_xyxy[1]
    tilt = np.radians(10)
    assert right - left == pytest.approx(across * np.cos(tilt) + down * np.sin(tilt), abs=2 * MARGIN_PX)
    assert bottom - top == pytest.approx(across * np.sin(tilt) + down * np.cos(tilt), abs=2 * MARGIN_PX)


def test_a_large_frame_gives_the_places_of_the_picture_as_received(engine: Engine) -> None:
    size_wh = (2560, 1440)
    drawn = Line("Track 4 is closed", (1700, 1200), 72)
    [line] = lines_of(engine, page(drawn, size_wh=size_wh))
    assert line.value == drawn.value
    left, top, right, bottom = np.multiply(line.place.box_xyxy, size_wh * 2) - drawn.ink_xyxy
    assert np.abs([left, top, right, bottom]).max() < 4 * MARGIN_PX


@pytest.mark.parametrize(
    "size_wh",
    [(640, 480), (1, 1), (1, 1280), (1280, 1), (16, 4000), (4000, 9)],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
def test_a_picture_without_text_gives_nothing_whatever_its_shape(engine: Engine, size_wh: tuple[int, int]) -> None:
    blank = Image.new("RGB", size_wh, (40, 90, 60))
    order = replace(order_of(blank), encoding="metadata")
    assert engine.infer(order).result().value == b"", "the service answers 204"


def test_the_selection_holds(engine: Engine) -> None:
    drawn = page(*TIMETABLE)
    [most_confident] = lines_of(engine, drawn, max_detections=1)
    assert most_confident.place.confidence == max(line.place.confidence for line in lines_of(engine, drawn))
    assert not lines_of(engine, drawn, confidence=1)


def test_lanes_that_read_at_once_do_not_mix_their_frames(engine: Engine) -> None:
    numbers = [f"GATE {1000 + number * 37}" for number in range(6 * LANES)]
    pages = [  # of different shapes, with a blank one between them
        page(Line(number, (20, 30)), size_wh=(200 + 32 * (n % 5), 96 + 32 * (n % 3)))
        for n, number in enumerate(numbers)
    ]
    pages[::6] = [page(size_wh=(320, 240)) for _ in pages[::6]]
    futures = [engine.infer(order_of(drawn)) for drawn in pages]
    found = [[line.value for line in future.result().results.lines] for future in futures]
    assert found == [[] if n % 6 == 0 else [number] for n, number in enumerate(numbers)]


def test_nothing_is_fetched_written_or_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    packed = {path: path.stat().st_mtime_ns for path in reader_module.WEIGHTS_FOLDER.parent.rglob("*.[!p]*")}

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    pipeline = Reader()
    for picture in (page(*TIMETABLE), page()):
        pipeline.run({"pictures": np.asarray(picture)[None]})
    assert not list(tmp_path.iterdir())
    assert packed == {path: path.stat().st_mtime_ns for path in reader_module.WEIGHTS_FOLDER.parent.rglob("*.[!p]*")}
    assert (caplog.records, *capfd.readouterr()) == ([], "", "")


def test_the_watchdog_stops_a_pipeline() -> None:
    watchdog = Deadlines(0.05)
    with pytest.raises(InferenceTimeoutError):
        Reader().run({"pictures": np.asarray(page(*TIMETABLE, size_wh=(1280, 1280)))[None]}, watchdog)
    watchdog.close()


def test_a_graph_that_fails_fails_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    pipeline = Reader()
    monkeypatch.setattr(PipelineSession, "run", fail)
    with pytest.raises(InferenceError, match="failed on this frame"):
        pipeline.run({"pictures": np.asarray(page(*TIMETABLE))[None]})


@pytest.mark.parametrize("lost", WEIGHTS.values())
def test_lost_weights_are_refused_and_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    for name in set(WEIGHTS.values()) - {lost}:
        (tmp_path / name).symlink_to(reader_module.WEIGHTS_FOLDER / name)
    monkeypatch.setattr(reader_module, "WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(ModelConfigError, match=rf"{lost} is missing: .* the package rapidocr brings; install it anew"):
        Reader()


def test_broken_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WEIGHTS.values():
        (tmp_path / name).write_bytes(b"not a model")
    monkeypatch.setattr(reader_module, "WEIGHTS_FOLDER", tmp_path)
    with pytest.raises(ModelConfigError, match="is not a model that onnxruntime"):
        Reader()


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: dict[str, Any] = {"rapidocr": None, "models.backends.rapidocr": None}
    for name, nothing in hidden.items():
        monkeypatch.setitem(sys.modules, name, nothing)
    with pytest.raises(ModelConfigError, match=r"package rapidocr: .* not installed: scripts/setup ocr"):
        load_model(read_folder(write_reader(tmp_path)))


def test_a_frame_that_is_alone_may_have_more_cores(tmp_path: Path) -> None:
    model = load_model(read_folder(write_reader(tmp_path)), wide_threads=2)
    assert model.wide
    outputs = model.wide.run({"pictures": np.asarray(page(*TIMETABLE))[None]})
    assert outputs["values"].tolist() == [line.value for line in TIMETABLE]
