"""The five questions, asked of real servers."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from conformance.asking import pacing
from conformance.asking.address import read_address
from conformance.asking.credentials import Credentials, OneHeader, Password
from conformance.asking.server import Limits, Server
from conformance.doctor.examining import QUESTIONS, Judgement, Opinion, examine
from conformance.pictures.photos import Photo
from lab.wire import refusing
from tests.support.certificates import issue, trusting, write
from tests.support.credentials import CAMERA_TOKEN, GUARDED, PASSWORD, PROBE_TOKEN, USER, bearer
from tests.support.seeded.mistakes import ACCESS
from tests.support.seeded.model import board
from tests.support.seeded.server import seeded
from tests.support.server import running
from tests.support.timed import Clock

GOOD, BAD, UNKNOWN = Judgement.GOOD, Judgement.BAD, Judgement.UNKNOWN
BOARD = (Photo("board", board()),)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the camera wait for its turns, and for nothing else: whether a server keeps up depends on the machine."""
    monkeypatch.setattr(pacing, "time", Clock())


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _DeepStack(BaseHTTPRequestHandler):
    """A server of this dialect whose answers a test chooses."""

    document: dict[str, Any]
    status = 200
    delay_s = 0.0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(self.delay_s)
        self.send(self.document if self.path.startswith("/v1/vision/") else {}, self.status)

    def do_GET(self) -> None:
        self.send({"success": True, "message": "No update."}, 200)

    def send(self, document: dict[str, Any], status: int) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], **members: Any) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (handler,), members))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def examined(
    url: str, credentials: Credentials | None = None, photos: tuple[Photo, ...] | None = None, **limits: Any
) -> tuple[Opinion, ...]:
    opinions = examine(Server(read_address(url), Limits(**limits), credentials), rate_per_s=5, photos=photos)
    assert tuple(opinion.question for opinion in opinions) == QUESTIONS
    return opinions


def judgements(opinions: tuple[Opinion, ...]) -> list[Judgement]:
    return [opinion.judgement for opinion in opinions]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "It speaks HTTP extension; in the photos it finds person"),
        ("/v1/vision/detection", "It speaks DeepStack / CodeProject.AI (framehook); in the photos it finds person"),
    ],
)
def test_framehook(path: str, said: str) -> None:
    with running() as live:
        opinions = examined(live.url + path)
    assert judgements(opinions)[:3] == [GOOD] * 3, opinions  # how fast it is depends on the machine
    assert opinions[1].answer.startswith(said)
    assert opinions[1].advice == ""


@pytest.mark.parametrize("path", ["/nothing", "/v1/vision/nothing"])
def test_a_wrong_path_is_bad_and_the_right_one_is_named(path: str) -> None:
    with running() as live:
        (_, says, *_) = examined(live.url + path)
    assert says.judgement is BAD
    assert says.answer.startswith(f"It speaks HTTP extension, but not at {path}; in the photos it finds person")
    assert says.advice == "Post frames to /inference."


def test_framehook_that_wants_credentials() -> None:
    token = OneHeader("Authorization", f"Bearer {CAMERA_TOKEN}")
    with running(**GUARDED, wait_until_ready=False) as live:
        live.wait_until_ready(bearer(PROBE_TOKEN))
        assert judgements(examined(live.url)) == [GOOD, UNKNOWN, UNKNOWN, UNKNOWN, BAD]
        assert judgements(examined(live.url, Password(USER, "a wrong one"))) == [GOOD, UNKNOWN, UNKNOWN, UNKNOWN, BAD]
        for given, path in ((Password(USER, PASSWORD), ""), (token, "/v1/vision/detection")):
            opinions = examined(live.url + path, given)
            assert judgements(opinions)[:3] == [GOOD] * 3, opinions
            assert opinions[4].answer == "It takes those that were given, and refuses frames without."


@pytest.mark.parametrize(
    ("mistake", "judged", "part"),
    [
        pytest.param((), [GOOD] * 5, "; in the photos it finds ", id="none"),
        pytest.param(("error-in-200",), [GOOD] * 5, "all are answered in time", id="not looked at"),
    ],
)
@pytest.mark.usefixtures("steady")
def test_the_seeded_server(mistake: tuple[str, ...], judged: list[Judgement], part: str) -> None:
    assert_judged(mistake, judged, part)


