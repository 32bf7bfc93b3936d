"""Live streams over HTTP: what viewers see, and that nothing is kept of a frame that nobody watches."""

import asyncio
import gc
import io
import json
import pickle
import selectors
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from PIL import Image

from handlers import dataplane
from handlers.decoding.decoder import Decoder
from handlers.encoding.encoders import ENCODERS
from handlers.encoding.lane_codec import LaneCodec
from handlers.server.wire import http_server
from handlers.streams import live_view
from handlers.streams.settings_files import SettingsOfStreams
from lab.graphs import board, write_identity_model
from lab.pictures import encode, street, street_as
from lab.wire import connect, read_to_end, statuses
from models.frame import Body
from models.order import Answered, FrameOrder
from models.results import Detection, Results
from models.scheduling.lanes import Lanes
from models.workers.worker import QuietThread, StatefulCall
from tests.support import process
from tests.support.live import parts_in, posting
from tests.support.metrics import samples
from tests.support.server import LiveServer, serving
from tests.support.waiting import PATIENCE_S, wait_for

FRAME = encode(board(7), "PNG")
LIVE_S = 5.0
KEEP_ALIVE_S = 1.0
MAX_VIEWERS = 3
NOISE = encode(Image.fromarray(np.random.default_rng(1).integers(0, 100, (960, 1280, 3), np.uint8)), "BMP")
"""No JPEG makes it small: half a megabyte per picture. It is so dark that the identity model sees an empty board."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service that allows few viewers."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    with serving(folder, lanes=1, max_viewers=MAX_VIEWERS) as live:
        yield live


def post(server: LiveServer, stream: str, body: bytes = FRAME, path: str = "/inference") -> None:
    assert server.client.post(path, content=body, params={"stream": stream}).status_code in {200, 204}


def listed(server: LiveServer, name: str) -> dict[str, Any]:
    """Return the record of one stream; empty if it is not live."""
    streams = server.client.get("/streams").json()["streams"]
    return next((stream for stream in streams if stream["id"] == name), {})


def viewers(server: LiveServer) -> int:
    """Return the number of viewers; -1 while the sum over the streams differs."""
    listed_viewers = sum(stream["viewers"] for stream in server.client.get("/streams").json()["streams"])
    counted = int(samples(server)["framehook_viewers",])
    return counted if counted == listed_viewers else -1


@pytest.mark.parametrize("path", ["/inference", "/inference/identity", "/score", "/annotate"])
def test_a_posted_frame_makes_its_stream_live(watched: LiveServer, path: str) -> None:
    name = "from" + path.replace("/", ".")
    post(watched, name, path=path)
    stream = listed(watched, name)
    assert (stream["model"], stream["size"]) == ("identity", {"width": 64, "height": 64})
    assert (stream["framesPerSecond"], stream["viewers"]) == (0, 0)


def test_the_rate_is_told(watched: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It falls while the next frame is overdue."""
    clock = SimpleNamespace(now_s=time.monotonic(), time=time.time)
    clock.monotonic = lambda: clock.now_s
    monkeypatch.setattr(live_view, "time", clock)
    for _ in range(5):
        clock.now_s += 0.1
        post(watched, "steady")
    assert listed(watched, "steady")["framesPerSecond"] == 10
    clock.now_s += 0.5
    assert listed(watched, "steady")["framesPerSecond"] == 2


@pytest.mark.parametrize("query", ["", "?stream=", "?stream=a%0Ab", "?stream=" + "x" * 129])
def test_frames_without_a_name_are_of_no_stream(watched: LiveServer, query: str) -> None:
    before = {stream["id"] for stream in watched.client.get("/streams").json()["streams"]}
    watched.client.post(f"/inference{query}", content=FRAME)
    assert {stream["id"] for stream in watched.client.get("/streams").json()["streams"]} <= before


