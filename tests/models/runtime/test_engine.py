"""The engine: which session a frame gets, and what happens to a model that never ends."""

import gc
import threading
import time
import weakref
from concurrent.futures import wait as wait_for
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lab.graphs import ENDLESS, board, work_for, write_endless_model, write_identity_model
from models.backends.onnx import Session
from models.errors import DrainingError, InferenceTimeoutError, ModelConfigError, OverloadedError
from models.order import FrameOrder
from models.repository.folder import read_folder
from models.runtime.engine import Engine
from models.runtime.loading import ThreadLoader
from models.runtime.served import ServedModels
from models.scheduling.lanes import Lanes
from tests.support.models.engines import ScriptedCodec, engine_of, loaded_engine_of, order_of
from tests.support.models.repositories import read_repository
from tests.support.waiting import PATIENCE_S


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
    gate = threading.Event()

    def wait_for_the_other(order: FrameOrder) -> Image.Image:
        assert order.body != b"wait" or gate.wait(PATIENCE_S)
        return board(2)

    served = ServedModels(read_repository(tmp_path), "identity", Lanes(2, 2, 60))
    engine = Engine(served, ThreadLoader(ScriptedCodec(wait_for_the_other), 60, 2 if wide_lane else 1))
    engine.load()
    assert sorted(used) == ([1, 2] if wide_lane else [1]), "each session answers a warm-up frame"
    used.clear()
    assert engine.infer(FrameOrder()).result().results.detections
    assert used == [2 if wide_lane else 1]
    both = [engine.infer(FrameOrder(b"wait")) for _ in range(2)]
    gate.set()
    for answer in both:
        answer.result()
    assert used[1] == 1, "of two frames, the first to run is not alone"
    engine.close()


def test_a_run_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    with loaded_engine_of(tmp_path, run_timeout_s=1) as engine:
        with pytest.raises(InferenceTimeoutError) as raised:
            engine.infer(order_of(board(1, work=work_for(5)))).result(60)
        assert list(raised.value.stages_ms) == ["queue", "decode", "preprocess", "run"]
        assert engine.infer(order_of(board(1))).result(PATIENCE_S).results.detections


def test_closing_stops_what_runs(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    started = threading.Event()

    def decode(_: FrameOrder) -> Image.Image:
        started.set()
        return board(work=ENDLESS)

    engine = engine_of(tmp_path, codec=ScriptedCodec(decode))
    engine.load()
    running, waiting = (engine.infer(FrameOrder()) for _ in range(2))
    assert started.wait(PATIENCE_S)
    time.sleep(0.2)  # now the model runs
    began_at = time.monotonic()
    engine.close()
    assert time.monotonic() - began_at < PATIENCE_S
    assert isinstance(running.exception(0), InferenceTimeoutError)
    assert isinstance(waiting.exception(0), DrainingError)


def test_a_frame_for_which_memory_does_not_suffice_is_refused_for_now(tmp_path: Path) -> None:
    def decode(order: FrameOrder) -> Image.Image:
        if order.body:
            raise MemoryError
        return board(1)

    write_identity_model(tmp_path)
    with loaded_engine_of(tmp_path, codec=ScriptedCodec(decode)) as engine:
        with pytest.raises(OverloadedError, match="Too little memory") as raised:
            engine.infer(FrameOrder(b"large")).result(PATIENCE_S)
        assert raised.value.reason == "memory"
        assert list(raised.value.stages_ms) == ["queue", "decode"]
        assert engine.infer(FrameOrder()).result(PATIENCE_S).results.detections


class Body(bytearray):
    """Bytes that can be watched by a weak reference."""


def decode_or_fail(order: FrameOrder) -> Image.Image:
    if not order.body:
        raise ValueError("nothing to decode") from damage(order)
    return board()


def damage(order: FrameOrder) -> Exception:
    """Return an error whose traceback holds the order."""
    try:
        return OSError(order.body[0])
    except IndexError as error:
        return error


@pytest.mark.parametrize("outcome", ["success", "failure", "refusal", "cancellation"])
def test_the_bytes_of_a_frame_go_with_the_frame(tmp_path: Path, outcome: str) -> None:
    write_identity_model(tmp_path)
    gate, started, gone = threading.Event(), threading.Event(), threading.Event()

    def decode(order: FrameOrder) -> Image.Image:
        if order.body != b"wait":
            return decode_or_fail(order)
        started.set()
        gate.wait(PATIENCE_S)
        return board()

    engine = engine_of(tmp_path, codec=ScriptedCodec(decode))
    engine.load()
    running = engine.infer(FrameOrder(b"wait"))
    assert started.wait(PATIENCE_S)
    body = Body(b"" if outcome == "failure" else b"x")
    weakref.finalize(body, gone.set)
    gc.disable()
    try:
        answer = engine.infer(FrameOrder(body))  # type: ignore[arg-type]  # plain bytes have no weak references
        del body
        if outcome == "refusal":
            engine.served.lanes.give_up(DrainingError())
        elif outcome == "cancellation":
            answer.cancel()
        gate.set()
        wait_for([running], PATIENCE_S)
        if outcome != "cancellation":
            wait_for([answer], PATIENCE_S)
        assert gone.wait(PATIENCE_S), "held by its answer"
    finally:
        gc.enable()
    assert answer.cancelled() == (outcome == "cancellation")
    engine.close()


def test_a_model_that_never_ends_is_refused_at_load(tmp_path: Path) -> None:
    write_endless_model(tmp_path)
    engine = engine_of(tmp_path, "endless", run_timeout_s=0.5)
    with pytest.raises(ModelConfigError, match=r"run_timeout_s, 0\.5 s"):
        engine.load()
    assert not engine.is_ready
    engine.close()


def test_a_folder_that_changes_before_it_is_loaded_is_read_again(tmp_path: Path) -> None:
    """Otherwise the labels of one version would meet the weights of another."""
    folder = write_identity_model(tmp_path)
    with closing(engine_of(tmp_path)) as engine:
        (folder / "labels.txt").write_text("changed\nother\n")
        engine.load()
        model = engine.served.find(None)
        assert model.folder.labels == ("changed", "other")
        assert model.folder.version == read_folder(folder).version == engine.served.version_of("identity")


def test_what_was_reloaded_before_it_was_loaded_stays(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    with closing(engine_of(tmp_path)) as engine:
        (folder / "labels.txt").write_text("changed\nother\n")
        changed = read_folder(folder)
        loaded = engine.warm(changed)
        engine.served.install(changed, *loaded)
        engine.load()
        assert engine.served.find(None).loaded is loaded[0]
