"""The state of streams: each stream's frames reach it in the order of their arrival, on one of several lanes."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lab.graphs import board, write_identity_model
from models.errors import OverloadedError
from models.order import Answered, FrameOrder
from models.repository.folder import read_folder
from models.runtime.engine import Engine
from models.runtime.loading import LoadedModel
from models.runtime.steps import Step, Work
from models.runtime.stream_states import StreamStates
from models.scheduling.lanes import Lanes
from tests.support.models.engines import ScriptedCodec, engine_of

STREAMS, FRAMES, LANES = 4, 40, 3
MAX_DELAY_S = 0.003


CHANCE = Random(2)


def after_a_while() -> None:
    time.sleep(CHANCE.uniform(0, MAX_DELAY_S))


class History(list[bytes]):
    """The bodies of a stream's frames, in the order in which they reached the step."""


@dataclass(frozen=True, slots=True)
class Remember(Step):
    """A toy step that records the frames of each stream, after a random delay."""

    name: ClassVar[str] = "remember"
    remembers: ClassVar[bool] = True

    at_once: set[str] = field(default_factory=set)

    def __call__(self, work: Work) -> None:
        history = work.state.of(History)
        assert work.order.stream not in self.at_once, "two frames of one stream at the same time"
        if work.order.stream:
            self.at_once.add(work.order.stream)
        after_a_while()
        history.append(bytes(work.order.body))
        self.at_once.discard(work.order.stream)
        work.value = b" ".join(history)


@contextmanager
def remembering(folder: Path, lanes: Lanes, wait: Callable[[], object] = after_a_while) -> Iterator[Engine]:
    """Yield an engine whose model remembers; decoding takes a random time, so that lanes finish in any order."""

    def decode(_: FrameOrder) -> Image.Image:
        wait()
        return board()

    engine = engine_of(folder, lanes=lanes, codec=ScriptedCodec(decode))
    engine.load()
    model = engine.served.find(None)
    assert isinstance(model.loaded, LoadedModel)
    [encode] = [step for step in model.loaded.steps if step.name == "encode"]
    steps = *(step for step in model.loaded.steps if step is not encode), Remember()
    engine.served.install(model.folder, replace(model.loaded, steps=steps), model.lanes)
    with closing(engine):
        yield engine


def body(number: int) -> bytes:
    return b"%d" % number


def test_frames_reach_the_state_of_their_stream_in_order_over_shuffled_lanes(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    with remembering(tmp_path, Lanes(LANES, STREAMS * FRAMES, 60)) as engine:
        answers = {
            (stream, number): engine.infer(FrameOrder(body(number), stream=f"camera-{stream}"))
            for number in range(FRAMES)
            for stream in range(STREAMS)
        }
        for (_, number), answer in answers.items():
            assert answer.result(60).value == b" ".join(map(body, range(number + 1)))


def test_several_streams_are_worked_on_at_once(tmp_path: Path) -> None:
    """Only frames of the same stream wait for each other."""
    write_identity_model(tmp_path)
    both = threading.Barrier(2, timeout=30)
    with remembering(tmp_path, Lanes(2, 2, 60), both.wait) as engine:
        answers = [engine.infer(FrameOrder(stream=name)) for name in ("one", "two")]
        assert [answer.result(60).value for answer in answers] == [b"", b""]


def test_frames_that_are_given_up_leave_no_hole(tmp_path: Path) -> None:
    """Frames that are cancelled, refused, or make room for another stream's: the others are remembered in order."""
    write_identity_model(tmp_path)
    with remembering(tmp_path, Lanes(LANES, 12, 60)) as engine:
        answers: list[tuple[int, Future[Answered]]] = []
        for number in range(FRAMES * 3):
            try:
                answers.append((number, engine.infer(FrameOrder(body(number), stream=f"camera-{number % 5 // 4}"))))
            except OverloadedError:
                time.sleep(MAX_DELAY_S)
            if number % 7 == 0 and answers:
                answers[-1][1].cancel()
        seen: dict[int, list[int]] = {0: [], 1: []}
        for number, answer in answers:
            if answer.cancelled() or isinstance(answer.exception(60), OverloadedError):
                continue
            seen[number % 5 // 4].append(number)
            assert list(map(int, answer.result().value.split())) == seen[number % 5 // 4]
    assert all(len(numbers) > 1 for numbers in seen.values())


def test_frames_without_a_stream_have_no_state(tmp_path: Path) -> None:
    write_identity_model(tmp_path)
    with remembering(tmp_path, Lanes(LANES, FRAMES, 60)) as engine:
        answers = [engine.infer(FrameOrder(body(number), caller="@127.0.0.1")) for number in range(3)]
        assert [answer.result(60).value for answer in answers] == [body(number) for number in range(3)]


def test_another_version_of_the_model_begins_anew(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    with remembering(tmp_path, Lanes(1, 1, 60)) as engine:
        model = engine.served.find(None)
        assert isinstance(model.loaded, LoadedModel)
        for _ in range(2):
            engine.served.install(read_folder(folder), replace(model.loaded, states=StreamStates()), model.lanes)
            assert engine.infer(FrameOrder(b"1", stream="camera")).result(60).value == b"1"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 3)), max_size=60))
def test_states_are_bounded_and_expire(events: list[tuple[str, float]]) -> None:
    """With any frames, a stream is known exactly if it is one of the last three, and not too old."""
    now = 0.0
    states = StreamStates(max_streams=3, expiry_s=4, clock=lambda: now)
    seen_at: dict[str, float] = {}
    for stream, passed_s in events:
        now += passed_s
        seen_at = {name: at for name, at in seen_at.items() if now - at < 4}
        history = states.of(stream).of(History)
        assert bool(history) == (stream in seen_at)
        history.append(b"seen")
        seen_at.pop(stream, None)
        seen_at[stream] = now
        seen_at = dict(list(seen_at.items())[-3:])
        assert len(states) == len(seen_at)


def test_each_kind_of_state_is_made_once_for_a_stream() -> None:
    states = StreamStates()
    history = states.of("camera").of(History)
    assert states.of("camera").of(History) is history
    assert states.of("camera").of(dict) == {}
    assert states.of("other").of(History) is not history


def test_a_model_that_remembers_nothing_does_not_wait_for_one_that_does() -> None:
    """Nor do jobs of the same stream that belong to no sequence."""
    lanes, is_over = Lanes(2, 4, 60), threading.Event()
    running = lanes.submit(is_over.wait, "camera", "model/camera")
    waiting = lanes.submit(lambda: True, "camera", "model/camera")
    assert lanes.submit(lambda: True, "camera").result(10)
    assert lanes.submit(lambda: True, "camera", "other/camera").result(10)
    assert not waiting.done()
    is_over.set()
    assert running.result(10)
    assert waiting.result(10)
    lanes.close()
