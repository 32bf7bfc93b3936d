"""examples/client.py posts pictures, waits while the service is busy, and follows a camera."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest

from examples.client import BusyError, Found, RefusedError, Service, ask_patiently, newest_jpegs
from lab.pictures import PHOTOS, STREET, blank
from lab.wire import refusing
from tests.support.client import ROOT
from tests.support.server import LiveServer
from tests.support.waiting import wait_for

FOUND = b'{"inferences": [{"type": "classification", "classification": {"tag": {"value": "cat", "confidence": 0.9}}}]}'
REFUSAL = b'{"detail": "Send a credential."}'


@dataclass
class Scripted:
    """A server that gives these answers, one after another, and remembers what it got; and its client."""

    answers: list[tuple[int, dict[str, str], bytes]]
    url: str = ""
    service: Service = field(init=False)
    connections: set[Any] = field(default_factory=set)
    keys: list[str | None] = field(default_factory=list)


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes], closes: bool = False) -> Iterator[Scripted]:
    """Run such a server until the block ends; `closes`: it closes each connection after an answer, unannounced."""
    scripted = Scripted(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            scripted.connections.add(self.client_address)
            scripted.keys.append(self.headers["Authorization"])
            status, headers, body = scripted.answers.pop(0)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = closes

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        scripted.url = f"http://127.0.0.1:{server.server_port}/inference"
        with closing(Service(scripted.url, "secret")) as scripted.service:
            yield scripted
        server.shutdown()


def client(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the program; its output is in UTF-8."""
    command: list[str | Path] = [sys.executable, ROOT / "examples" / "client.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


@dataclass
class Following:
    """The program, which follows a camera, and its pipes. It must end well, once its input has ended."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    wait: Callable[[float], int]


@contextmanager
def following(url: str, *options: str) -> Iterator[Following]:
    command = [sys.executable, str(ROOT / "examples" / "client.py"), "--url", url, *options, "-"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe) as run:
        assert run.stdin
        assert run.stdout
        assert run.stderr
        yield Following(run.stdin, run.stdout, run.stderr, run.wait)
        run.stdin.close()
        assert run.wait(60) == 0


def test_pictures_and_folders_are_posted(server: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "coffee.JPG").write_bytes((PHOTOS / "coffee.jpg").read_bytes())
    (tmp_path / "empty.png").write_bytes(blank())
    (tmp_path / "notes.txt").write_text("not posted")
    run = client("--url", f"{server.url}/inference?confidence=0.8", STREET, tmp_path)
    assert [line.partition(": ")[::2] for line in run.stdout.splitlines()] == [
        (str(STREET), "person 0.90, person 0.85, car 0.81"),
        (f"{tmp_path}/coffee.JPG", "cup 0.96"),
        (f"{tmp_path}/empty.png", "nothing"),
    ]
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("path", ["", "/", "?object=person"])
def test_an_address_may_lack_the_path(server: LiveServer, path: str) -> None:
    with closing(Service(server.url + path)) as service:
        assert service.ask(STREET.read_bytes())


def test_the_sentence_of_a_refusal_is_printed(server: LiveServer, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    run = client("--url", f"{server.url}/inference?confidence=0.8", tmp_path / "notes.txt", STREET)
    assert run.stderr.startswith(f"{tmp_path}/notes.txt: This is not a JPEG")
    assert run.stdout.startswith(f"{STREET}: person")
    assert run.returncode == 1


@pytest.mark.parametrize("option", [[], ["--json"]], ids=["for people", "as JSON"])
def test_a_camera_is_a_stream(server: LiveServer, option: list[str]) -> None:
    """A name may have any characters; the program ends with its input."""
    jpegs = STREET.read_bytes() * 2
    arguments = ["--url", f"{server.url}/inference?confidence=0.8", "--stream", "Yard & gate", *option, "-"]
    command: list[str | Path] = [sys.executable, ROOT / "examples" / "client.py", *arguments]
    run = subprocess.run(command, input=jpegs, capture_output=True, timeout=60, check=True)
    lines = run.stdout.decode().splitlines()
    if option:
        assert [one["label"] for one in json.loads(lines[-1])] == ["person", "person", "car"]
    else:
        assert [line.partition(" ")[2] for line in lines] == ["1 car, 2 person"]
    assert "Yard & gate" in {stream["id"] for stream in server.client.get("/streams").json()["streams"]}


def test_whoever_reads_the_answers_may_leave(server: LiveServer) -> None:
    with following(f"{server.url}/inference", "--json") as run:
        run.stdout.close()
        run.stdin.write(STREET.read_bytes())
        run.wait(60)
        assert run.stderr.read() == b""


def test_one_connection_serves_all_pictures_and_carries_the_token() -> None:
    with answering((200, {}, FOUND), (204, {}, b""), (200, {}, FOUND)) as scripted:
        answers = [scripted.service.ask(b"picture") for _ in range(3)]
    assert answers == [[Found("cat", 0.9, None)], [], [Found("cat", 0.9, None)]]
    assert len(scripted.connections) == 1
    assert scripted.keys == ["Bearer secret"] * 3


def test_a_busy_service_is_asked_again_when_it_says() -> None:
    busy = (503, {"Retry-After": "0"}, b"")
    with answering(busy, busy, (200, {}, FOUND), (503, {"Retry-After": "7"}, b"")) as scripted:
        assert ask_patiently(scripted.service, b"picture") == [Found("cat", 0.9, None)]
        with pytest.raises(BusyError, match="busy for 7 s"):
            scripted.service.ask(b"picture")
    assert len(scripted.connections) == 1


def test_a_refusal_is_no_reason_to_ask_again() -> None:
    refused = (401, {"Content-Type": "application/problem+json"}, REFUSAL)
    with answering(refused) as scripted, pytest.raises(RefusedError, match=r"Send a credential\."):
        ask_patiently(scripted.service, b"picture")


def test_a_connection_that_was_idle_is_opened_again() -> None:
    with answering((200, {}, FOUND), (200, {}, FOUND), closes=True) as scripted:
        assert scripted.service.ask(b"picture") == scripted.service.ask(b"picture")
    assert len(scripted.connections) == 2


def test_nobody_answers() -> None:
    with refusing() as port:
        url = f"http://127.0.0.1:{port}/inference"
        run = client("--url", url, STREET)
    assert run.returncode == 1
    assert run.stderr.startswith(f"{url}: ")


def test_a_camera_goes_on_while_the_service_is_busy() -> None:
    with answering((503, {"Retry-After": "0"}, b""), (200, {}, FOUND)) as scripted, following(scripted.url) as run:
        run.stdin.write(STREET.read_bytes())
        wait_for(lambda: scripted.keys)
        run.stdin.write(STREET.read_bytes())
        run.stdin.close()
        assert run.stdout.read().endswith(b" 1 cat\n")


def test_a_camera_goes_on_while_nobody_answers() -> None:
    """The outage is one line, however long it lasts."""
    with refusing() as port, following(f"http://127.0.0.1:{port}/inference") as run:
        run.stdin.write(STREET.read_bytes())
        assert run.stderr.readline().startswith(b"no answer: ")
        run.stdin.write(STREET.read_bytes())
        run.stdin.close()
        assert run.stderr.read() == b""


def test_a_slow_caller_gets_the_newest_picture_and_keeps_no_camera_waiting() -> None:
    """Sixteen pictures, far more than a pipe holds, are written while the caller has asked for one only."""
    jpegs = [bytes([number]) * 100_000 + b"\xff\xd9" for number in range(16)]
    reading, writing = os.pipe()
    pictures = newest_jpegs(reading)
    os.write(writing, jpegs[0][:10])
    os.write(writing, jpegs[0][10:50_000])
    rest = threading.Thread(target=_write, args=(writing, jpegs[0][50_000:]))
    rest.start()
    assert next(pictures) == jpegs[0]
    rest.join()
    camera = threading.Thread(target=_write, args=(writing, b"".join(jpegs[1:])))
    camera.start()
    wait_for(lambda: not camera.is_alive())
    os.close(writing)
    seen = list(pictures)
    os.close(reading)
    assert seen[-1] == jpegs[-1]
    assert len(seen) < 5


def _write(pipe: int, content: bytes) -> None:
    with os.fdopen(os.dup(pipe), "wb") as file:
        file.write(content)
