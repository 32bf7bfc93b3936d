"""The service under attack, and what an attack learns about it."""

import http.client
import json
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.harness.processes import ProcessTree, end, start
from bench.harness.servers import HOST, OK, Service, framehook
from lab.graphs import board, write_identity_model
from lab.pictures import encode
from lab.wire import free_port

TIMEOUT_S = 60.0
PROBE_EVERY_S = 0.02
CONTROL_S = 1.0
SERVER_ERROR = 500
FRAME = encode(board(7), "PNG")
"""A good frame: the identity model finds one box in it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request. `status`: None when the connection ended without one."""

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one attack. `figure`: what was measured, in words."""

    figure: str
    is_held: bool


@dataclass(frozen=True, slots=True)
class Victim:
    """A service with the identity model. `root`: its model repository; `log`: its output."""

    process: subprocess.Popen[bytes]
    port: int
    root: Path
    log: Path

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        source: str = "",
    ) -> Answer:
        """Send one request over a new connection. `source`: the address to send it from; empty: any."""
        connection = http.client.HTTPConnection(
            HOST, self.port, timeout=TIMEOUT_S, source_address=(source, 0) if source else None
        )
        started_at = time.perf_counter()
        try:
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            content, took_s = response.read(), time.perf_counter() - started_at
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, content, took_s)
        except (OSError, http.client.HTTPException):
            return Answer(None, took_s=time.perf_counter() - started_at)
        finally:
            connection.close()

    def post(self, body: bytes = FRAME, target: str = "/inference", media_type: str = "image/png") -> Answer:
        """Post one frame."""
        return self.ask("POST", target, body, {"Content-Type": media_type})

    @property
    def tree(self) -> ProcessTree:
        """Return the service's processes."""
        return ProcessTree(self.process.pid)

    @contextmanager
    def probed(self) -> Iterator["Probe"]:
        """Ask whether the service lives, every 20 ms, until the block ends."""
        probe = Probe(self)
        thread = threading.Thread(target=probe.ask_again_and_again)
        thread.start()
        try:
            yield probe
        finally:
            probe.over.set()
            thread.join()

    def fault_after(self) -> str | None:
        """Return what is wrong with the service after an attack; None if nothing is."""
        answer = self.post()
        if self.process.poll() is not None:
            return f"the process ended with {self.process.returncode}"
        if answer.status != OK or not json.loads(answer.body)["inferences"]:
            return f"a good frame got {answer.status}"
        if answer.took_s > CONTROL_S:
            return f"a good frame took {answer.took_s:.1f} s"
        failures = [line for line in self.log_lines() if (line.get("status") or 0) == SERVER_ERROR]
        return f"{len(failures)} answers with 500" if failures else None

    def log_lines(self) -> list[dict[str, object]]:
        """Return the lines of the log; a line that is no JSON object counts as an answer with 500."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) if line.startswith("{") else {"status": SERVER_ERROR} for line in lines]


@dataclass(slots=True)
class Probe:
    """How long each probe waited, in seconds."""

    victim: Victim
    waits_s: list[float] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ask_again_and_again(self) -> None:
        """Probe until it is over."""
        while not self.over.wait(PROBE_EVERY_S):
            self.waits_s.append(self.victim.ask("GET", "/health/live").took_s)

    @property
    def longest_ms(self) -> float:
        """Return the longest wait."""
        return 1000 * max(self.waits_s, default=0.0)

    @property
    def median_ms(self) -> float:
        """Return the median wait."""
        return 1000 * statistics.median(self.waits_s or [0.0])


@contextmanager
def attacked(**settings: str) -> Iterator[Victim]:
    """Run a fresh service, ready for frames, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        root, log, port = Path(folder) / "models", Path(folder) / "log", free_port()
        write_identity_model(root)
        server = framehook(model_repository=str(root), default_model="identity", **settings)
        process = start(server.command(port), server.environment, log)
        victim = Victim(process, port, root, log)
        try:
            Service(server, port, victim.tree, log).wait_for(lambda: victim.post().status == OK, 0.1)
            yield victim
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
            end(process)
