"""The node that asks an extension: in the caller's thread, and live."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle

import pytest

from player.errors import ExtensionBusyError, ExtensionError, ExtensionRefusedError
from player.flow import Finding, Frame, Inference, Item, Picture, Signal
from player.nodes import extension as extension_module
from player.nodes import http_client
from player.nodes.extension import ExtensionNode, Question, Sampling
from player.nodes.http_client import HttpExtension, ServerSettings
from tests.player.nodes.extension_server import (
    Answer,
    ExtensionServer,
    found,
    hung_up,
    nothing,
    once,
    serving,
    silent,
    status,
)
from tests.player.nodes.pictures import BEGIN_S, GREY, entity, frame, times_s
from tests.support.waiting import PATIENCE_S, wait_for

CAR = entity("car", 0.25, 0.5, 0.5, 0.25)
MOTION = Finding("motion", ({"type": "motion", "motion": {}},))


class Planned:
    """An extension that answers as planned, over and over. `asked_s`: about which frames, counted from BEGIN_S."""

    def __init__(self, *answers: Sequence[Inference] | ExtensionError) -> None:
        self._answers = cycle(answers)
        self.asked_s: list[float] = []
        self.is_closed = False

    def prepare(self, picture: Picture, at_s: float) -> Question:
        assert picture is GREY
        self.asked_s.append(round(at_s - BEGIN_S, 3))
        return self._answer

    def _answer(self) -> tuple[Inference, ...]:
        answer = next(self._answers)
        if isinstance(answer, ExtensionError):
            raise answer
        return tuple(answer)

    def close(self) -> None:
        self.is_closed = True


def all_of(node: ExtensionNode, frames: Iterable[Item]) -> list[Frame]:
    return [one for each in frames for one in node.take(each, 0) if isinstance(one, Frame)]


def seconds(count: float, fps: int = 10) -> list[Frame]:
    return [frame(number / fps) for number in range(round(count * fps))]


def refused(code: int) -> ExtensionRefusedError:
    return ExtensionRefusedError("no", code, "")


def test_all_frames_go_on_and_some_are_asked_about() -> None:
    planned = Planned([CAR], [])
    node = ExtensionNode("detector", planned, Sampling(maximum_per_s=2))
    frames = all_of(node, seconds(2))
    assert times_s(frames) == times_s(seconds(2))
    assert planned.asked_s == [0, 0.5, 1, 1.5]
    assert [round(one.at_s - BEGIN_S, 1) for one in frames if one.is_sampled] == [0, 0.5, 1, 1.5]
    assert [round(one.at_s - BEGIN_S, 1) for one in frames if one.findings] == [0, 1]
    assert frames[0].findings == (Finding("detector", (CAR,)),)
    assert (node.counts.asked, node.counts.answered, node.counts.failed, node.counts.skipped) == (4, 4, 0, 0)


def test_by_default_it_is_asked_about_each_frame() -> None:
    planned = Planned([])
    all_of(ExtensionNode("detector", planned), seconds(1))
    assert len(planned.asked_s) == 10


def test_frames_without_findings_can_be_left_out() -> None:
    """They do not use up the turn of one with findings."""
    planned = Planned([CAR])
    node = ExtensionNode("detector", planned, Sampling(2, skips_without_findings=True))
    frames = [frame(number / 10, *([MOTION] if number in {3, 4, 12} else [])) for number in range(20)]
    passed = all_of(node, frames)
    assert planned.asked_s == [0.3, 1.2]
    assert len(passed) == 20
    assert [finding.node for finding in passed[3].findings] == ["motion", "detector"]


def test_frames_without_a_picture_are_not_asked_about() -> None:
    planned = Planned([CAR])
    assert not all_of(ExtensionNode("detector", planned), [frame(0, picture=None)])[0].is_sampled
    assert not planned.asked_s


def test_what_another_extension_was_asked_is_not_said_of_this_one() -> None:
    node = ExtensionNode("second", Planned([CAR]), Sampling(1))
    passed = all_of(node, [frame(number / 10, MOTION, is_sampled=True) for number in range(3)])
    assert [one.is_sampled for one in passed] == [True, False, False]


def test_other_items_pass() -> None:
    signal = Signal(BEGIN_S)
    assert list(ExtensionNode("detector", Planned([])).take(signal, 0)) == [signal]


@pytest.mark.parametrize(
    ("error", "asked_s"),
    [
        pytest.param(ExtensionError("gone"), [0, 1, 3, 7, 15, 31, 61, 91], id="unreachable"),
        pytest.param(refused(404), [0, 1, 3, 7, 15, 31, 61, 91], id="not found"),
        pytest.param(refused(500), [0, 0.1, 1.1, 3.1, 7.1, 15.1, 31.1, 61.1, 91.1], id="its fault"),
        pytest.param(refused(400), [0, 0.1, 1.1, 3.1, 7.1, 15.1, 31.1, 61.1, 91.1], id="a frame it does not like"),
    ],
)
def test_after_failures_it_is_left_alone(error: ExtensionError, asked_s: list[float]) -> None:
    planned, reported = Planned(error), list[ExtensionError]()
    node = ExtensionNode("detector", planned, report=reported.append)
    frames = all_of(node, seconds(100))
    assert planned.asked_s == asked_s
    assert reported == [error]
    assert len(frames) == 1000
    assert not any(one.is_sampled or one.findings for one in frames)
    assert (node.counts.failed, node.counts.skipped) == (len(asked_s), 1000 - len(asked_s))


def test_an_answer_ends_the_patience() -> None:
    gone = ExtensionError("gone")
    planned, reported = Planned(gone, gone, [CAR]), list[ExtensionError]()
    all_of(ExtensionNode("detector", planned, report=reported.append), seconds(8))
    assert planned.asked_s == [0, 1, 3, 3.1, 4.1, 6.1, 6.2, 7.2]
    assert reported == [gone] * 3


def test_each_change_of_errors_is_reported_once() -> None:
    errors = [ExtensionError("a"), refused(404), refused(404), refused(401), ExtensionError("b"), ExtensionError("c")]
    reported: list[ExtensionError] = []
    all_of(ExtensionNode("detector", Planned(*errors), report=reported.append), seconds(60))
    assert [errors.index(error) for error in reported] == [0, 1, 3, 4]


def test_a_file_waits_for_a_busy_extension() -> None:
    planned = Planned(ExtensionBusyError("busy", 0.01), ExtensionBusyError("busy", 0.01), [CAR])
    [one] = all_of(ExtensionNode("detector", planned), [frame(0)])
    assert one.findings


def test_a_file_does_not_wait_for_ever() -> None:
    reported: list[ExtensionError] = []
    node = ExtensionNode("detector", Planned(ExtensionBusyError("busy", 0.01)), report=reported.append)
    [one] = all_of(node, [frame(0)])
    assert not one.is_sampled
    assert len(reported) == 1


def test_a_closed_node_asks_no_more() -> None:
    planned = Planned([CAR])
    node = ExtensionNode("detector", planned)
    node.close()
    assert planned.is_closed
    assert len(all_of(node, [frame(0)])) == 1
    assert not planned.asked_s


@dataclass
class Live:
    """A pipeline with one node that asks a real server. `passed`: what has gone on, in order."""

    server: ExtensionServer
    node: ExtensionNode
    lock: threading.Lock
    passed: list[Frame] = field(default_factory=list)

    def take(self, *frames: Item) -> None:
        for one in frames:
            with self.lock:
                self.passed += [each for each in self.node.take(one, 0) if isinstance(each, Frame)]

    def wait(self) -> None:
        """Wait until no request is under way, and what it has let go on is in `passed`."""
        assert self.node.wait(PATIENCE_S)
        with self.lock:
            pass


@contextmanager
def live(
    *answers: Answer, sampling: Sampling | None = None, report: Callable[[ExtensionError], None] = lambda _: None
) -> Iterator[Live]:
    lock = threading.Lock()
    with serving(*answers) as server:
        client = HttpExtension(ServerSettings(server.url, timeout_s=PATIENCE_S))

        def emit(items: Iterable[Item]) -> None:
            with lock:
                pipeline.passed += [item for item in items if isinstance(item, Frame)]

        node = ExtensionNode("detector", client, sampling, report, emit)
        pipeline = Live(server, node, lock)
        yield pipeline
        node.close()


def test_frames_are_held_while_one_is_asked_about() -> None:
    is_ready = threading.Event()
    with live(once(is_ready, found(CAR))) as pipeline:
        pipeline.take(*seconds(1))
        wait_for(lambda: pipeline.server.heads)
        time.sleep(0.1)
        assert not pipeline.passed
        is_ready.set()
        pipeline.wait()
        assert times_s(pipeline.passed) == times_s(seconds(1))
        assert [one.is_sampled for one in pipeline.passed] == [True] + [False] * 9
        assert pipeline.passed[0].findings == (Finding("detector", (CAR,)),)
        assert pipeline.node.counts.skipped == 9
        assert pipeline.node.counts.waited_s >= 0.1
        pipeline.take(frame(5))
        pipeline.wait()
        assert len(pipeline.server.heads) == 2


def test_frames_that_are_not_due_go_on_at_once() -> None:
    with live(found(CAR), sampling=Sampling(1)) as pipeline:
        pipeline.take(frame(0))
        pipeline.wait()
        pipeline.take(frame(0.1), frame(0.2))
        assert times_s(pipeline.passed) == [0, 0.1, 0.2]


def test_there_is_one_request_at_a_time_and_all_is_in_order() -> None:
    """Whatever the pace of camera and server."""
    busy = threading.Semaphore(1)

    def exclusive(answer: Answer) -> Answer:
        def checked(request: object) -> None:
            assert busy.acquire(blocking=False)
            time.sleep(0.007)
            busy.release()
            answer(request)  # type: ignore[arg-type]

        return checked

    with live(exclusive(found(CAR)), exclusive(nothing), exclusive(found(CAR))) as pipeline:
        frames = seconds(30)
        for one in frames:
            pipeline.take(one)
            time.sleep(0.002)
        pipeline.wait()
        assert [one.at_s for one in pipeline.passed] == [one.at_s for one in frames]
        counts = pipeline.node.counts
        assert counts.failed == 0
        assert counts.asked == counts.answered == len(pipeline.server.heads) > 10
        assert counts.asked + counts.skipped == 300


def test_held_frames_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number their pictures are dropped, and beyond another one they are."""
    monkeypatch.setattr(extension_module, "MAX_FRAMES", 100)
    is_ready = threading.Event()
    with live(once(is_ready, found(CAR))) as pipeline:
        pipeline.take(*seconds(20))
        is_ready.set()
        pipeline.wait()
        assert len(pipeline.passed) == 100
        assert sum(one.picture is not None for one in pipeline.passed) == 30
        assert pipeline.node.counts.dropped == 100


