"""A server may answer anything: no check stumbles over it, and none takes long."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from conformance.asking.address import read_address
from conformance.asking.server import Limits, Server
from conformance.checks import answers, empty, geometry, raw, requests, state
from conformance.pictures.photos import Photo
from conformance.running import Result, run
from conformance.subject import Subject
from tests.support.cost import costs_at_most
from tests.support.seeded.model import board

CHECKS = (
    *requests.CHECKS[:1],
    *answers.CHECKS,
    *geometry.CHECKS,
    *empty.CHECKS,
    *state.CHECKS,
    *raw.CHECKS,
)
AT_MOST_S = 20
"""Of CPU time. The dearest body costs one or two seconds; without bounds it would cost minutes."""
JSON = "application/json"


@contextmanager
def answering(body: bytes, status: int = 200, media_type: str = JSON) -> Iterator[Subject]:
    """Run a server that answers this to every frame, for a block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        address = read_address(f"http://127.0.0.1:{server.server_port}/inference")
        yield Subject(Server(address, Limits(timeout_s=5)), photos=(Photo("board", board()),))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def entity(**box: Any) -> dict[str, Any]:
    edges = {"l": 0.1, "t": 0.1, "w": 0.5, "h": 0.5} | box
    return {"type": "entity", "entity": {"tag": {"value": "cat", "confidence": 0.9}, "box": edges}}


def inferences(*listed: Any) -> bytes:
    return json.dumps({"inferences": listed}).encode()


def tagged(**tag: Any) -> bytes:
    return inferences({"type": "entity", "entity": {"tag": tag, "box": {"l": 0, "t": 0, "w": 1, "h": 1}}})


BODIES = {
    "nothing": b"",
    "no JSON": b"<html>",
    "no UTF-8": b'{"inferences": ["\xff"]}',
    "a number": b"500",
    "null": b"null",
    "a list": b"[]",
    "text": b'"inferences"',
    "inferences are null": b'{"inferences": null}',
    "inferences are text": b'{"inferences": "none"}',
    "inferences of all kinds": inferences(None, 1, "a", [], {}, [[]], True),
    "huge numbers": inferences(entity(l=1e308, w=1e308), entity(t=-1e308, h=1e308)),
    "infinite": b'{"inferences": [{"type": "entity", "entity": {"box": {"l": 1e999, "t": 0, "w": 1, "h": 1}}}]}',
    "NaN": inferences(entity(w=float("nan"))),
    "many digits": inferences(entity(w=10**4000)),
    "too many digits": b'{"inferences": [' + b"1" * 10_000 + b"]}",
    "negative": inferences(entity(l=-5, t=-5, w=-1, h=-1)),
    "empty boxes": inferences(entity(w=0, h=0)),
    "truths": inferences(entity(l=True, t=False, w=True, h=True)),
    "boxes are lists": inferences({"type": "entity", "entity": {"tag": [], "box": [0, 0, 1, 1]}}),
    "payloads are lists": inferences({"type": "entity", "entity": [], "classification": [], "text": 1, "event": None}),
    "types are lists": inferences({"type": ["entity"], "entity": {}}, {"type": {}, "motion": {"box": None}}),
    "labels are objects": tagged(value={"a": [1]}, confidence={"b": 2}),
    "labels move the cursor": tagged(value="\x1b[2J\ud800\x00", confidence=0.9),
    "labels are long": tagged(value="a" * 500_000, confidence=0.9),
    "names are long": inferences({"a" * 500_000: 1}),
    "names are strange": b'{"inferences": [{"\\ud800\\u001b": {"\\ud800": "\\ud800"}}]}',
    "subtypes are blanks": inferences(entity() | {"subtype": "a" + " a" * 200_000 + " "}),
    "deep": b"[" * 400_000,
    "deep and whole": b'{"inferences": ' + b"[" * 900 + b"]" * 900 + b"}",
    "deep objects": b'{"inferences": [' + b'{"a":' * 800 + b"1" + b"}" * 800 + b"]}",
    "many": inferences(*[entity()] * 8_000),
    "many wrong": inferences(*[{"a": 1}] * 90_000),
    "many attributes": inferences({"type": "entity", "entity": {"tag": {}, "attributes": [{}] * 200_000, "box": {}}}),
    "many members": json.dumps({f"m{index}": index for index in range(50_000)}).encode(),
    "large": inferences(entity()) + b" " * 5_000_000,
}


def verdicts(subject: Subject) -> list[Result]:
    return list(run(subject, CHECKS))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_body_of_an_answer_stops_a_check(body: bytes) -> None:
    with answering(body) as subject, costs_at_most(AT_MOST_S):
        results = verdicts(subject)
    assert len(results) == len(CHECKS)
    assert all(len(each.finding.detail) < 1000 and each.finding.detail.isprintable() for each in results)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "json",
        "a/b; c",
        'a/b; c="',
        "a/b; c*0*=x; c*=y'z; c*1=q",
        "a/b;;;=;=",
        "a/b; \xff=\xfe",
        f"a/b; c*{'1' * 5000}*=x",
        f'a/b; c="{";" * 60_000}',
    ],
    ids=lambda value: value[:12],
)
def test_no_media_type_of_an_answer_stops_a_check(media_type: str) -> None:
    with answering(inferences(entity()), media_type=media_type) as subject:
        results = verdicts(subject)
    assert all(each.finding.detail.isprintable() for each in results)


@pytest.mark.parametrize("status", [204, 201, 302, 401, 404, 500, 503, 999])
def test_no_status_of_an_answer_stops_a_check(status: int) -> None:
    with answering(b"" if status == 204 else b"{}", status) as subject:
        assert len(verdicts(subject)) == len(CHECKS)
