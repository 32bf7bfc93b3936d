"""Chained models on the lane: which objects are given on, what is cropped, and what becomes of faults."""

import json
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lab.graphs import (
    board,
    write_identity_model,
    write_planted_model,
)
from lab.processes import kill_workers
from models.errors import InferenceError, InferenceTimeoutError, LaneLostError
from models.frame import RawLayout
from models.order import Answered, FrameOrder, Seen
from models.results import Chained, Detection, Results
from models.runtime.chain import crop_px
from models.runtime.engine import Engine
from models.runtime.isolated import ModelHost, ProcessLoader
from models.runtime.loading import ThreadLoader
from models.runtime.served import ServedModels
from models.runtime.steps import Run, Work
from models.runtime.stream_memory import StreamMemory
from models.scheduling.lanes import Lanes
from models.workers.process import ProcessWorker
from models.workers.worker import CallingThread
from scene.settings import StreamSettings
from tests.support.models.chains import planted_boxes, write_then
from tests.support.models.engines import CODEC, loaded_engine_of, order_of
from tests.support.models.layouts import CAR, LAYOUTS, keypoints, write_layout
from tests.support.models.layouts import SIDE_PX as SIDE_PX_OF_LAYOUTS
from tests.support.models.repositories import read_repository
from tests.support.waiting import wait_for

SIDE_PX = 512
"""Of the pictures here: eight boards wide."""


def scene(*placed: tuple[int, int, int]) -> Image.Image:
    """Return a grey picture with boards of the identity model: the left and top edge, in boards, and the number."""
    picture = Image.new("RGB", (SIDE_PX, SIDE_PX), (128, 128, 128))
    for left, top, number in placed:
        picture.paste(board(number), (left * 64, top * 64))
    return picture


def box_of(left: int, top: int) -> tuple[float, float, float, float]:
    """Return the box of a board, in shares of the picture."""
    return left / 8, top / 8, (left + 1) / 8, (top + 1) / 8


def number_in(detection: Detection, box_xyxy: Sequence[float]) -> int:
    """Return the number that the identity model read in a box: the edges of its answer, moved into the picture."""
    left, top, right, bottom = box_xyxy
    x, y = (detection.box_xyxy[0] - left) / (right - left), (detection.box_xyxy[1] - top) / (bottom - top)
    return round(x * 2**17) | round(y * 2**17) << 16


def said(detection: Detection) -> list[Detection]:
    return [each for chained in detection.chained for each in chained.results.detections]


def write_chain(root: Path, boxes_xyxy: Sequence[Sequence[float]], link: str = "") -> None:
    """Write a model that finds these boxes and gives them to the identity model, without a margin."""
    write_identity_model(root)
    write_then(planted_boxes(root, boxes_xyxy), f"{{model: identity, margin: 0{link}}}")


def answer(engine: Engine, picture: Image.Image, **keys: Any) -> Answered:
    return engine.infer(replace(order_of(picture), **keys)).result(60)


def test_each_object_is_cropped_and_its_results_are_placed_in_the_whole_picture(tmp_path: Path) -> None:
    places = (1, 2), (5, 6), (7, 7)
    write_chain(tmp_path, [box_of(*place) for place in places])
    picture = scene(*((*place, number) for number, place in enumerate(places, 1)))
    with loaded_engine_of(tmp_path, "planted") as engine:
        results = answer(engine, picture).results
    for number, (place, detection) in enumerate(zip(places, results.detections, strict=True), 1):
        [found] = said(detection)
        assert (found.label, number_in(found, box_of(*place))) == ("block", number)
        assert found.box_xyxy[2:] == pytest.approx(box_of(*place)[2:])
    assert results.count == 6