def test_large_pictures_of_held_frames_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    width, height = GREY.size_wh
    monkeypatch.setattr(extension_module, "MAX_PIXELS", 5 * width * height)
    is_ready = threading.Event()
    with live(once(is_ready, found(CAR))) as pipeline:
        pipeline.take(*seconds(1))
        is_ready.set()
        pipeline.wait()
        assert sum(one.picture is not None for one in pipeline.passed) == 5


def test_a_busy_server_is_left_alone() -> None:
    reported: list[ExtensionError] = []
    with live(status(503, ("Retry-After", 1)), found(CAR), report=reported.append) as pipeline:
        began_s = time.monotonic()
        number = 0
        while len(pipeline.server.heads) < 2:
            pipeline.take(frame(number / 100))
            time.sleep(0.01)
            number += 1
        assert 0.95 <= time.monotonic() - began_s < 30
        pipeline.wait()
        assert [type(error) for error in reported] == [ExtensionBusyError]


def test_a_server_that_hangs_up_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension_module, "FIRST_WAIT_S", 30.0)
    reported: list[ExtensionError] = []
    with live(hung_up, report=reported.append) as pipeline:
        for number in range(30):
            pipeline.take(frame(number / 100))
            time.sleep(0.01)
        pipeline.wait()
        assert len(pipeline.passed) == 30
        assert len(pipeline.server.heads) == 1
        assert len(reported) == 1


