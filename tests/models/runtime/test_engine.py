"""The engine: which session a frame gets, and what a model that never ends comes to."""

import gc
import threading
import time
import weakref
from concurrent.futures import wait as wait_for
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.backends.onnx import Session
from models.errors import DrainingError, InferenceTimeoutError, ModelConfigError
from models.frame import DecodeTarget, Frame
from models.repository.folder import read_folder
from models.results import Results
from models.runtime.engine import Engine
from models.scheduling.lanes import Lanes
from tests.support.graphs import ENDLESS, board, work_for, write_endless_model, write_identity_model
from tests.support.repositories import read_repository


def frame(picture: Image.Image, _: DecodeTarget) -> Frame:
    pixels = np.asarray(picture)
    return Frame(pixels, "rgb", picture.size)


def keep(results: Results) -> Results:
    return results


@pytest.mark.parametrize("wide_lane", [False, True])
def test_a_frame_that_is_alone_gets_all_cores_where_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, wide_lane: bool
) -> None:
    threads: dict[int, int] = {}
    used: list[int] = []
    make, run = Session.__init__, Session.run

    def noted(self: Session, path: Path, count: int = 1, *rest: Any) -> None:
        threads[id(self)] = count
        make(self, path, count, *rest)

    def used_for(self: Session, *arguments: Any) -> Any:
        used.append(threads[id(self)])
        return run(self, *arguments)

    monkeypatch.setattr(Session, "__init__", noted)
    monkeypatch.setattr(Session, "run", used_for)
    write_identity_model(tmp_path)
    engine = Engine(read_repository(tmp_path), "identity", Lanes(2, 2, 60), 60, wide_lane=wide_lane)
    engine.load()
    assert sorted(used) == ([1, 2] if wide_lane else [1, 1]), "each session answers a warm-up frame"
    used.clear()
    model, gate = engine.find(None), threading.Event()
    assert engine.infer(model, partial(frame, board(1)), keep).result().detections
    assert used == [2 if wide_lane else 1]

    def wait_for_the_other(target: DecodeTarget) -> Frame:
        assert gate.wait(10)
        return frame(board(2), target)

    both = [engine.infer(model, wait_for_the_other, keep) for _ in range(2)]
    gate.set()
    for answer in both:
        answer.result()
    assert used[1] == 1, "of two frames, the first to run is not alone"
    engine.close()


def test_a_run_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    engine = Engine(read_repository(tmp_path), "identity", Lanes(1, 1, 60), run_timeout_s=0.2)
    engine.load()
    with pytest.raises(InferenceTimeoutError):
        engine.infer(engine.find(None), partial(frame, board(1, work=work_for(5))), keep).result(60)
    assert engine.infer(engine.find(None), partial(frame, board(1)), keep).result(10).detections
    engine.close()


def test_closing_stops_what_runs(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    engine = Engine(read_repository(tmp_path), "identity", Lanes(1, 1, 60), 60)
    engine.load()
    started = threading.Event()

    def decode(target: DecodeTarget) -> Frame:
        started.set()
        return frame(board(work=ENDLESS), target)

    running, waiting = (engine.infer(engine.find(None), decode, keep) for _ in range(2))
    assert started.wait(10)
    time.sleep(0.2)  # now the model runs
    began_at = time.monotonic()
    engine.close()
    assert time.monotonic() - began_at < 10
    assert isinstance(running.exception(0), InferenceTimeoutError)
    assert isinstance(waiting.exception(0), DrainingError)


class Body(bytearray):
    """Bytes of which one can tell whether they are still there."""


def decode_or_fail(body: Body, target: DecodeTarget) -> Frame:
    if not body:
        raise ValueError("nothing to decode") from damage(body)
    return frame(board(), target)


def damage(body: Body) -> Exception:
    """Return an error that holds what it came to pass with."""
    try:
        return OSError(body[0])
    except IndexError as error:
        return error


@pytest.mark.parametrize("outcome", ["success", "failure", "refusal", "cancellation"])
def test_the_bytes_of_a_frame_go_with_the_frame(tmp_path: Path, outcome: str) -> None:
    write_identity_model(tmp_path)
    engine = Engine(read_repository(tmp_path), "identity", Lanes(1, 1, 60), 60)
    engine.load()
    gate, started, gone = threading.Event(), threading.Event(), threading.Event()

    def wait(target: DecodeTarget) -> Frame:
        started.set()
        gate.wait(10)
        return frame(board(), target)

    running = engine.infer(engine.find(None), wait, keep)
    assert started.wait(10)
    body = Body(b"" if outcome == "failure" else b"x")
    weakref.finalize(body, gone.set)
    gc.disable()
    try:
        answer = engine.infer(engine.find(None), partial(decode_or_fail, body), keep)
        del body
        if outcome == "refusal":
            engine.lanes.refuse_waiting(DrainingError())
        elif outcome == "cancellation":
            answer.cancel()
        gate.set()
        running.result(10)
        if outcome != "cancellation":
            wait_for([answer], 10)
        assert gone.wait(10), "held by its answer"
    finally:
        gc.enable()
    assert answer.cancelled() == (outcome == "cancellation")
    engine.close()


def test_a_model_that_never_ends_is_refused_at_load(tmp_path: Path) -> None:
    write_endless_model(tmp_path)
    engine = Engine(read_repository(tmp_path), "endless", Lanes(1, 1, 60), run_timeout_s=0.5)
    with pytest.raises(ModelConfigError, match=r"run_timeout_s, 0\.5 s"):
        engine.load()
    assert not engine.is_ready
    engine.close()


def test_a_folder_that_changes_before_it_is_loaded_is_read_again(tmp_path: Path) -> None:
    """Or the labels of one version would stand on the weights of another."""
    folder = write_identity_model(tmp_path)
    with closing(Engine(read_repository(tmp_path), "identity", Lanes(1, 1, 60), 60)) as engine:
        (folder / "labels.txt").write_text("changed\nother\n")
        engine.load()
        model = engine.find(None)
        assert model.folder.labels == ("changed", "other")
        assert model.folder.version == read_folder(folder).version == engine.version_of("identity")


def test_what_was_reloaded_before_it_was_loaded_stays(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    with closing(Engine(read_repository(tmp_path), "identity", Lanes(1, 1, 60), 60)) as engine:
        (folder / "labels.txt").write_text("changed\nother\n")
        changed = read_folder(folder)
        loaded = engine.warm(changed)
        engine.install(changed, loaded)
        engine.load()
        assert engine.find(None).loaded is loaded
