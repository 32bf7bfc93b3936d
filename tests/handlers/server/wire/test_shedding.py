"""Frames refused at the socket get the same answer as from admission."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.context import RequestRecord
from handlers.dataplane import DataPlane
from handlers.parsing.request_names import REQUEST_ID_HEADERS
from handlers.server.contract import read_contract
from handlers.server.wire.shedding import LoadShedder
from handlers.streams.settings_files import SettingsOfStreams
from lab.graphs import board, number_in, write_identity_model
from lab.pictures import encode
from lab.wire import connect, read_answers, statuses
from models.repository.folder import read_folder
from models.runtime.engine import Engine
from models.scheduling.lanes import Lanes
from tests.support.client import ContractClient
from tests.support.metrics import samples
from tests.support.models.engines import CODEC, loaded_engine_of
from tests.support.server import LiveServer, serving
from tests.support.waiting import wait_for

FRAME = encode(board(7), "PNG")
PAGE = "https://nvr.example"


@pytest.fixture(scope="module")
def one_lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A service with one lane and no queue."""
    with serving(write_identity_model(tmp_path_factory.mktemp("repository")), lanes=1, queue_size=0) as live:
        yield live


@pytest.mark.parametrize("request_id", REQUEST_ID_HEADERS)
def test_all_ways_in_refuse_alike(one_lane: LiveServer, request_id: str, caplog: pytest.LogCaptureFixture) -> None:
    """The socket refuses on paths without parameters; admission refuses on the path of a model, and chunked bodies."""
    caplog.set_level("INFO")
    before = samples(one_lane).get(("framehook_requests_total", "503", "infer"), 0)
    header = {request_id: "camera-7"}
    with one_lane.busy():
        answers = [
            one_lane.client.post("/inference", content=FRAME, headers=header, params={"stream": "cam7"}),
            one_lane.client.post("/inference", content=iter([FRAME]), headers=header, params={"stream": "cam7"}),
            one_lane.client.post("/inference/identity", content=FRAME, headers=header, params={"stream": "cam7"}),
        ]
    assert {answer.status_code for answer in answers} == {503}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers[request_id] for answer in answers} == {"camera-7"}
    assert all(set(answers[0].headers) == set(answer.headers) - {"connection"} for answer in answers)
    wait_for(lambda: len(refusals(caplog)) >= 3)
    lines = refusals(caplog)
    assert len(lines) == 3
    shed, chunked, _ = ({name: fact for name, fact in line.items() if name != "durationMs"} for line in lines)
    assert shed == chunked
    wait_for(lambda: samples(one_lane)["framehook_requests_total", "503", "infer"] == before + 2)


def refusals(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the facts of the lines of refused frames."""
    return [facts for record in caplog.records if (facts := getattr(record, "facts", {})).get("status") == 503]


def test_what_would_be_refused_for_another_reason_still_is(one_lane: LiveServer) -> None:
    with one_lane.busy():
        assert one_lane.client.post("/inference/nope", content=FRAME).status_code == 404
        assert one_lane.client.post("/nope", content=FRAME).status_code == 404
        assert one_lane.client.put("/inference", content=FRAME).status_code == 405
        with connect(one_lane.port) as connection:
            connection.sendall(b"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
            assert statuses(connection.recv(65536)) == (413,)
        with connect(one_lane.port) as connection:
            connection.sendall(b"POST /inference HTTP/1.1\r\nHost: x\r\n\r\n")
            assert statuses(connection.recv(65536)) == (503,)


def test_pages_read_their_refusals_and_foreign_ones_get_none(tmp_path: Path) -> None:
    folder = write_identity_model(tmp_path)
    with serving(folder, lanes=1, queue_size=0, allowed_origins=(PAGE,)) as live, live.busy():
        answer = live.client.post("/inference", content=FRAME, headers={"origin": PAGE})
        foreign = live.client.post("/inference", content=FRAME, headers={"origin": "https://other.example"})
    assert (answer.status_code, foreign.status_code) == (503, 403)
    assert answer.headers["access-control-allow-origin"] == PAGE


def test_the_connection_serves_on(one_lane: LiveServer) -> None:
    """The body of a refused frame, whole or in pieces, is not parsed as the next request."""
    head = b"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(FRAME)
    live = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(one_lane.port) as connection:
        with one_lane.busy():
            for pieces in ([head + FRAME], [head, FRAME], [head + FRAME[:20], FRAME[20:]], [head + FRAME + live]):
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.05)
            received = read_answers(connection, 5)
        assert statuses(received) == (503, 503, 503, 503, 200)
    with ContractClient(one_lane.url) as client:
        while (answer := client.post("/inference", content=FRAME)).status_code == 503:
            time.sleep(0.02)
    assert number_in(answer.json()["inferences"][0]["entity"]["box"]) == 7


LENGTH, HOST_FIELD = (b"content-length", b"9"), (b"host", b"x")
GOOD = [HOST_FIELD, LENGTH]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with one lane and no queue."""
    folder = write_identity_model(tmp_path_factory.mktemp("repository"))
    with loaded_engine_of([read_folder(folder)], folder.name, Lanes(1, 0, 60)) as engine:
        yield engine


@pytest.mark.parametrize(
    ("target", "headers", "sheds"),
    [
        (b"/inference", GOOD, True),
        (b"/score?stream=a&confidence=0.5", GOOD, True),
        (b"/inference?\xff=%ff", GOOD, True),
        (b"/inference", [*GOOD, (b"connection", b"keep-alive")], True),
        (b"/inference", [*GOOD, (b"x-forwarded-for", b"192.0.2.1")], True),
        (b"/inference/identity", GOOD, False),
        (b"http://x/inference", GOOD, False),
        (b"/inference/", GOOD, False),
        (b"/models", GOOD, False),
        (b"/inference", [HOST_FIELD], False),
        (b"/inference", [HOST_FIELD, (b"content-length", b"101")], False),
        (b"/inference", [*GOOD, (b"expect", b"100-continue")], False),
        (b"/inference", [HOST_FIELD, (b"transfer-encoding", b"chunked")], False),
        (b"/inference", [*GOOD, (b"upgrade", b"h2c")], False),
        (b"/inference", [*GOOD, (b"origin", b"https://nvr.example")], False),
    ],
)
def test_only_certain_cases_are_shed(
    engine: Engine, target: bytes, headers: list[tuple[bytes, bytes]], *, sheds: bool
) -> None:
    counted: list[RequestRecord] = []
    plane = DataPlane(engine, CODEC, None, SettingsOfStreams(None))  # type: ignore[arg-type]  # nobody watches
    shedder = LoadShedder(
        plane, read_contract().operations_on_default_model, 100, lambda record, *_: counted.append(record)
    )
    assert shedder.refusal(target, headers, ("127.0.0.1", 1)) is None
    done = threading.Event()
    lanes = engine.served.lanes
    lanes.submit(done.wait)
    while not lanes.running:
        time.sleep(0.01)
    refusal = shedder.refusal(target, headers, ("127.0.0.1", 1))
    done.set()
    while lanes.running:
        time.sleep(0.01)
    assert bool(refusal) is sheds
    assert [(record.status, record.shed) for record in counted] == [(503, "queue_full")] * sheds