def test_a_raw_frame_is_cropped_as_well(tmp_path: Path) -> None:
    write_chain(tmp_path, [box_of(3, 3)])
    luma = np.asarray(scene((3, 3, 9)).convert("L"))
    body = luma.tobytes() + bytes([128]) * (SIDE_PX * SIDE_PX // 2)
    layout = RawLayout("yuv420p", (SIDE_PX, SIDE_PX), (SIDE_PX, SIDE_PX // 2, SIDE_PX // 2), SIDE_PX)
    with loaded_engine_of(tmp_path, "planted") as engine:
        [detection] = engine.infer(FrameOrder(body, layout)).result(60).results.detections
    assert number_in(said(detection)[0], box_of(3, 3)) == 9


def test_no_objects_cost_nothing(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    nothing = write_planted_model(tmp_path, np.zeros((1, 4), np.float32), np.zeros((1, 2), np.float32))
    write_then(nothing, "{model: identity}")
    with loaded_engine_of(tmp_path, "planted") as engine:
        answered = answer(engine, scene())
    assert (answered.results.count, list(answered.stages_ms)[-2:]) == (0, ["then:identity", "encode"])


def test_of_a_hundred_objects_the_most_confident_ones_are_given_on(tmp_path: Path) -> None:
    boxes = [(column / 10, row / 10, (column + 1) / 10, (row + 1) / 10) for row in range(10) for column in range(10)]
    write_chain(tmp_path, boxes, ", max_crops: 8")
    with loaded_engine_of(tmp_path, "planted") as engine:
        detections = answer(engine, scene()).results.detections
    assert len(detections) == 100
    assert [bool(detection.chained) for detection in detections] == [True] * 8 + [False] * 92


def test_only_objects_that_are_reported_and_wanted_are_given_on(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    boxes = np.array([box_of(0, 0), box_of(2, 2), box_of(4, 4)], np.float32)
    scores = np.array([[0.9, 0], [0.8, 0], [0, 0.7]], np.float32)
    write_then(write_planted_model(tmp_path, boxes, scores), "{model: identity, labels: [block]}")
    with loaded_engine_of(tmp_path, "planted") as engine:
        every = answer(engine, scene()).results.detections
        assert [len(each.chained) for each in every] == [1, 1, 0]
        assert [len(each.chained) for each in answer(engine, scene(), confidence=0.85).results.detections] == [1]
        [other] = answer(engine, scene(), labels=["other"]).results.detections
        assert other.chained == ()


def test_small_objects_are_skipped_and_take_no_place(tmp_path: Path) -> None:
    one_px = (0.5, 0.5, 0.5 + 1 / SIDE_PX, 0.5 + 1 / SIDE_PX)
    write_chain(tmp_path, [one_px, (0.2, 0.2, 0.2 + 14.5 / SIDE_PX, 0.9), box_of(1, 1)], ", max_crops: 1")
    with loaded_engine_of(tmp_path, "planted") as engine:
        detections = answer(engine, scene()).results.detections
    assert [len(each.chained) for each in detections] == [0, 0, 1]


def test_objects_of_one_pixel_can_be_given_on(tmp_path: Path) -> None:
    edge = 1 - 1 / SIDE_PX
    write_chain(tmp_path, [(0, 0, 1e-5, 1e-5), (edge, edge, 1, 1), (0, edge, 1, 1)], ", min_side_px: 1")
    with loaded_engine_of(tmp_path, "planted") as engine:
        answered = answer(engine, scene(), encoding="metadata")
    assert [len(each.chained) for each in answered.results.detections] == [1, 1, 1]
    assert json.loads(answered.value)["inferences"], "the first is thinner than the decimals, and left out"


SHARES = st.floats(0, 1)


@given(st.tuples(SHARES, SHARES), st.tuples(SHARES, SHARES), SHARES, st.tuples(st.integers(1, 99), st.integers(1, 99)))
def test_a_crop_has_a_pixel_and_lies_in_the_picture(
    xs: tuple[float, float], ys: tuple[float, float], margin: float, size_wh: tuple[int, int]
) -> None:
    left, top, right, bottom = crop_px((min(xs), min(ys), max(xs), max(ys)), margin, size_wh)
    assert 0 <= left < right <= size_wh[0]
    assert 0 <= top < bottom <= size_wh[1]
    assert left <= min(xs) * size_wh[0]
    assert right >= max(xs) * size_wh[0] or right == size_wh[0]


def test_a_margin_ends_at_the_edge_of_the_picture() -> None:
    assert crop_px((0.0, 0.4, 0.5, 0.6), 0, (100, 50)) == (0, 20, 50, 30)
    assert crop_px((0.0, 0.4, 0.5, 0.6), 0.5, (100, 50)) == (0, 15, 75, 35)
    assert crop_px((0.0, 0.4, 0.5, 0.6), 1, (100, 50)) == (0, 10, 100, 40)


def test_a_chained_model_that_fails_fails_its_frame_only(tmp_path: Path) -> None:
    write_chain(tmp_path, [box_of(1, 1)])
    with loaded_engine_of(tmp_path, "planted") as engine:
        broken = Image.new("RGB", (SIDE_PX, SIDE_PX))
        broken.paste(board(failure=True), (64, 64))
        with pytest.raises(InferenceError) as raised:
            answer(engine, broken)
        assert list(raised.value.stages_ms)[-1] == "then:identity"
        assert answer(engine, scene((1, 1, 4))).results.count == 2


def test_all_runs_of_a_frame_share_one_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of eight crops alone would be in time."""
    write_chain(tmp_path, [box_of(column, 0) for column in range(8)])
    run, begun, limit_s = Run.__call__, list[Work](), 2

    def slow(step: Run, work: Work) -> None:
        if work.folder.name == "identity":
            begun.append(work)
            time.sleep(limit_s / 2)
        run(step, work)

    with loaded_engine_of(tmp_path, "planted", run_timeout_s=limit_s) as engine:
        with monkeypatch.context() as slowly:
            slowly.setattr(Run, "__call__", slow)
            with pytest.raises(InferenceTimeoutError) as raised:
                answer(engine, scene())
        assert list(raised.value.stages_ms)[-1] == "then:identity"
        assert len(begun) < 8
        assert answer(engine, scene((1, 0, 4))).results.count == 16


def test_candidates_without_a_number_are_dropped_and_counted(tmp_path: Path) -> None:
    write_planted_model(tmp_path, np.full((1, 4), np.nan, np.float32), np.full((1, 2), 0.9, np.float32))
    (tmp_path / "planted").rename(tmp_path / "broken")
    write_then(planted_boxes(tmp_path, [box_of(1, 1), box_of(2, 2)]), "{model: broken}")
    with loaded_engine_of(tmp_path, "planted") as engine:
        results = answer(engine, scene()).results
    assert (results.dropped, [each.chained for each in results.detections]) == (4, [(), ()])


def test_several_models_get_the_same_object(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_identity_model(tmp_path, name)
    write_then(planted_boxes(tmp_path, [box_of(1, 1)]), "{model: two, margin: 0}", "{model: one, margin: 0}")
    with loaded_engine_of(tmp_path, "planted") as engine:
        answered = answer(engine, scene((1, 1, 77)))
    [detection] = answered.results.detections
    assert [chained.model for chained in detection.chained] == ["two", "one"]
    assert {number_in(each, box_of(1, 1)) for each in said(detection)} == {77}
    assert {"then:one", "then:two"} < set(answered.stages_ms)


GATED = StreamSettings.model_validate({"motion": {}})


def of_stream(engine: Engine, picture: Image.Image, at_s: float, held: StreamSettings = GATED, **keys: Any) -> Answered:
    return answer(engine, picture, stream="gate", settings=held, taken_at_s=at_s, **keys)


def numbers(answered: Answered, *places: tuple[int, int]) -> list[list[int]]:
    pairs = zip(answered.results.detections, places, strict=True)
    return [[number_in(each, box_of(*place)) for each in said(detection)] for detection, place in pairs]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """Collects the work on crops."""
    begun: list[Work] = []
    run = Run.__call__

    def counted(step: Run, work: Work) -> None:
        begun.extend([work] if work.folder.name == "identity" else ())
        run(step, work)

    monkeypatch.setattr(Run, "__call__", counted)
    return begun


def test_a_repeated_frame_repeats_what_chained_models_said_without_running_them(
    tmp_path: Path, runs: list[Work]
) -> None:
    places = (1, 1), (4, 4)
    write_chain(tmp_path, [box_of(*place) for place in places])
    picture = scene((1, 1, 5), (4, 4, 6))
    with loaded_engine_of(tmp_path, "planted") as engine:
        runs.clear()  # of loading
        first, again = (of_stream(engine, picture, at_s) for at_s in (0, 1))
        assert len(runs) == 2
        assert (again.seen.outcome, again.results) == ("repeated", first.results)
        assert numbers(again, *places) == [[5], [6]]
        moved = of_stream(engine, scene((1, 1, 5), (4, 4, 7 << 8)), 2)
        assert (moved.seen.outcome, numbers(moved, *places)) == ("run", [[5], [7 << 8]])


def test_a_repeated_frame_runs_chained_models_on_what_was_not_selected_before(tmp_path: Path, runs: list[Work]) -> None:
    places = (1, 1), (4, 4)
    write_chain(tmp_path, [box_of(*place) for place in places])
    picture = scene((1, 1, 5), (4, 4, 6))
    with loaded_engine_of(tmp_path, "planted") as engine:
        runs.clear()
        first = of_stream(engine, picture, 0, max_detections=1)
        again = of_stream(engine, picture, 1)
        assert (numbers(first, places[0]), numbers(again, *places)) == ([[5]], [[5], [6]])
        assert (again.seen.outcome, len(runs)) == ("repeated", 2)


def test_objects_beyond_the_most_crops_are_not_made_up_for_by_repeated_frames(tmp_path: Path) -> None:
    write_chain(tmp_path, [box_of(1, 1), box_of(4, 4)], ", max_crops: 1")
    with loaded_engine_of(tmp_path, "planted") as engine:
        answered = [of_stream(engine, scene(), at_s) for at_s in (0, 1, 2)]
    assert [[len(each.chained) for each in one.results.detections] for one in answered] == [[1, 0]] * 3


def test_objects_found_in_regions_are_cropped_from_the_whole_picture(tmp_path: Path) -> None:
    """The planted box lies on a board in each half of the picture."""
    held = StreamSettings.model_validate({"regions": {"mode": "grid", "grid": [2, 1], "overlap": 0}})
    write_chain(tmp_path, [(2 / 8, 2 / 8, 4 / 8, 3 / 8)])
    with loaded_engine_of(tmp_path, "planted") as engine:
        answered = of_stream(engine, scene((1, 2, 3), (5, 2, 4)), 0, held)
    found = {each.box_xyxy: said(each) for each in answered.results.detections}
    assert answered.seen.outcome == "regions"
    assert [number_in(found[box_of(*place)][0], box_of(*place)) for place in ((1, 2), (5, 2))] == [3, 4]


def pose_model(root: Path) -> np.ndarray:
    """Write a model with a car, a person and a dog in each picture; return the key points of the car, in shares."""
    write_layout(root / "pose", replace(LAYOUTS["Ultralytics pose"], given={"resize": "stretch"}))
    return np.array(keypoints(CAR)).reshape(-1, 3) / (SIDE_PX_OF_LAYOUTS, SIDE_PX_OF_LAYOUTS, 1)


def of_the_car(detections: Sequence[Detection]) -> dict[str, Any]:
    return dict(next(each for each in detections if each.label == "car").extensions)


def test_key_points_of_chained_models_are_in_shares_of_the_whole_picture(tmp_path: Path) -> None:
    points = pose_model(tmp_path)
    left, top = box_of(2, 4)[:2]
    write_then(planted_boxes(tmp_path, [box_of(2, 4)]), "{model: pose, margin: 0}")
    with loaded_engine_of(tmp_path, "planted") as engine:
        [found] = answer(engine, scene()).results.detections
    expected = points * (1 / 8, 1 / 8, 1) + (left, top, 0)
    np.testing.assert_allclose(of_the_car(said(found))["keypoints"], expected, atol=1e-6)


def test_key_points_found_in_regions_are_in_shares_of_the_whole_picture(tmp_path: Path) -> None:
    points = pose_model(tmp_path)
    held = StreamSettings.model_validate({"regions": {"mode": "grid", "grid": [1, 2], "overlap": 0}})
    with loaded_engine_of(tmp_path, "pose") as engine:
        found = of_stream(engine, scene(), 0.0, held).results.detections
    cars = sorted((each.box_xyxy[1], dict(each.extensions)["keypoints"]) for each in found if each.label == "car")
    expected = [points, points * (1, 0.5, 1), points * (1, 0.5, 1) + (0, 0.5, 0)]
    assert len(cars) == len(expected)
    for (_, found_points), wanted in zip(cars, sorted(expected, key=lambda each: each[0, 1]), strict=True):
        np.testing.assert_allclose(np.array(found_points), wanted, atol=1e-6)


def test_what_was_said_of_objects_that_were_not_looked_at_is_kept() -> None:
    still, seen = (Detection("thing", 0, 0.9, box_of(left, 0)) for left in (0, 4))
    memory = StreamMemory(GATED)
    facts = {("kind", each): Chained("kind", Results()) for each in (still, seen)}
    kept: list[set[Detection]] = []
    looks = Seen("regions", (box_of(4, 0),)), Seen("regions", ((0.4, 0.0, 1.0, 1.0),)), Seen("run")
    for look in looks:
        memory.chained = dict(facts)
        memory.keep(Results((still, seen)), look)
        kept.append({detection for _, detection in memory.chained})
    assert kept == [{still}, {still}, set()]
    memory.chained = dict(facts)
    memory.keep(Results((seen,)), Seen("regions", ()))
    assert {detection for _, detection in memory.chained} == {seen}, "what is not found any more is forgotten"


def try_into(answers: list[Answered], engine: Engine) -> list[Answered]:
    with suppress(LaneLostError):  # the process was killed just now
        answers.append(answer(engine, scene((1, 1, 9))))
    return answers


def test_chained_models_of_a_process_are_loaded_with_it(tmp_path: Path) -> None:
    """Also when its process was lost, from the copy: the folders are gone by then."""
    write_chain(tmp_path, [box_of(1, 1)])
    folders = [each for each in read_repository(tmp_path) if each.name == "planted"]
    threads = partial(ThreadLoader, CODEC, 60)
    create_worker = partial(ProcessWorker, partial(ModelHost, threads), dict(os.environ))
    served = ServedModels(folders, "planted", Lanes(1, 1, 60, create_worker=create_worker))
    with closing(Engine(served, ProcessLoader(threads()))) as engine:
        engine.load()
        for _ in range(2):
            answers: list[Answered] = []
            wait_for(partial(try_into, answers, engine))
            [detection] = answers[0].results.detections
            assert number_in(said(detection)[0], box_of(1, 1)) == 9
            shutil.rmtree(tmp_path / "identity", ignore_errors=True)
            kill_workers()


def test_a_model_shares_the_lanes_that_its_chained_models_need(tmp_path: Path) -> None:
    write_chain(tmp_path, [box_of(1, 1)])
    config = tmp_path / "identity" / "model.yaml"
    config.write_text(config.read_text() + "execution: {lanes: 2, max_batch_size: 2}\n")
    [planted] = [each for each in read_repository(tmp_path) if each.name == "planted"]
    worker = partial(ProcessWorker, dict, {})
    served = ServedModels([planted], "planted", Lanes(1, 1, 60, create_worker=worker))
    assert served.find(None).lanes.create_worker is CallingThread
