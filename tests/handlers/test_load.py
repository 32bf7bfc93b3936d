"""More frames than there is room for: who is served, who is refused, and what a client that hung up costs."""

import itertools
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from handlers.encoding.lane_codec import LaneCodec
from lab.graphs import ENDLESS, board, number_in, work_for, write_identity_model
from lab.pictures import encode
from models.frame import DecodeTarget, Frame
from models.order import FrameOrder
from models.scheduling.lanes import Lanes
from tests.support.client import ContractClient
from tests.support.metrics import runs, samples
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S, wait_for

RUN_TIMEOUT_S, QUEUE_TIMEOUT_S = 6, 3
ARRIVAL_S = 0.2
FRAME, BUSY_FRAME = encode(board(7), "PNG"), encode(board(1, work=work_for(1.5)), "PNG")
HELD_FRAME = encode(board(2), "PNG")
"""Keeps its lane busy until the event `release` is set."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: closing resets the connection."""
GOODBYE = struct.pack("ii", 0, 0)
"""SO_LINGER off: closing ends the connection in order."""


@pytest.fixture
def one_lane(tmp_path: Path) -> Iterator[LiveServer]:
    """A service with one lane and three places in the queue, with more patience than any test needs."""
    folder = write_identity_model(tmp_path)
    with serving(folder, lanes=1, queue_size=3, queue_timeout_s=PATIENCE_S, run_timeout_s=PATIENCE_S) as live:
        yield live


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hold each lane that works on a `HELD_FRAME` until this event is set, however slow the machine is.

    `LiveServer.busy` does without a frame, where the frame itself does not matter.
    """
    released, decode = threading.Event(), LaneCodec.decode

    def decode_when_released(codec: LaneCodec, order: FrameOrder, target: DecodeTarget) -> Frame:
        assert order.body != HELD_FRAME or released.wait(PATIENCE_S)
        return decode(codec, order, target)

    monkeypatch.setattr(LaneCodec, "decode", decode_when_released)
    yield released
    released.set()


def census(server: LiveServer) -> list[float]:
    """Return how many frames run and wait, and how many were refused."""
    now = samples(server)
    names = [("framehook_frames_in_flight",), ("framehook_queue_depth",), ("framehook_shed_total", "queue_full")]
    return [now[name] for name in names]


class Caller(threading.Thread):
    """Posts one frame on a thread of its own. The constructor returns once the frame is in flight or answered."""

    def __init__(self, server: LiveServer, body: bytes, stream: str = "") -> None:
        super().__init__()
        self._server, self._body, self._stream = server, body, stream
        self.answer = httpx.Response(0)
        before = census(server)
        self.start()
        while census(server) == before and self.is_alive():
            time.sleep(0.01)

    def run(self) -> None:
        with ContractClient(self._server.url) as client:
            self.answer = client.post("/inference", content=self._body, params={"stream": self._stream or "other"})

    def status(self) -> int:
        self.join()
        return self.answer.status_code


@contextmanager
def sent_frame(server: LiveServer, body: bytes, cut: int | None = None, stream: str = "") -> Iterator[socket.socket]:
    """Send a frame, or its first `cut` bytes, and reset the connection at the end of the block."""
    with socket.create_connection((server.host, server.port), timeout=PATIENCE_S) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        query = f"?stream={stream}" if stream else ""
        head = f"POST /inference{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall((head.encode() + body)[: None if cut is None else len(head) + cut])
        yield connection


def wait_until_idle(server: LiveServer) -> dict[tuple[str, ...], float]:
    gauges = ("framehook_frames_in_flight", "framehook_queue_depth", "framehook_bytes_in_flight")
    now: dict[tuple[str, ...], float] = {}

    def is_idle() -> bool:
        now.update(samples(server))
        return not any(now[gauge,] for gauge in gauges)

    wait_for(is_idle)
    return now


def test_a_stream_that_posts_too_much_makes_room_for_another(one_lane: LiveServer, release: threading.Event) -> None:
    greedy = [Caller(one_lane, HELD_FRAME if n == 0 else FRAME, "greedy") for n in range(4)]
    modest = Caller(one_lane, FRAME, "modest")
    release.set()
    assert [caller.status() for caller in greedy] == [200, 200, 200, 503]
    assert modest.status() == 200
    assert samples(one_lane)["framehook_shed_total", "queue_full"] == 1


def test_callers_of_one_address_are_one_stream(one_lane: LiveServer, release: threading.Event) -> None:
    busy = Caller(one_lane, HELD_FRAME)
    with sent_frame(one_lane, FRAME), sent_frame(one_lane, FRAME), sent_frame(one_lane, FRAME):
        wait_for(lambda: samples(one_lane)["framehook_queue_depth",] == 3)
        with sent_frame(one_lane, FRAME) as surplus:
            assert surplus.recv(65536).startswith(b"HTTP/1.1 503 ")
    release.set()
    assert busy.status() == 200


def test_a_frame_that_waited_too_long_is_answered_then_and_never_run(tmp_path: Path, release: threading.Event) -> None:
    """It is answered while the lane still works on the frame before it."""
    with serving(write_identity_model(tmp_path), lanes=1, queue_size=3, queue_timeout_s=QUEUE_TIMEOUT_S) as live:
        busy = Caller(live, HELD_FRAME)
        started_at = time.monotonic()
        late = Caller(live, FRAME)
        assert late.status() == 503
        assert time.monotonic() - started_at >= QUEUE_TIMEOUT_S
        assert int(late.answer.headers["retry-after"]) >= 1
        release.set()
        assert busy.status() == 200
        wait_until_idle(live)
        assert samples(live)["framehook_shed_total", "queue_timeout"] == 1
        assert runs(live) == 1


def test_a_run_that_takes_too_long_is_stopped_and_the_lane_goes_on(tmp_path: Path) -> None:
    served = serving(write_identity_model(tmp_path), lanes=1, run_timeout_s=RUN_TIMEOUT_S)
    with served as live, ContractClient(live.url) as client:
        started_at = time.monotonic()
        answer = client.post("/inference", content=encode(board(work=ENDLESS), "PNG"))
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:framehook:inference-timeout"
        assert RUN_TIMEOUT_S <= time.monotonic() - started_at < RUN_TIMEOUT_S + PATIENCE_S
        assert client.post("/inference", content=FRAME).status_code == 200
        assert samples(live)["framehook_shed_total", "inference_timeout"] == 1


def test_queued_frames_of_callers_that_hung_up_are_never_run(
    one_lane: LiveServer, release: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    busy = Caller(one_lane, HELD_FRAME)
    with sent_frame(one_lane, FRAME), sent_frame(one_lane, FRAME), sent_frame(one_lane, FRAME):
        wait_for(lambda: samples(one_lane)["framehook_queue_depth",] == 3)
    wait_for(lambda: samples(one_lane)["framehook_queue_depth",] == 0)
    release.set()
    assert busy.status() == 200
    now = wait_until_idle(one_lane)
    assert now["framehook_requests_total", "client-disconnected", "infer"] == 3
    assert runs(one_lane) == 1
    assert not [record for record in caplog.records if record.levelname in {"WARNING", "ERROR", "CRITICAL"}]


HANG_UPS: dict[str, Callable[[socket.socket], object]] = {
    "closed": lambda connection: connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, GOODBYE),
    "half-closed": lambda connection: connection.shutdown(socket.SHUT_WR),
    "reset": lambda connection: connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET),
}
"""What clients do before they close the connection."""


@pytest.mark.parametrize("name", list(HANG_UPS))
def test_a_queued_frame_of_a_stream_is_worked_off_although_its_caller_hung_up(
    one_lane: LiveServer, release: threading.Event, name: str
) -> None:
    busy = Caller(one_lane, HELD_FRAME)
    with sent_frame(one_lane, FRAME, stream="gate") as connection:
        wait_for(lambda: samples(one_lane)["framehook_queue_depth",] == 1)
        HANG_UPS[name](connection)
    time.sleep(ARRIVAL_S)  # of the end of the connection
    release.set()
    assert busy.status() == 200
    now = wait_until_idle(one_lane)
    assert ("framehook_requests_total", "client-disconnected", "infer") not in now
    assert (now["framehook_requests_total", "200", "infer"], runs(one_lane)) == (2, 2)
    assert "gate" in [stream["id"] for stream in one_lane.client.get("/streams").json()["streams"]]


def test_the_frame_of_a_stream_whose_caller_hangs_up_at_once_is_worked_off_if_it_is_whole(one_lane: LiveServer) -> None:
    """The last bytes and the end of the connection arrive together, as from FFmpeg."""
    head = f"POST /inference?stream=gate HTTP/1.1\r\nHost: x\r\nContent-Length: {len(FRAME)}\r\n\r\n"
    for cut in (-1, None):
        for _ in range(10):
            with socket.create_connection((one_lane.host, one_lane.port)) as connection:
                connection.sendall((head.encode() + FRAME)[:cut])
            wait_until_idle(one_lane)
    wait_for(lambda: runs(one_lane) == 10)


def test_callers_that_hang_up_take_no_more_than_their_share(one_lane: LiveServer) -> None:
    """Frames of one address that nobody waits for count in the queue as before; another address has its turns."""
    done = threading.Event()
    slow = encode(board(1, work=work_for(0.1)), "PNG")

    def post_and_hang_up() -> None:
        for number in itertools.count():
            if done.is_set():
                return
            with suppress(OSError), sent_frame(one_lane, slow, stream=f"name-{number % 7}") as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, GOODBYE)
            time.sleep(0.02)  # a slow machine keeps up with it

    greedy = [threading.Thread(target=post_and_hang_up) for _ in range(4)]
    for thread in greedy:
        thread.start()
    wait_for(lambda: samples(one_lane)["framehook_shed_total", "queue_full"] > 0)
    depths = []
    with httpx.Client(base_url=one_lane.url, transport=httpx.HTTPTransport(local_address="127.0.0.2")) as camera:
        answers = []
        for _ in range(20):
            answers.append(camera.post("/inference", content=FRAME, params={"stream": "gate"}, timeout=PATIENCE_S))
            depths.append(samples(one_lane)["framehook_queue_depth",])
    done.set()
    for thread in greedy:
        thread.join()
    assert [answer.status_code for answer in answers].count(200) >= 18
    assert max(depths) <= 3
    wait_until_idle(one_lane)


@pytest.mark.parametrize("body", [FRAME, BUSY_FRAME], ids=["waiting", "running"])
def test_a_caller_that_hangs_up_with_a_request_behind_its_frame_leaves_no_trace(
    one_lane: LiveServer, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    """Its frame is dropped only if the server was still reading; in either case nobody is harmed."""
    busy = Caller(one_lane, BUSY_FRAME if body == FRAME else FRAME)
    for _ in range(3):
        with sent_frame(one_lane, body) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(ARRIVAL_S)
    assert busy.status() == 200
    wait_until_idle(one_lane)
    assert one_lane.client.post("/inference", content=FRAME).status_code == 200
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]


def test_requests_behind_a_waiting_frame_are_answered_in_turn(one_lane: LiveServer) -> None:
    busy = Caller(one_lane, BUSY_FRAME)
    with sent_frame(one_lane, FRAME) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answers.index(b'"block"') < answers.index(b'"live"')
    assert busy.status() == 200


def test_callers_that_hang_up_anywhere_leave_nothing_behind(
    one_lane: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    rng = random.Random(1)
    for _ in range(300):
        with sent_frame(one_lane, FRAME, cut=rng.choice([0, len(FRAME) // 2, None])):
            time.sleep(rng.random() * 0.01)
    wait_until_idle(one_lane)
    assert one_lane.client.post("/inference", content=FRAME).status_code == 200
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]


def test_bytes_are_in_flight_until_their_caller_is_gone(one_lane: LiveServer) -> None:
    with sent_frame(one_lane, FRAME, cut=20):
        wait_for(lambda: samples(one_lane)["framehook_bytes_in_flight",] == 20)
    assert wait_until_idle(one_lane)["framehook_bytes_in_flight",] == 0


def test_retry_after_is_what_the_lanes_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lanes, "retry_after_s", lambda _: 42)
    folder = write_identity_model(tmp_path)
    limit = 2 * len(FRAME)
    with serving(folder, lanes=1, queue_size=0, max_body_bytes=limit, max_bytes_in_flight=limit) as live:
        with sent_frame(live, FRAME + FRAME, cut=limit - 1):
            wait_for(lambda: samples(live)["framehook_bytes_in_flight",] == limit - 1)
            refused_for_bytes = live.client.post("/inference", content=FRAME)
        wait_until_idle(live)
        with live.busy():
            refused_for_places = live.client.post("/inference", content=FRAME)
    for refusal in (refused_for_bytes, refused_for_places):
        assert (refusal.status_code, refusal.headers["retry-after"]) == (503, "42")


def test_callers_that_heed_retry_after_are_all_served(tmp_path: Path) -> None:
    """Sixty cameras post at once to a service with room for eight frames, and obey Retry-After."""
    served: list[int] = []
    returns: Counter[int] = Counter()
    all_are_there = threading.Barrier(60)

    def call(number: int) -> None:
        with ContractClient(live.url) as client:
            all_are_there.wait(PATIENCE_S)
            while (
                answer := client.post("/inference", content=encode(board(number, work=3), "PNG"))
            ).status_code == 503:
                returns[int(time.monotonic() - started_at) + int(answer.headers["retry-after"])] += 1
                time.sleep(int(answer.headers["retry-after"]))
            served.append(number_in(answer.json()["inferences"][0]["entity"]["box"]))

    with serving(write_identity_model(tmp_path), lanes=1, queue_size=7) as live:
        started_at = time.monotonic()
        callers = [threading.Thread(target=call, args=(number,)) for number in range(60)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert sorted(served) == list(range(60))
    assert returns.total() > 40, "too few were refused, so this proves nothing"
    assert max(returns.values()) < 0.9 * returns.total(), "all came back at once"


def test_probes_and_metrics_answer_while_all_is_full(one_lane: LiveServer, release: threading.Event) -> None:
    callers = [Caller(one_lane, HELD_FRAME), *(Caller(one_lane, FRAME) for _ in range(3))]
    with ContractClient(one_lane.url) as client:
        assert client.post("/inference", content=FRAME, params={"stream": "other"}).status_code == 503
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert client.get(path).status_code == 200
    release.set()
    assert [caller.status() for caller in callers] == [200] * 4


def test_a_caller_with_many_names_starves_nobody(one_lane: LiveServer) -> None:
    """From another address, a camera posts one frame after the other."""
    done, names = threading.Event(), itertools.count()
    slow = encode(board(1, work=work_for(0.05)), "PNG")

    def post_greedily() -> None:
        with one_lane.new_client() as client:
            while not done.is_set():
                client.post("/inference", content=slow, params={"stream": f"name-{next(names)}"})

    greedy = [threading.Thread(target=post_greedily) for _ in range(8)]
    for thread in greedy:
        thread.start()
    time.sleep(1)
    with httpx.Client(base_url=one_lane.url, transport=httpx.HTTPTransport(local_address="127.0.0.2")) as camera:
        answers = [
            camera.post("/inference", content=FRAME, params={"stream": "gate"}, timeout=PATIENCE_S) for _ in range(20)
        ]
    done.set()
    for thread in greedy:
        thread.join()
    assert [answer.status_code for answer in answers].count(200) >= 18
