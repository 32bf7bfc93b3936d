"""Frames of streams with settings: what is run, what is repeated, and in which order frames reach what is remembered.

The identity model proves it: each of its answers says from which frame it comes.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lab.graphs import EDGE_UNIT, board, write_identity_model
from lab.pictures import PHOTOS, street
from models.errors import InferenceError, OverloadedError
from models.order import Answered, FrameOrder
from models.repository.folder import BUILT_IN_ZOO, read_folder
from models.results import Results
from models.runtime.engine import Engine
from models.runtime.loading import LoadedModel
from models.runtime.stream_memory import StreamMemories
from models.scheduling.lanes import Lanes
from scene.settings import StreamSettings
from tests.support.models.engines import MAX_DELAY_S, loaded_engine_of, order_of, shuffled

STREAMS, FRAMES, LANES = 4, 40, 3
MOTION = StreamSettings.model_validate({"motion": {}})


def settings(**keys: Any) -> StreamSettings:
    return StreamSettings.model_validate(keys)


def order(picture: Image.Image, at_s: float = 0, held: StreamSettings | None = MOTION, **keys: Any) -> FrameOrder:
    """Return the order for a frame of the stream `gate`."""
    return replace(order_of(picture), settings=held, taken_at_s=at_s, **{"stream": "gate", **keys})


def number_of(results: Results) -> int:
    """Return the number of the frame whose box this is."""
    left, top, _, _ = results.detections[0].box_xyxy
    return round(left / EDGE_UNIT) | round(top / EDGE_UNIT) << 16


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    write_identity_model(tmp_path)
    with loaded_engine_of(tmp_path, lanes=Lanes(1, 100, 60)) as loaded:
        yield loaded


def answers(engine: Engine, *orders: FrameOrder) -> list[Answered]:
    return [engine.infer(each).result(60) for each in orders]


def outcomes(answered: Sequence[Answered]) -> list[str]:
    return [each.seen.outcome for each in answered]


def test_a_frame_in_which_nothing_has_moved_gets_the_last_answer_again(engine: Engine) -> None:
    one, other = board(5), board(9 << 8)
    answered = answers(engine, order(one), order(one, 1), order(other, 2), order(other, 3), order(one, 4))
    assert outcomes(answered) == ["run", "repeated", "run", "repeated", "run"]
    assert [number_of(each.results) for each in answered] == [5, 5, 9 << 8, 9 << 8, 5]
    assert [each.size_wh for each in answered] == [one.size] * 5
    assert {"decode", "run"} & answered[1].stages_ms.keys() == set()


def test_a_frame_without_a_stream_or_settings_is_run(engine: Engine) -> None:
    picture = board(5)
    assert outcomes(answers(engine, *[order(picture, stream="")] * 2)) == ["run", "run"]
    assert outcomes(answers(engine, *[order(picture, held=None)] * 2)) == ["run", "run"]


def test_a_frame_is_run_at_least_every_refresh(engine: Engine) -> None:
    picture = board(5)
    held = settings(motion={"refresh_s": 2})
    assert outcomes(answers(engine, *(order(picture, at_s, held) for at_s in (0, 1.9, 2, 3.9, 4)))) == [
        "run",
        "repeated",
        "run",
        "repeated",
        "run",
    ]
    always = settings(motion={"refresh_s": 0})
    assert outcomes(answers(engine, *[order(picture, 9, always)] * 3)) == ["run"] * 3


def test_a_frame_of_another_size_is_run(engine: Engine) -> None:
    small, large = board(5), board(5).resize((128, 128), Image.Resampling.NEAREST)
    assert outcomes(answers(engine, *map(order, (small, large, large, small)))) == ["run", "run", "repeated", "run"]


def test_a_frame_of_another_size_is_run_even_if_its_luma_has_the_same(engine: Engine) -> None:
    small, large = (board(5).resize(size_wh, Image.Resampling.NEAREST) for size_wh in ((320, 200), (640, 400)))
    answered = answers(engine, *map(order, (small, large, large, small)))
    assert outcomes(answered) == ["run", "run", "repeated", "run"]
    assert [each.size_wh for each in answered] == [small.size, large.size, large.size, small.size]


def test_a_frame_in_which_nothing_has_moved_can_have_no_content(engine: Engine) -> None:
    held = settings(motion={"answer": "no_content"})
    answered = answers(engine, *[order(board(5), held=held, encoding="metadata")] * 2)
    assert outcomes(answered) == ["run", "repeated"]
    assert (answered[0].results.count, answered[1].results, answered[1].value) == (1, Results(), b"")


def test_what_has_moved_is_reported_when_asked(engine: Engine) -> None:
    held = settings(motion={"report": True})
    first, still, moved = answers(
        engine, *(order(board(number), held=held, encoding="metadata") for number in (5, 5, 5 | 1 << 15))
    )
    assert b'"motion"' not in first.value + still.value, "there is nothing to compare a first frame with"
    assert b'{"type":"motion","motion":{"box":{"l":0.875,"t":0.125,"w":0.125,"h":0.125}}}' in moved.value
    assert [each.results.count for each in (first, still, moved)] == [1, 1, 1]


def test_requests_select_among_results_that_are_repeated(engine: Engine) -> None:
    """Results are kept as they were before a request selected; less confident ones than were kept need a run."""
    picture = board(5)
    asked: list[dict[str, Any]] = [
        {"confidence": 0.95},
        {},
        {"labels": ["other"]},
        {"confidence": 0.05},
        {"confidence": 0.05, "labels": ["other"]},
        {"confidence": 0.05, "max_detections": 1},
        {},
    ]
    answered = answers(engine, *(order(picture, **keys) for keys in asked))
    assert outcomes(answered) == ["run", "repeated", "repeated", "run", "repeated", "repeated", "repeated"]
    labels = [[found.label for found in each.results.detections] for each in answered]
    assert labels == [[], ["block"], [], ["block", "other"], ["other"], ["block"], ["block"]]


def test_models_remember_a_stream_each_for_itself(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    write_identity_model(tmp_path, "second")
    with loaded_engine_of(tmp_path, lanes=Lanes(1, 100, 60)) as engine:
        one, other = board(5), board(9)
        turns = [(one, None), (one, "second"), (other, "second"), (one, None), (other, "second"), (other, None)]
        answered = answers(engine, *(order(picture, model=model) for picture, model in turns))
    assert outcomes(answered) == ["run", "run", "run", "repeated", "repeated", "run"]
    assert [number_of(each.results) for each in answered] == [5, 5, 9, 5, 9, 9]


def test_a_frame_that_fails_is_not_compared_with(engine: Engine) -> None:
    good, bad = board(5), board(5, failure=True)
    assert outcomes(answers(engine, order(good))) == ["run"]
    for _ in range(2):
        with pytest.raises(InferenceError):
            engine.infer(order(bad)).result(60)
    assert outcomes(answers(engine, order(good))) == ["repeated"]


def test_changed_settings_begin_anew(engine: Engine) -> None:
    picture = board(5)
    other = settings(motion={"sensitivity": "high"})
    held = (MOTION, MOTION, other, other, MOTION)
    answered = answers(engine, *(order(picture, held=each) for each in held))
    assert outcomes(answered) == ["run", "repeated", "run", "repeated", "run"]


def test_another_version_of_the_model_begins_anew(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    with loaded_engine_of(tmp_path) as engine:
        model = engine.served.find(None)
        assert isinstance(model.loaded, LoadedModel)
        assert outcomes(answers(engine, order(board(5)), order(board(5)))) == ["run", "repeated"]
        engine.served.install(read_folder(folder), replace(model.loaded, memories=StreamMemories()), model.lanes)
        assert outcomes(answers(engine, order(board(5)))) == ["run"]


@pytest.mark.parametrize(
    ("held", "asked", "expected"),
    [
        (settings(), {}, ["block"]),
        (settings(thresholds={"other": 0.05}), {}, ["block", "other"]),
        (settings(thresholds={"*": 0.05}), {}, ["block", "other"]),
        (settings(thresholds={"*": 0.05, "other": 0.2}), {}, ["block"]),
        (settings(thresholds={"block": 0.95}), {}, []),
        (settings(thresholds={"block": 0.95}), {"confidence": 0.3}, ["block"]),
        (settings(min_area=0.9), {}, ["block"]),
        (settings(max_area=0.9), {}, []),
        (settings(include=[[[0.25, 0.9], [0.75, 0.9], [0.75, 1], [0.25, 1]]]), {}, ["block"]),
        (settings(include=[[[0.25, 0.5], [0.75, 0.5], [0.75, 0.9], [0.25, 0.9]]]), {}, []),
        (settings(include=[[[0, 0], [1, 0], [1, 0.5]], [[0.25, 0.5], [0.75, 0.5], [0.5, 1.0]]]), {}, []),
        (settings(exclude=[[[0, 0], [1, 0], [1, 0.5]]]), {}, ["block"]),
    ],
)
def test_settings_select_among_the_results(
    engine: Engine, held: StreamSettings, asked: dict[str, Any], expected: list[str]
) -> None:
    """The box of the board 0 is the whole picture, and the middle of its lower edge is (0.5, 1)."""
    [answered] = answers(engine, order(board(0), held=held, **asked))
    assert [found.label for found in answered.results.detections] == expected


@pytest.mark.parametrize("name", ["ssdlite-mobilenet-v2", "efficientnet-lite0", "blazeface-back"])
def test_a_run_with_settings_gives_the_results_of_one_without(name: str) -> None:
    pictures = [street(), Image.open(PHOTOS / "astronaut.jpg"), Image.open(PHOTOS / "coffee.jpg")]
    folder = read_folder(BUILT_IN_ZOO / name)
    asked: list[dict[str, Any]] = [
        {},
        {"confidence": 0.3},
        {"confidence": 0.1, "max_detections": 3},
        {"confidence": 0.2, "labels": folder.labels[:5]},
    ]
    with loaded_engine_of([folder], name) as engine:
        for number, picture in enumerate(pictures):
            for keys in asked:
                plain, held, watched = answers(
                    engine,
                    order(picture, held=None, **keys),
                    order(picture, held=settings(), **keys),
                    order(picture, stream=f"{number}", **keys),
                )
                assert held.results == plain.results
                assert watched.results == plain.results


def test_regions_find_small_objects() -> None:
    """Most people on the street are lost when it is a third of the picture, and found in regions of it, once each."""
    name = "ssdlite-mobilenet-v2"
    large = Image.new("RGB", (2304, 1728), "grey")
    large.paste(street(), (700, 500))
    grid = settings(regions={"mode": "grid", "grid": [3, 3]})
    motion = settings(regions={"mode": "motion"})
    with loaded_engine_of([read_folder(BUILT_IN_ZOO / name)], name) as engine:
        answered = answers(
            engine,
            order(large, held=None),
            order(large, held=grid),
            order(large, held=motion, stream="motion"),
            order(large, 1, held=motion, stream="motion"),
            order(large, 20, held=motion, stream="motion"),
        )
    people = [sum(found.label == "person" for found in each.results.detections) for each in answered]
    whole, tiles, first, second, refreshed = people
    assert outcomes(answered) == ["run", "regions", "run", "repeated", "regions"]
    assert [len(answered[1].seen.regions_xyxy), answered[4].seen.regions_xyxy[0]] == [10, (0, 0, 1, 1)]
    assert whole == first == second
    assert tiles >= whole + 3
    assert refreshed > whole, "a refresh looks more closely at known objects"


def test_what_has_left_is_looked_for_and_forgotten() -> None:
    name, empty = "ssdlite-mobilenet-v2", Image.new("RGB", (1536, 1152), "grey")
    crowded = empty.copy()
    crowded.paste(street(), (400, 300))
    motion = settings(regions={"mode": "motion"})
    with loaded_engine_of([read_folder(BUILT_IN_ZOO / name)], name) as engine:
        pictures = enumerate([empty, crowded, empty])
        _, came, left = answers(engine, *(order(picture, at_s, motion) for at_s, picture in pictures))
    assert any(found.label == "person" for found in came.results.detections)
    assert (left.seen.outcome, left.results.count) == ("regions", 0)
    assert (0, 0, 1, 1) not in left.seen.regions_xyxy


def frames_of(stream: int) -> list[Image.Image]:
    """Return the frames of a stream; a third of them is as the frame before."""
    chance, numbers = Random(stream), [stream]
    while len(numbers) < FRAMES:
        numbers.append(numbers[-1] if chance.random() < 1 / 3 else chance.randrange(1 << 16))
    return [board(number) for number in numbers]


def test_shuffled_lanes_answer_as_one_lane_does(tmp_path: Path) -> None:
    orders = [
        order(picture, number, stream=f"camera-{stream}")
        for stream in range(STREAMS)
        for number, picture in enumerate(frames_of(stream))
    ]
    orders.sort(key=lambda each: each.taken_at_s)
    outcome: list[list[tuple[str, Results]]] = []
    for name, lanes in (("one", 1), ("several", LANES)):
        (tmp_path / name).mkdir()
        with shuffled(tmp_path / name, Lanes(lanes, len(orders), 60)) as engine:
            waiting = [engine.infer(each) for each in orders]
            outcome.append([(each.result(60).seen.outcome, each.result().results) for each in waiting])
    assert outcome[0] == outcome[1]
    assert {kind for kind, _ in outcome[0]} == {"run", "repeated"}


def test_several_streams_are_worked_on_at_once(tmp_path: Path) -> None:
    """Only frames of the same stream wait for each other."""
    both = threading.Barrier(2, timeout=30)
    with shuffled(tmp_path, Lanes(2, 2, 60), both.wait) as engine:
        waiting = [engine.infer(order(board(5), stream=name)) for name in ("one", "two")]
        assert [number_of(each.result(60).results) for each in waiting] == [5, 5]


def test_frames_that_are_given_up_leave_no_hole(tmp_path: Path) -> None:
    """Frames that are cancelled, refused, or make room for another stream's: the others are answered in order."""
    with shuffled(tmp_path, Lanes(LANES, 12, 60)) as engine:
        waiting: list[tuple[int, int, Future[Answered]]] = []
        for turn in range(FRAMES * 3):
            stream, number = turn % 5 // 4, turn // 3
            try:
                waiting.append((stream, number, engine.infer(order(board(number), turn / 9, stream=f"{stream}"))))
            except OverloadedError:
                time.sleep(MAX_DELAY_S)
            if turn % 7 == 0 and waiting:
                waiting[-1][2].cancel()
        last: dict[int, int | None] = {0: None, 1: None}
        counted = {"run": 0, "repeated": 0}
        for stream, number, answer in waiting:
            if answer.cancelled() or isinstance(answer.exception(60), OverloadedError):
                continue
            answered = answer.result()
            assert number_of(answered.results) == number
            assert answered.seen.outcome == ("repeated" if number == last[stream] else "run")
            counted[answered.seen.outcome] += 1
            last[stream] = number
    assert all(counted.values())


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 3)), max_size=60))
def test_memories_are_bounded_and_expire(events: list[tuple[str, float]]) -> None:
    """With any frames, a stream is known exactly if it is one of the last three, and not too old."""
    now = 0.0
    memories = StreamMemories(max_streams=3, expiry_s=4, clock=lambda: now)
    seen_at: dict[str, float] = {}
    for stream, passed_s in events:
        now += passed_s
        seen_at = {name: at for name, at in seen_at.items() if now - at < 4}
        memory = memories.of(FrameOrder(stream=stream), MOTION, ())
        assert (memory.kept is not None) == (stream in seen_at)
        memory.kept = Results()
        seen_at.pop(stream, None)
        seen_at[stream] = now
        seen_at = dict(list(seen_at.items())[-3:])
        assert len(memories) == len(seen_at)


def test_jobs_of_no_sequence_do_not_wait_for_one() -> None:
    """Nor do those of another model's sequence."""
    lanes, is_over = Lanes(2, 4, 60), threading.Event()
    running = lanes.submit(is_over.wait, "camera", "model/camera")
    waiting = lanes.submit(lambda: True, "camera", "model/camera")
    assert lanes.submit(lambda: True, "camera").result(60)
    assert lanes.submit(lambda: True, "camera", "other/camera").result(60)
    assert not waiting.done()
    is_over.set()
    assert running.result(60)
    assert waiting.result(60)
    lanes.close()
