"""Micro-batches: frames of several lanes run through the graph together, and each gets its own answer."""

import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from models.backends.batching import Batcher
from models.backends.onnx import Session
from models.errors import InferenceError, ModelConfigError
from models.families import Feeds, Outputs
from models.scheduling.deadlines import Deadlines


class Counting:
    """A session that records the size of every batch."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.sizes: list[int] = []

    def run(self, feeds: Feeds, watchdog: Deadlines | None = None) -> Outputs:
        self.sizes.append(len(feeds["x"]))
        return self._session.run(feeds, watchdog)


def doubling(folder: Path, batch_axis: int | str = "N") -> Session:
    """Return the session of y = 2 x, [N, 1]."""
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch_axis, 1]) for name in "xy"]
    graph = helper.make_graph(nodes, "doubling", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    return Session(folder / "model.onnx")


def feed(value: float) -> Feeds:
    return {"x": np.array([[value]], np.float32)}


def run_all(batcher: Batcher, count: int) -> list[NDArray[np.float32]]:
    """Run the frames, each on its own thread, and return their answers in order."""
    answers: dict[int, NDArray[np.float32]] = {}
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait(10)
        answers[number] = batcher.run(feed(number))["y"]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [answers[number] for number in range(count)]


def test_each_frame_gets_its_own_answer_and_batches_fill(tmp_path: Path) -> None:
    session = Counting(doubling(tmp_path))
    batcher = Batcher(session, 4, 10_000)  # type: ignore[arg-type]
    for number, answer in enumerate(run_all(batcher, 8)):
        np.testing.assert_array_equal(answer, [[2 * number]])
    assert session.sizes == [4, 4]


def test_nobody_waits_longer_than_the_delay(tmp_path: Path) -> None:
    session = Counting(doubling(tmp_path))
    batcher = Batcher(session, 4, 20)  # type: ignore[arg-type]
    np.testing.assert_array_equal(batcher.run(feed(3))["y"], [[6]])
    assert session.sizes == [1]


def test_under_stress_nothing_is_mixed_up(tmp_path: Path) -> None:
    batcher = Batcher(doubling(tmp_path), 3, 1)
    for _ in range(50):
        for number, answer in enumerate(run_all(batcher, 7)):
            np.testing.assert_array_equal(answer, [[2 * number]])


def test_when_the_graph_fails_every_frame_of_the_batch_fails(tmp_path: Path) -> None:
    batcher = Batcher(doubling(tmp_path), 2, 10_000)
    failures: list[Exception] = []

    def run() -> None:
        try:
            batcher.run({"x": np.zeros((1, 2), np.float32)})
        except InferenceError as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({id(failure) for failure in failures}) == 2, "each frame has an error of its own"
    assert len({str(failure) for failure in failures}) == 1
    np.testing.assert_array_equal(run_all(batcher, 2), [[[0]], [[2]]])


def test_a_graph_for_one_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelConfigError, match="one frame at a time"):
        Batcher(doubling(tmp_path, 1), 2, 1).refuse_other_answers([feed(1), feed(2)])
    Batcher(doubling(tmp_path), 2, 1).refuse_other_answers([feed(1), feed(2)])