def test_closing_ends_a_request_soon_and_passes_frames_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension_module, "CLOSE_S", PATIENCE_S)
    reported: list[ExtensionError] = []
    with live(silent, report=reported.append) as pipeline:
        pipeline.take(*seconds(1))
        wait_for(lambda: pipeline.server.heads)
        began_s = time.monotonic()
        pipeline.node.close()
        assert time.monotonic() - began_s < PATIENCE_S / 2
        assert len(pipeline.passed) == 10
        assert not reported
        pipeline.take(frame(2))
        assert len(pipeline.passed) == 11


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_frames_are_not_held_for_a_thread_that_has_died() -> None:
    """A fault of a node that comes after it is a fault of the pipeline, not silence."""

    def faulty(items: Iterable[Item]) -> None:
        raise KeyError(*items)

    node = ExtensionNode("detector", Planned([CAR]), emit=faulty)

    def play() -> None:
        for number in range(1000):
            list(node.take(frame(number), 0))
            time.sleep(0.005)

    with pytest.raises(RuntimeError, match="detector has died"):
        play()
    node.close()


def test_without_a_request_closing_is_immediate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension_module, "CLOSE_S", PATIENCE_S)
    monkeypatch.setattr(http_client, "CLOSE_S", PATIENCE_S)
    with live(found(CAR)) as pipeline:
        began_s = time.monotonic()
        pipeline.node.close()
        pipeline.node.close()
        assert time.monotonic() - began_s < PATIENCE_S / 2
    assert pipeline.node.wait(0)
    assert GREY.size_wh == (160, 90)