def test_a_server_that_is_slower_than_the_camera() -> None:
    assert_judged(("slow",), [GOOD, GOOD, GOOD, BAD, GOOD], "are dropped")


def assert_judged(mistake: tuple[str, ...], judged: list[Judgement], part: str) -> None:
    with seeded(*mistake) as url:
        opinions = examined(url, photos=BOARD)
    assert judgements(opinions) == judged, opinions
    assert part in " ".join(opinion.answer for opinion in opinions)


def test_a_server_that_does_not_ask_for_what_was_given() -> None:
    with seeded() as url:
        opinions = examined(url, Password(**ACCESS["password"]), BOARD)
    assert opinions[4].answer == "It does not ask for any."
    assert opinions[4].advice


def test_nothing_listens() -> None:
    with refusing() as port:
        opinions = examined(f"http://127.0.0.1:{port}")
    assert judgements(opinions) == [BAD, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN]
    assert "Connection refused" in opinions[0].answer


def test_a_server_with_tls(tmp_path: Path) -> None:
    ca = trustme.CA()
    files: dict[str, Any] = {**write(issue(ca), tmp_path)}
    with running(trusted=trusting(ca), **files) as live:
        plain = examined(live.url.replace("https", "http"))
        untrusted = examined(live.url)
        trusted = examine(Server(read_address(live.url), tls=trusting(ca)))
    assert [each[0].judgement for each in (plain, untrusted, trusted)] == [BAD, BAD, GOOD]
    assert plain[0].advice == f"Does it speak TLS? Then ask {live.url}."
    assert "--ca FILE" in untrusted[0].answer
    assert untrusted[0].advice == ""


def test_a_plain_web_server() -> None:
    with served(_Quiet) as url:
        opinions = examined(url)
    assert judgements(opinions) == [GOOD, BAD, UNKNOWN, UNKNOWN, UNKNOWN]
    assert "Is the path right?" in opinions[1].advice


@pytest.mark.parametrize(
    ("document", "judged", "said"),
    [
        pytest.param(
            {"success": True, "predictions": [{"label": "cat", "confidence": 0.5}], "duration": 0},
            [GOOD] * 5,
            "as DeepStack itself does",
            id="DeepStack",
        ),
        pytest.param(
            {"success": True, "predictions": [], "moduleId": "YOLO", "analysisRoundTripMs": 5},
            [GOOD, UNKNOWN, GOOD, GOOD, GOOD],
            "CodeProject.AI",
            id="CodeProject.AI",
        ),
        pytest.param(
            {"success": False, "error": "There is no module."},
            [GOOD, BAD, UNKNOWN, UNKNOWN, UNKNOWN],
            "says: There is no module.",
            id="an error in 200",
        ),
    ],
)
@pytest.mark.usefixtures("steady")
def test_servers_of_deepstack(document: dict[str, Any], judged: list[Judgement], said: str) -> None:
    with served(_DeepStack, document=document) as url:
        opinions = examined(url, photos=BOARD)
    assert judgements(opinions) == judged, opinions
    assert said in opinions[1].answer


@pytest.mark.usefixtures("steady")
def test_answers_that_frigate_does_not_wait_for() -> None:
    document = {"success": True, "predictions": [{"label": "cat"}]}
    with served(_DeepStack, document=document, delay_s=0.11) as url:
        opinions = examined(url, photos=BOARD)
    assert judgements(opinions) == [GOOD] * 5, opinions
    assert "If you use Frigate: 10 of 10 answers take longer than 0.1 s" in opinions[3].advice
    assert "api_timeout" in opinions[3].advice


def test_limits_are_no_faults_of_the_server() -> None:
    with seeded() as url:
        assert judgements(examined(url, photos=BOARD, rate_per_s=4)) == [GOOD, GOOD, GOOD, UNKNOWN, GOOD]
        assert judgements(examined(url, photos=BOARD, requests=5)) == [GOOD, GOOD, UNKNOWN, UNKNOWN, GOOD]


def test_a_server_that_is_busy() -> None:
    with served(_DeepStack, document={"success": False, "error": "Busy."}, status=503) as url:
        (_, says, *_) = examined(f"{url}/v1/vision/detection", photos=BOARD)
    assert says.answer.startswith("It cannot answer a photo now: it answers 503")