NAMES = {
    "a blank": "Front Door",
    "an umlaut": "Süd",
    "another script": "玄関 📷",
    "a slash": "cam/1",
    "dots": "yard/../gate",
    "markup": """<img src="x" onerror='x'>&amp;""",
    "signs of addresses": "100% a+b?c#d=e&f",
    "signs of a template": "{path}{0}",
    "all that fit": "ä" * 128,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_camera_may_have_any_name(watched: LiveServer, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Its frames are answered, and there is a page for it, in which its name is escaped."""
    caplog.set_level("INFO")
    escaped = quote(name, safe="")
    address = httpx.URL(watched.url).join("/stream/" + escaped)
    page = parse_page(watched.client.get(address).text)
    assert (page["title"], page["h1"]) == (f"{name} - framehook", name)
    assert address.join(page["Console"]).path == "/"
    assert address.join(page["script"]).path == "/console/stream.js"
    with posting(watched, name, FRAME):
        assert listed(watched, name)
        pictures = parts_in(watched.client.get(f"/mjpeg/{escaped}", params={"frames": 1}).content)
    assert len(pictures) == 1
    assert name in {record.facts.get("stream") for record in caplog.records if hasattr(record, "facts")}


def test_the_slashes_of_a_name_need_no_escape(watched: LiveServer) -> None:
    post(watched, "hall/2")
    address = httpx.URL(watched.url).join("/stream/hall/2")
    page = parse_page(watched.client.get(address).text)
    assert page["h1"] == "hall/2"
    assert address.join(page["script"]).path == "/console/stream.js"
    assert watched.client.get(address.join(page["script"])).status_code == 200


@pytest.mark.parametrize(("query", "is_checked"), [("", False), ("?draw=results", False), ("?draw=regions", True)])
def test_the_page_draws_what_its_address_says(watched: LiveServer, query: str, *, is_checked: bool) -> None:
    assert ("checked" in watched.client.get(f"/stream/gate{query}").text) == is_checked


class PageReader(HTMLParser):
    """Reads a stream's page as a browser does.

    `found`: element → its text or address, and text of a link → its address. There is one title, heading and script.
    """

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._open = tag
        assert tag not in {"title", "h1", "script"} or tag not in self.found
        self.found[self._open] = given.get("content") or given.get("src") or given.get("href") or ""

    def handle_data(self, data: str) -> None:
        text = data if self._open == "a" else self._open
        self.found[text] = self.found.get(self._open) or data


def parse_page(page: str) -> dict[str, str]:
    reader = PageReader()
    reader.feed(page)
    return reader.found


def test_viewers_see_what_was_found(server: LiveServer) -> None:
    """The picture of the stream is the posted one, with boxes where /annotate draws them."""
    with posting(server, "seen"):
        answer = server.client.get("/mjpeg/seen", params={"frames": 3})
    pictures = parts_in(answer.content)
    assert [picture.size for picture in pictures] == [(768, 576)] * 3
    drawn = server.client.post("/annotate", content=street_as("JPEG"), headers={"Accept": "image/png"})
    with Image.open(io.BytesIO(drawn.content)) as expected:
        difference = np.abs(np.asarray(pictures[-1], np.int16) - np.asarray(expected.convert("RGB"), np.int16))
    assert difference.mean() < 4
    plain = np.abs(np.asarray(pictures[-1], np.int16) - np.asarray(street(), np.int16))
    assert plain.mean() > difference.mean()


def test_large_pictures_are_shown_smaller(watched: LiveServer) -> None:
    large = encode(Image.new("RGB", (2560, 640), "navy"), "PNG")
    with posting(watched, "large", large):
        answer = watched.client.get("/mjpeg/large", params={"frames": 1})
    assert [picture.size for picture in parts_in(answer.content)] == [(1280, 320)]


def test_raw_frames_are_shown(watched: LiveServer) -> None:
    query = "width=64&height=64&pixelFormat=bgr24&stream=raw"
    raw = board(7).tobytes("raw", "BGR")
    with httpx.Client(base_url=watched.url, timeout=PATIENCE_S) as client:
        headers = {"Content-Type": "image/x-raw"}
        assert client.post("/inference", content=raw, params=query, headers=headers).status_code == 200
        with client.stream("GET", "/mjpeg/raw") as answer:
            wait_for(lambda: listed(watched, "raw")["viewers"])
            assert client.post("/inference", content=raw, params=query, headers=headers).status_code == 200
            read = b""
            for piece in answer.iter_raw():
                read += piece
                if b"\xff\xd9\r\n--frame\r\n" in read:
                    break
    wait_for(lambda: not viewers(watched))


def test_nothing_is_kept_of_a_frame_that_nobody_watches(watched: LiveServer) -> None:
    """Neither its body nor its results, also after the last viewer has left."""
    with posting(watched, "kept", FRAME):
        watched.client.get("/mjpeg/kept", params={"frames": 1})
    wait_for(lambda: not viewers(watched))
    post(watched, "kept", NOISE)
    wait_for(lambda: not kept_bodies())
    assert not kept_pictures()


def kept_bodies() -> list[FrameOrder]:
    gc.collect()
    return [thing for thing in gc.get_objects() if type(thing) is FrameOrder and thing.stream == "kept"]


def kept_pictures() -> list[live_view.View]:
    return [thing for thing in gc.get_objects() if type(thing) is live_view.View and (thing.picture or thing.waiting)]


def test_a_frame_is_drawn_once_for_all_viewers(watched: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    publish = live_view.View.publish

    def counted(stream: live_view.View, picture: bytes) -> None:
        drawn.append(len(picture))
        publish(stream, picture)

    monkeypatch.setattr(live_view.View, "publish", counted)
    post(watched, "shared")
    with ExitStack() as stack, httpx.Client(base_url=watched.url, timeout=PATIENCE_S) as client:
        answers = [stack.enter_context(client.stream("GET", "/mjpeg/shared")) for _ in range(MAX_VIEWERS)]
        wait_for(lambda: listed(watched, "shared")["viewers"] == MAX_VIEWERS)
        post(watched, "shared")
        for answer in answers:
            first = iter(answer.iter_raw())
            assert b"--frame" in next(first)
            assert b"image/jpeg" in next(first)
    assert len(drawn) == 1
    wait_for(lambda: not viewers(watched))


@pytest.mark.parametrize("path", ["/mjpeg/nope", "/mjpeg/%2e%2e%2fetc", "/mjpeg/", "/stream/a%00b", "/stream/"])
def test_a_stream_that_is_not_live_is_unknown(watched: LiveServer, path: str) -> None:
    answer = watched.client.get(path)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2] in {"unknown-stream", "not-found"}) == (
        404,
        True,
    )


def test_a_stream_expires(watched: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A while after its last frame its viewers' answers end, and the list says how long it has been silent."""
    monkeypatch.setattr(live_view, "LIVE_S", LIVE_S)
    post(watched, "short")
    started_at = time.monotonic()
    post(watched, "short")
    assert listed(watched, "short")["framesPerSecond"] > 0
    assert parts_in(watched.client.get("/mjpeg/short").content) == []
    assert LIVE_S <= time.monotonic() - started_at < LIVE_S + PATIENCE_S
    assert watched.client.get("/mjpeg/short").status_code == 404
    silent = listed(watched, "short")
    assert silent["silentForS"] >= LIVE_S
    assert silent["framesPerSecond"] == 0
    assert silent["frames"]["run"] == 2


def test_a_silent_stream_is_listed_for_a_day(watched: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    post(watched, "night")
    monkeypatch.setattr(live_view, "LISTED_S", 0.0)
    assert listed(watched, "night") == {}


@pytest.mark.parametrize("name", ["count", "@127.0.0.1"])
def test_refused_frames_of_a_stream_count(watched: LiveServer, name: str) -> None:
    """Not those before its first answer: nobody can fill the list with names of refused frames."""
    refused = partial(watched.client.post, "/inference", content=b"rubbish", params={"stream": name})
    assert refused().status_code == 400
    assert listed(watched, name) == {}
    post(watched, name)
    assert [(refused().status_code, listed(watched, name)["refused"]) for _ in range(2)] == [(400, 1), (400, 2)]


def test_streams_are_bounded(watched: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unwatched stream with the oldest last frame is forgotten, and no frame is refused for it."""
    monkeypatch.setattr(live_view, "MAX_STREAMS", 3)
    post(watched, "first")
    with httpx.Client(base_url=watched.url, timeout=PATIENCE_S) as client, client.stream("GET", "/mjpeg/first"):
        wait_for(lambda: listed(watched, "first")["viewers"])
        for number in range(9):
            post(watched, f"more-{number}")
        names = [stream["id"] for stream in watched.client.get("/streams").json()["streams"]]
    assert len(names) <= 3 + MAX_VIEWERS
    assert {"first", "more-8"} <= set(names)
    wait_for(lambda: not viewers(watched))


def test_whoever_names_many_streams_drives_out_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_view, "MAX_STREAMS", 3)
    known = live_view.LiveStreams(1, Lanes(1, 1, 1))
    known.record_frame("gate", "identity", (64, 48), caller="192.0.2.1")
    for number in range(9):
        known.record_frame(f"more-{number}", "identity", (64, 48), caller="192.0.2.2")
    assert [stream.name for stream in known.listed()] == ["gate", "more-7", "more-8"]


def test_viewers_are_bounded_and_their_places_come_back(watched: LiveServer) -> None:
    with posting(watched, "crowd", FRAME), httpx.Client(base_url=watched.url, timeout=PATIENCE_S) as client:
        for _ in range(2):
            with ExitStack() as stack:
                for _ in range(MAX_VIEWERS):
                    stack.enter_context(client.stream("GET", "/mjpeg/crowd"))
                wait_for(lambda: viewers(watched) == MAX_VIEWERS)
                answer = watched.client.get("/mjpeg/crowd", params={"frames": 1})
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            wait_for(lambda: not viewers(watched))


def test_who_asks_for_the_headers_of_a_stream_is_no_viewer(watched: LiveServer) -> None:
    post(watched, "asked")
    for _ in range(MAX_VIEWERS + 1):
        with connect(watched.port, b"HEAD /mjpeg/asked HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as asking:
            received = read_to_end(asking)
        assert received.startswith(b"HTTP/1.1 200 ")
        assert b"multipart/x-mixed-replace" in received
        assert received.endswith(b"\r\n\r\n")
    assert viewers(watched) == 0
    with connect(watched.port, b"HEAD /mjpeg/nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as asking:
        assert read_to_end(asking).startswith(b"HTTP/1.1 404 ")


def test_http_1_0_gets_a_stream_without_chunks(watched: LiveServer) -> None:
    """The answer has no length, so it ends with its connection."""
    with posting(watched, "old", FRAME), connect(watched.port, b"GET /mjpeg/old?frames=2 HTTP/1.0\r\n\r\n") as viewer:
        head, _, body = read_to_end(viewer).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert b"\r\nconnection: close" in head.lower()
    assert len(parts_in(body)) == 2


def test_a_viewer_that_goes_away_is_forgotten_though_no_frame_comes(watched: LiveServer) -> None:
    post(watched, "left")
    for _ in range(5):
        with connect(watched.port, b"GET /mjpeg/left HTTP/1.1\r\nHost: x\r\n\r\n"):
            wait_for(lambda: viewers(watched) == 1)
        wait_for(lambda: viewers(watched) == 0)


def test_the_rate_of_a_stream_that_was_silent_begins_anew() -> None:
    known = live_view.LiveStreams(1, Lanes(1, 1, 1))
    known.record_frame("gate", "identity", (64, 48))
    known.record_frame("gate", "identity", (64, 48))
    [stream] = known.listed()
    assert stream.interval_s > 0
    stream.seen_at -= live_view.LIVE_S + 1
    known.record_frame("gate", "identity", (64, 48))
    [anew] = known.listed()
    assert anew.interval_s == 0


def test_a_viewer_is_not_idle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A viewer that waits for a picture longer than idle connections are kept still gets it."""
    monkeypatch.setattr(http_server, "KEEP_ALIVE_S", KEEP_ALIVE_S)
    watch = b"GET /mjpeg/slow?frames=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with serving(write_identity_model(tmp_path)) as live:
        post(live, "slow")
        with connect(live.port, watch) as viewer, live.new_client() as camera:
            wait_for(lambda: viewers(live) == 1)
            time.sleep(KEEP_ALIVE_S * 3)
            assert camera.post("/inference?stream=slow", content=FRAME).status_code == 200
            assert b"image/jpeg" in read_to_end(viewer)


def test_a_viewer_that_does_not_read_is_dropped(tmp_path: Path) -> None:
    """Meanwhile another viewer keeps watching."""
    limits = {"receive_timeout_s": 2, "min_body_bytes_per_s": 0}  # a camera on a busy machine may be slow
    with serving(write_identity_model(tmp_path), **limits) as live:
        post(live, "heavy")
        with connect(live.port, b"GET /mjpeg/heavy HTTP/1.1\r\nHost: x\r\n\r\n") as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wait_for(lambda: viewers(live) == 1)
            with posting(live, "heavy", NOISE, every_s=0.02):
                assert len(parts_in(live.client.get("/mjpeg/heavy", params={"frames": 3}).content)) == 3
                wait_for(lambda: viewers(live) == 0)


def test_frames_for_which_there_is_no_room_are_not_shown(watched: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_view, "MAX_WAITING_BYTES", 100_000)
    with (
        posting(watched, "full", NOISE),
        httpx.Client(base_url=watched.url, timeout=PATIENCE_S) as client,
        client.stream("GET", "/mjpeg/full"),
    ):
        wait_for(lambda: viewers(watched) == 1)
        time.sleep(0.5)
        assert not kept_pictures()
    wait_for(lambda: not viewers(watched))


def painter() -> Lanes:
    """Return a lane that draws pictures without a decoder."""
    return Lanes(1, 1, PATIENCE_S, create_worker=partial(QuietThread, None, 0))


def drawing(draw: Callable[[None, Body], bytes]) -> StatefulCall:
    return StatefulCall(lambda: draw)


class Jumps(selectors.SelectSelector):
    """Does not wait: the time that would have passed is added to its clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes when all are asleep, and only then: however slow the machine is."""

    def __init__(self) -> None:
        self._jumps = Jumps()
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.now_s


class SleepyPainter:
    """A lane that takes so many seconds for the pictures of each stream. `drawn`: how many it has drawn."""

    def __init__(self, costs_s: Mapping[str, float]) -> None:
        self._costs_s = costs_s
        self.drawn: Counter[str] = Counter()

    def submit(self, work: StatefulCall) -> Future[bytes]:
        name, picture = str(work.call()), Future[bytes]()
        asyncio.get_running_loop().call_later(self._costs_s[name], self._finish, name, picture)
        return picture

    def _finish(self, name: str, picture: Future[bytes]) -> None:
        self.drawn[name] += 1
        picture.set_result(b"picture")


def test_a_stream_rests_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that take long to draw are fewer, and those of another stream hardly wait for them."""
    drawn = drawn_in_3_s({"expensive": 0.3, "cheap": 0.001}, monkeypatch)
    assert drawn["expensive"] == 1, "after 0.3 s it rests 9 times as long, for each of two streams"
    assert drawn["cheap"] > 50


def test_a_stream_does_not_rest_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine drawing takes long because it waits."""
    monkeypatch.setattr(live_view, "MAX_REST_S", 0.5)
    assert drawn_in_3_s({"slow": 0.3}, monkeypatch)["slow"] > 1


def drawn_in_3_s(costs_s: Mapping[str, float], monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Return how many pictures of each stream are drawn, if those of a stream take so many seconds."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        clock = SimpleNamespace(monotonic=runner.get_loop().time, time=time.time)
        monkeypatch.setattr(live_view, "time", clock)
        return runner.run(_drawn_in_3_s(costs_s, clock.monotonic))


async def _drawn_in_3_s(costs_s: Mapping[str, float], clock: Callable[[], float]) -> Counter[str]:
    painter = SleepyPainter(costs_s)
    streams = live_view.LiveStreams(2, cast("Lanes", painter))
    for name in costs_s:
        streams.record_frame(name, "identity", (64, 48))
    rendering = asyncio.create_task(streams.render_pictures())
    with ExitStack() as stack:
        watched = {name: stack.enter_context(streams.watching(name)) for name in costs_s}
        ends_at = clock() + 3
        while clock() < ends_at:
            for name in costs_s:
                streams.queue_render(watched[name], StatefulCall(partial(str, name)))  # type: ignore[arg-type]
            await asyncio.sleep(0.01)
        counted = painter.drawn.copy()
    rendering.cancel()
    return counted


def test_a_picture_that_cannot_be_drawn_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert asyncio.run(_drawn_after_a_failure()) == b"picture"
    [complaint] = [record for record in caplog.records if record.message == "picture not drawn"]
    assert complaint.facts == {"stream": "gate"}  # type: ignore[attr-defined]


async def _drawn_after_a_failure() -> bytes:
    loop, has_failed = asyncio.get_running_loop(), asyncio.Event()
    streams = live_view.LiveStreams(1, painter())
    streams.record_frame("gate", "identity", (64, 48))

    def fail(_: None, __: Body) -> bytes:
        loop.call_soon_threadsafe(has_failed.set)
        raise MemoryError

    rendering = asyncio.create_task(streams.render_pictures())
    with streams.watching("gate") as stream:
        streams.queue_render(stream, drawing(fail))
        await has_failed.wait()
        streams.queue_render(stream, drawing(lambda _, __: b"picture"))
        async with asyncio.timeout(PATIENCE_S):
            await stream.fresh.wait()
        picture = stream.picture
    rendering.cancel()
    return picture


def test_frames_that_take_long_to_decode_are_not_shown(watched: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataplane, "MAX_SHOWN_DECODE_MS", 0)
    post(watched, "slow-to-decode")
    with (
        httpx.Client(base_url=watched.url, timeout=PATIENCE_S) as client,
        client.stream("GET", "/mjpeg/slow-to-decode"),
    ):
        wait_for(lambda: viewers(watched) == 1)
        post(watched, "slow-to-decode")
        time.sleep(0.3)
        assert not kept_pictures()
    wait_for(lambda: not viewers(watched))


def test_what_draws_a_frame_can_be_sent_to_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[StatefulCall] = []
    monkeypatch.setattr(live_view.LiveStreams, "queue_render", lambda *arguments: queued.append(arguments[2]))
    streams = live_view.LiveStreams(1, painter())
    plane = dataplane.DataPlane(None, LaneCodec(Decoder(36_000_000), ENCODERS), streams, SettingsOfStreams(None))  # type: ignore[arg-type]
    order = FrameOrder(street_as("JPEG"), stream="gate")
    streams.record_frame("gate", "identity", (768, 576))
    found = Results((Detection("person", 0, 0.9, (0.25, 0.25, 0.5, 0.5)),))
    with streams.watching("gate"):
        plane.show(order, Answered(b"", found, "identity", "1", (768, 576), {"decode": 1}))
        for stage in ("decode", "look"):
            slow = {stage: dataplane.MAX_SHOWN_DECODE_MS + 1}
            plane.show(order, Answered(b"", found, "identity", "1", (768, 576), slow))
    [work] = queued
    here, sent = work.call(), pickle.loads(pickle.dumps(work.call()))  # our own
    decoder = Decoder(36_000_000)
    assert sent(decoder, memoryview(work.body)) == here(decoder, work.body)


@pytest.mark.parametrize("reads", [True, False], ids=["reading", "stuck"])
def test_viewers_do_not_keep_the_service_from_ending(reads: bool, tmp_path: Path) -> None:  # noqa: FBT001
    write_identity_model(tmp_path)
    model = ("--model-repository", str(tmp_path), "--default-model", "identity")
    body = FRAME if reads else NOISE
    times = ("--drain-delay-s", "0", "--shutdown-timeout-s", "2")
    with (tmp_path / "log").open("w") as file, process.serving(*model, *times, log=file) as (service, port):
        process.wait_until_ready(port)
        base_url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=base_url, timeout=PATIENCE_S) as camera, ExitStack() as stack:
            camera.post("/inference?stream=x", content=body)
            viewer = stack.enter_context(connect(port))
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            viewer.sendall(b"GET /mjpeg/x HTTP/1.1\r\nHost: x\r\n\r\n")
            for _ in range(20):
                camera.post("/inference?stream=x", content=body)
            service.send_signal(signal.SIGTERM)
            if reads:
                received = read_to_end(viewer)
                assert statuses(received) == (200,)
                assert received.endswith(b"--frame--\r\n\r\n0\r\n\r\n")
            assert service.wait(PATIENCE_S) == 0
    log = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["operation"] for line in log if line.get("path") == "/mjpeg/x"] == ["watch_stream"]
