"""The servers under measurement: how to start each and what to send. All accept POST /score on the loopback."""

import base64
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.harness.connection import NO_CONTENT, Reply
from bench.harness.generator import Target
from bench.harness.outcomes import Verdict
from bench.harness.processes import ProcessTree, running
from lab import ROOT
from lab.wire import free_port
from models.repository.folder import BUILT_IN_ZOO

HOST = "127.0.0.1"
PATH = "/score"
OCTETS = "application/octet-stream"
START_DEADLINE_S = 240
ASK_AGAIN_S = 0.1
TIMEOUT_S = 30
WIDE = {"FRAMEHOOK_WIDE_LANE": "true"}
OK, UNAVAILABLE = 200, 503
ZOO_MODEL = BUILT_IN_ZOO / "ssdlite-mobilenet-v2"
PEERS_PYTHON = ROOT / ".peers" / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Server:
    """One server. `command`: port → command line; `wrap`: picture → body, as this server expects it."""

    command: Callable[[int], Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    wrap: Callable[[bytes], bytes] = bytes
    media_type: str = OCTETS


@dataclass(frozen=True, slots=True)
class Service:
    """A running server. `log`: its output."""

    server: Server
    port: int
    tree: ProcessTree
    log: Path

    def post(self, picture: bytes) -> Reply:
        """Post one picture and return the reply; raises OSError."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=TIMEOUT_S)
        try:
            connection.request("POST", PATH, self.server.wrap(picture), {"Content-Type": self.server.media_type})
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, headers, response.read())
        except http.client.HTTPException as error:
            raise ConnectionError("No HTTP answer.") from error
        finally:
            connection.close()

    def wait_for(self, condition: Callable[[], bool], ask_again_s: float) -> None:
        """Poll until the condition holds, ignoring OSErrors; raises RuntimeError if the server ends or is late."""
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline and self.tree.memory_mib():
            with suppress(OSError):
                if condition():
                    return
            time.sleep(ask_again_s)
        raise RuntimeError(f"The server was not ready in {START_DEADLINE_S} s:\n{self.log.read_text(errors='replace')}")

    def target(self, pictures: Sequence[bytes], query: Callable[[int], str] = lambda _: "") -> Target:
        """Return the generator's target: these pictures in turn; each must get the same answer as when posted alone.

        `query`: stream number → query string after the path.
        """
        alone = [self.post(picture) for picture in pictures]
        if any(reply.status not in {OK, NO_CONTENT} for reply in alone):
            raise ValueError(f"expected answers with 200 or 204, got {[reply.status for reply in alone]}")
        bodies = [self.server.wrap(picture) for picture in pictures]

        def request(number: int, stream: int) -> Sequence[bytes]:
            body = bodies[number % len(bodies)]
            return head(query(stream), self.server.media_type, len(body)), body

        def check(number: int, reply: Reply) -> Verdict:
            if reply.status == UNAVAILABLE:
                return Verdict.REFUSED
            if reply.status not in {OK, NO_CONTENT}:
                return Verdict.OTHER
            return Verdict.RIGHT if reply.body == alone[number % len(alone)].body else Verdict.MIXED_UP

        return Target(HOST, self.port, request, check)


def head(query: str, media_type: str, length_bytes: int, more: str = "") -> bytes:
    """Return the head of one frame's request."""
    return (
        f"POST {PATH}{query} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {length_bytes}\r\n{more}\r\n"
    ).encode()


def framehook(**settings: str) -> Server:
    """Return framehook with these settings."""
    environment = {f"FRAMEHOOK_{name.upper()}": value for name, value in settings.items()}
    return Server(
        lambda port: [str(Path(sys.executable).with_name("framehook")), "serve", "--port", str(port)], environment
    )


def servers(peer_model: Path) -> dict[str, Server]:
    """Return all servers by name; each peer uses these weights, and comes also with exact int8."""
    environment = {"PEER_MODEL": str(peer_model.resolve()), "PEER_LABELS": str(ZOO_MODEL / "labels.txt")}

    def peer(command: str, wrap: Callable[[bytes], bytes] = bytes, media_type: str = OCTETS) -> Server:
        words = [str(PEERS_PYTHON), "-m", *command.split(" ")]
        return Server(lambda port: [word.replace("PORT", str(port)) for word in words], environment, wrap, media_type)

    uvicorn = f"uvicorn --host {HOST} --port PORT --factory bench.peers.fastapi_app"
    peers = {
        "microsoft": peer(f"gunicorn --bind {HOST}:PORT bench.peers.microsoft:app"),
        "fastapi": peer(f"{uvicorn}:plain"),
        "fastapi-tuned": peer(f"{uvicorn}:tuned --no-access-log"),
        "litserve": peer("bench.peers.litserve_server PORT", _as_json, "application/json"),
    }
    exact_int8 = {**environment, "PEER_EXACT_INT8": "1"}
    exact = {f"{name}-exact": replace(server, environment=exact_int8) for name, server in peers.items()}
    own = {"framehook-exact": framehook(), "framehook-threads": framehook(isolation="thread")}
    own |= {f"{name}-wide": replace(server, environment={**server.environment, **WIDE}) for name, server in own.items()}
    return own | peers | exact


@contextmanager
def serving(server: Server, first_picture: bytes, cores: Collection[int] | None = None) -> Iterator[Service]:
    """Run a server until the block ends; it has answered one picture when the block begins."""
    with starting(server, cores) as service:
        service.wait_for(lambda: service.post(first_picture).status in {OK, NO_CONTENT}, ASK_AGAIN_S)
        yield service


@contextmanager
def starting(server: Server, cores: Collection[int] | None = None) -> Iterator[Service]:
    """Run a server until the block ends; it may not be ready yet when the block begins."""
    with tempfile.TemporaryDirectory() as folder:
        port, log = free_port(), Path(folder) / "log"
        with running(server.command(port), server.environment, log, cores) as tree:
            yield Service(server, port, tree, log)


def _as_json(picture: bytes) -> bytes:
    return json.dumps({"image_bytes": base64.b64encode(picture).decode()}).encode()
