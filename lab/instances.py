"""Several services on this machine, which end and start again, and clients that post to them by way of a balancer.

Their models are identity models; the label of the box in an answer names the instance that gave it.
"""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import quote

import httpx

from lab.graphs import board, write_identity_model
from lab.pictures import encode
from lab.wire import free_port

HOST = "127.0.0.1"
NAMES = ("one", "two", "three")
FRAME = encode(board(7), "PNG")
CLIENTS = 6
LOST = 0
"""The status of a frame without an answer."""
PATIENCE_S = 240.0
PAUSE_S, ASK_AGAIN_S = 0.01, 0.1


@dataclass(slots=True)
class Instance:
    """One service on a port of its own. `options`: of `framehook serve`."""

    name: str
    folder: Path
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        """Start, and return when it is ready."""
        framehook = str(Path(sys.executable).with_name("framehook"))
        repository = ("--model-repository", str(self.folder / self.name), "--default-model", "identity")
        command = [framehook, "serve", "--port", str(self.port), *repository, *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env={**os.environ, **self.environment})
        deadline = time.monotonic() + PATIENCE_S
        while not self.is_ready():
            assert time.monotonic() < deadline, self.log.read_text(encoding="utf-8")
            time.sleep(ASK_AGAIN_S)

    def is_ready(self) -> bool:
        """Ask with little effort: this is done again and again while the instance needs the processor to start."""
        connection = HTTPConnection(HOST, self.port, timeout=PATIENCE_S)
        with closing(connection), suppress(OSError, HTTPException):
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == httpx.codes.OK
        return False

    def end(self, how: signal.Signals) -> int:
        """Send a signal; return the exit status."""
        assert self.process
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)


@contextmanager
def started(
    folder: Path, options: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[dict[str, Instance]]:
    """Run three instances with tracks for each stream until the block ends; yield them by name."""
    (folder / "streams").mkdir()
    (folder / "streams" / "default.yaml").write_text("track: {}\n")
    for name in NAMES:
        write_identity_model(folder / name, labels=(name, "other"))
    given = ("--isolation", "thread", "--lanes", "1", "--streams", str(folder / "streams"), *options)
    instances = {name: Instance(name, folder, given, environment or {}) for name in NAMES}
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        for instance in instances.values():
            stack.callback(instance.end, signal.SIGKILL)
        list(pool.map(Instance.start, instances.values()))
        yield instances


@dataclass(frozen=True, slots=True)
class Outcome:
    """One frame: when it was sent and answered (monotonic, in seconds), its stream, the status, and who answered."""

    sent_at: float
    ended_at: float
    stream: str
    status: int
    instance: str


def instance_of(answer: httpx.Response) -> str:
    """Return the name of the instance that gave an answer, which must be an object."""
    assert answer.status_code == httpx.codes.OK, answer.text
    return str(answer.json()["inferences"][0]["entity"]["tag"]["value"])


def post(client: httpx.Client, query: str = "", frame: bytes = FRAME) -> httpx.Response:
    """Post a frame."""
    return client.post(f"/inference?{query}", content=frame)


def outcome_of(client: httpx.Client, stream: str) -> Outcome:
    """Post a frame of a stream, or of none."""
    sent_at = time.monotonic()
    try:
        answer = post(client, f"stream={quote(stream)}" if stream else "")
    except httpx.TransportError:
        return Outcome(sent_at, time.monotonic(), stream, LOST, "")
    instance = instance_of(answer) if answer.status_code == httpx.codes.OK else ""
    return Outcome(sent_at, time.monotonic(), stream, answer.status_code, instance)


def places(client: httpx.Client, streams: Sequence[str]) -> dict[str, str]:
    """Return which instance answers a frame of each stream."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        outcomes = pool.map(lambda stream: outcome_of(client, stream), streams)
        return {outcome.stream: outcome.instance for outcome in outcomes}


@contextmanager
def load(client: httpx.Client, streams: Sequence[str]) -> Iterator[list[Outcome]]:
    """Post frames until the block ends, every third one without a stream; yield the outcomes.

    Some come before the block, and some behind it. Behind it, the outcomes are complete.
    """
    outcomes: list[Outcome] = []
    is_over = threading.Event()

    def post_on(number: int) -> None:
        for stream in itertools.cycle(["", *streams[number::CLIENTS][:4], ""]):
            outcomes.append(outcome_of(client, stream))
            if is_over.wait(PAUSE_S):
                return

    def post_some() -> None:
        count, deadline = len(outcomes), time.monotonic() + PATIENCE_S
        while len(outcomes) < count + 20 * CLIENTS:
            assert time.monotonic() < deadline, "expected answers"
            time.sleep(PAUSE_S)

    with ThreadPoolExecutor(CLIENTS) as pool:
        posting = [pool.submit(post_on, number) for number in range(CLIENTS)]
        try:
            post_some()
            yield outcomes
            post_some()
        finally:
            is_over.set()
        for each in posting:
            each.result()
