"""A real uvicorn on a real socket, in a thread."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from handlers.server.app import create_app
from handlers.server.settings import Settings
from handlers.server.wire.http_server import create_server
from models.scheduling.lanes import Lanes
from tests.support.client import ContractClient
from tests.support.waiting import PATIENCE_S, wait_for


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A running service: its address, its default model, and a client that checks every answer."""

    host: str
    port: int
    model: str
    client: ContractClient
    terminate: Callable[[], None] = lambda: None
    """Ends the service like SIGTERM."""
    trusted: ssl.SSLContext | None = None
    """The SSL context of clients if the service speaks HTTPS."""
    limit_send_buffers: Callable[[int], None] = lambda _: None
    """Limits the kernel's send buffer of later connections to this many bytes."""
    loop_cpu_s: Callable[[], float] = lambda: 0
    """Returns the CPU time that the event loop has taken, in seconds."""
    lanes: Callable[[], Lanes] | None = None
    """Returns the lanes of the default model."""

    @property
    def url(self) -> str:
        return f"{'https' if self.trusted else 'http'}://{self.host}:{self.port}"

    def wait_until_ready(self, headers: dict[str, str] | None = None) -> None:
        wait_for(lambda: self.client.get("/health/ready", headers=headers).status_code == httpx.codes.OK)

    def new_client(self) -> ContractClient:
        """Return another client, with its own connections."""
        return ContractClient(self.url, self.trusted)

    @contextmanager
    def busy(self, jobs: int = 1) -> Iterator[None]:
        """Keep the only lane busy until the block ends, and one place in its queue for each further job."""
        assert self.lanes
        lanes, done = self.lanes(), threading.Event()
        assert lanes.count == 1
        taken = []
        try:
            taken += [lanes.submit(done.wait, caller=self.host) for _ in range(jobs)]
            wait_for(lambda: lanes.running)
            yield
        finally:
            done.set()
            for job in taken:
                job.result()


@contextmanager
def running(
    *,
    wait_until_ready: bool = True,
    give_up: Callable[[], None] = lambda: None,
    trusted: ssl.SSLContext | None = None,
    **settings: Any,
) -> Iterator[LiveServer]:
    """Run the service with these settings until the block ends; `trusted`: for clients, if it speaks HTTPS.

    Unless they say otherwise, lanes are threads, which start much faster, and frames may take their time: on a busy
    machine they do.
    """
    patience = {"queue_timeout_s": PATIENCE_S, "run_timeout_s": PATIENCE_S}
    configured = Settings(**({"port": 0, "isolation": "thread"} | patience | settings))
    server = create_server(configured, create_app(configured, lambda is_ready: None if is_ready else give_up()))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        with ContractClient(f"{'https' if trusted else 'http'}://{host}:{port}", trusted) as client:
            limit = partial(_limit_send_buffers, server.servers[0].sockets[0].fileno())
            clock = time.pthread_getcpuclockid(thread.ident or 0)
            cpu_s = partial(time.clock_gettime, clock)
            engine = server.lifespan.state["context"].engine
            live = LiveServer(
                host,
                port,
                configured.default_model,
                client,
                server.drain,
                trusted,
                limit,
                cpu_s,
                lambda: engine.served.find(None).lanes,
            )
            if wait_until_ready:
                live.wait_until_ready()
            yield live
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[LiveServer]:
    """Run the service with one test model, in this folder."""
    with running(model_repository=folder.parent, default_model=folder.name, **settings) as server:
        yield server


def _limit_send_buffers(listener: int, size_bytes: int) -> None:
    with socket.socket(fileno=os.dup(listener)) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size_bytes)
